"""What is varied: a card a factor, with its values or range, and the condition under which it is varied."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, forms
from app.ui.experiments import desk, words
from app.ui.experiments.desk import StudyDesk
from app.ui.experiments.suggesting import suggested_values
from core import registry
from core.config import PART_KINDS, TrialConfig, with_settings
from core.errors import WorkbenchError
from core.labs.experiments.experiment import part_named, part_of

DRAWS = ("random", "latin", "tpe", "nsga2", "halving")


def draw(here: StudyDesk) -> None:
    st.markdown("**What is varied**")
    factors = here.draft.mapping["factors"]
    if not factors:
        st.caption("Nothing yet: only the base recipe is measured. Add a setting below.")
    for number in range(len(factors)):
        with st.container(border=True, key=f"factor-{number}"):
            factor(here, number)
    add(here)


def offered(recipe: TrialConfig, factors: Sequence[dict[str, Any]], more: Sequence[str] = ()) -> dict[str, str]:
    """setting -> what the form calls it, of all stages that decide a ranking, and of `more`: in the base, and in the parts that are
    compared."""
    compared = {part_of(f["setting"]): f["values"] for f in factors if part_of(f["setting"])}
    settings = {}
    for stage in (*session.workbench().ranking_fields(), *more):
        if stage in PART_KINDS:
            settings[stage] = words.setting_title(stage, recipe)
        for model in words.classes(stage, recipe, list(map(part_named, compared.get(stage, ())))):
            for knob in forms.knobs(model):
                settings.setdefault(f"{stage}.{knob.name}", f"{forms.title(stage)}: {forms.lower(knob.label)}")
    return settings


def add(here: StudyDesk) -> None:
    factors = here.draft.mapping["factors"]
    taken = {part_of(f["setting"]) or f["setting"] for f in factors}
    every = offered(here.recipe, factors, session.workbench().answering_fields())
    free = {setting: title for setting, title in every.items() if setting not in taken}
    key = f"study/{here.id}/add/{len(taken)}"
    st.selectbox(
        "Add a setting",
        list(free),
        None,
        key=key,
        format_func=free.get,
        placeholder="Vary another setting: type to search",
        label_visibility="collapsed",
        on_change=added,
        args=(here.id, key, here.recipe),
    )


def added(study_id: str, key: str, recipe: TrialConfig) -> None:
    """Callback: a factor with some values to begin with."""
    if not (setting := st.session_state[key]):
        return
    values = first_values(setting, recipe)
    desk.change(study_id, f"factor/{setting}", lambda mapping: mapping["factors"].append(plain(setting, values)))


def first_values(setting: str, recipe: TrialConfig) -> list[Any]:
    """Some values of a setting to begin with."""
    if part_of(setting):
        values = list(registry.parts(PART_KINDS[setting]))
        own = getattr(recipe, setting).part
        return [own, *(value for value in values if value != own)][:2]
    knob = words.knob_of(setting, recipe)
    return suggested_values(setting, recipe) if knob.kind in ("slider", "grid") else choices(setting, knob)


def plain(setting: str, values: list[Any]) -> dict[str, Any]:
    return {"setting": setting, "values": values, "low": None, "high": None, "whole": False, "log": False, "when": {}}


def factor(here: StudyDesk, number: int) -> None:
    own = here.draft.mapping["factors"][number]
    setting, recipe = own["setting"], here.recipe
    knob = words.knob_of(setting, recipe)
    place = f"study/{here.id}/factor/{setting}"
    unit = f" ({knob.unit})" if knob and knob.unit else ""
    with st.container(horizontal=True, vertical_alignment="center"):
        about = knob.help if knob else "The methods of this stage, each with its other settings at their defaults."
        if knob and knob.low is not None and knob.high is not None:
            about += f" From {forms.number(knob.low)} to {forms.number(knob.high)}."
        st.markdown(cards.plain(words.setting_title(setting, recipe) + unit), help=about, width="stretch")
        ranged = own["low"] is not None or own["high"] is not None
        if knob and knob.kind in ("slider", "grid", "number") and (ranged or here.draft.mapping["design"]["kind"] in DRAWS):
            now = "Range" if ranged else "Values"
            look = {"options": (("Values", "Range"),), "default": now, "required": True, "label_visibility": "collapsed"}
            forms.field(st.segmented_control, "As", f"{place}/as", now, as_changed, here.id, number, knob, **look)
        condition(here, number, place)
        cards.press("Remove", "close", f"{place}/remove", removed, here.id, number, type="tertiary")
    (span if ranged else values)(here, number, knob, place)
    if here.draft.field == f"factor/{setting}" and here.draft.problem:
        st.warning(cards.plain(here.draft.problem), icon=":material/error:")
    elif refused := invalid(here, own):
        st.caption(f":material/error: {cards.plain(refused)}")


def removed(study_id: str, number: int) -> None:
    """Callback: a factor is varied no more."""
    desk.change(study_id, "factors", lambda mapping: mapping["factors"].pop(number))


def values(here: StudyDesk, number: int, knob: forms.Knob | None, place: str) -> None:
    own, recipe = here.draft.mapping["factors"][number], here.recipe
    setting, chosen = own["setting"], [words.as_token(value) for value in own["values"]]
    options = list(dict.fromkeys([*chosen, *map(words.as_token, choices(setting, knob))]))
    forms.field(
        st.multiselect,
        "Values",
        f"{place}/values",
        chosen,
        values_changed,
        here.id,
        number,
        knob,
        options=(options, chosen),
        format_func=partial(words.token_words, setting, knob, recipe),
        accept_new_options=True,
        select_all=False,  # it would stand first, and Enter behind a typed value would take all that look like it
        placeholder="Choose, or type a value and press Enter",
        label_visibility="collapsed",
    )


def choices(setting: str, knob: forms.Knob | None) -> list[Any]:
    if stage := part_of(setting):
        return list(registry.parts(PART_KINDS[stage]))
    if knob is None or knob.kind not in ("switch", "choice"):
        return []  # of numbers none: Enter would take the one offered that looks like the one typed
    return [False, True] if knob.kind == "switch" else list(knob.options)


def values_changed(study_id: str, number: int, knob: forms.Knob | None, key: str) -> None:
    edit_factor(study_id, number, {"values": of_tokens(st.session_state[key], knob)})


def of_tokens(tokens: Sequence[str], knob: forms.Knob | None) -> list[Any]:
    """Each value once; numbers stand in their order."""
    unique = list({words.as_token(value): value for value in (words.of_token(token, knob) for token in tokens)}.values())
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in unique):
        unique.sort()
    return unique


def span(here: StudyDesk, number: int, knob: forms.Knob, place: str) -> None:
    own = here.draft.mapping["factors"][number]
    left, right, scale = st.columns([2, 2, 1.4], vertical_alignment="bottom")
    for make, label, end in ((left.number_input, "From", "low"), (right.number_input, "to", "high")):
        look = {"options": (None, None, own[end]), "step": float(knob.step)}
        forms.field(make, label, f"{place}/{end}", own[end], span_changed, here.id, number, end, **look)
    look = {"value": own["log"], "help": "Logarithmic: as many points from 1 to 10 as from 10 to 100."}
    forms.field(scale.toggle, "Logarithmic", f"{place}/log", own["log"], span_changed, here.id, number, "log", **look)


def span_changed(study_id: str, number: int, field: str, key: str) -> None:
    edit_factor(study_id, number, {field: st.session_state[key]})


def as_changed(study_id: str, number: int, knob: forms.Knob, key: str) -> None:
    """Callback: values become the range from the first to the last, and a range some values in it."""
    own = st.session_state[desk.DRAFTS][study_id].mapping["factors"][number]
    if st.session_state[key] == "Range":
        numbers = [value for value in own["values"] if isinstance(value, int | float)] or [knob.low, knob.high]
        low, high = min(numbers), max(numbers)
        low, high = (low, high) if low < high else (knob.low, knob.high)
        edit_factor(study_id, number, {"values": [], "low": float(low), "high": float(high), "whole": knob.whole})
    else:
        low, high = own["low"] or 0.0, own["high"] or 0.0
        middle = (low + high) / 2
        values = [round(value) if own["whole"] else value for value in (low, middle, high)]
        edit_factor(study_id, number, {"values": list(dict.fromkeys(values)), "low": None, "high": None, "log": False})


def condition(here: StudyDesk, number: int, place: str) -> None:
    """Under which values of other factors this one is varied: all of the conditions have to hold."""
    factors, recipe = here.draft.mapping["factors"], here.recipe
    held = factors[number]["when"]
    # "fusion" and "fusion.part" are one setting
    others = {same(f["setting"]): f["values"] for n, f in enumerate(factors) if n != number and f["values"]}
    if not others and not held:
        return
    told = " and ".join(
        f"{words.setting_title(name, recipe)} {', '.join(words.value_words(name, value, recipe) for value in values)}"
        for name, values in held.items()
    )
    with st.popover(
        "Only when" if held else "Always", type="tertiary", icon=":material/filter_alt:", help=told or None, key=f"{place}/only"
    ):
        st.caption(
            cards.plain(
                f"Varied only when {told}." if told else "Varied at every point. Choose another setting to vary it only there."
            )
        )
        for name in held:
            values_of_condition(here, number, name, list(others.get(same(name), ())), place)
        free = [name for name in others if name not in map(same, held)]
        if free:
            key = f"{place}/when/{len(held)}"
            st.selectbox(
                "Another condition" if held else "Varied only with some of",
                free,
                None,
                key=key,
                format_func=lambda name: words.setting_title(name, recipe),
                placeholder="Choose a setting",
                on_change=condition_added,
                args=(here.id, number, key, others),
            )


def same(setting: str) -> str:
    return part_of(setting) or setting


def values_of_condition(here: StudyDesk, number: int, name: str, offered: list[Any], place: str) -> None:
    """One setting with the values under which the factor is varied; without any the condition is gone."""
    held, recipe = here.draft.mapping["factors"][number]["when"], here.recipe
    key, knob = f"{place}/when/{name}", words.knob_of(name, recipe)
    chosen = [words.as_token(value) for value in held[name]]

    def edit(key: str) -> None:
        values = [words.of_token(token, knob) for token in st.session_state[key]]
        edit_factor(here.id, number, {"when": {n: values if n == name else v for n, v in held.items() if n != name or values}})

    options = list(dict.fromkeys([*chosen, *map(words.as_token, offered)]))
    called, about = partial(words.token_words, name, knob, recipe), "Without a value the condition is removed."
    look = {"options": (options, chosen), "format_func": called, "help": about, "wrap": True}
    forms.field(st.multiselect, words.setting_title(name, recipe), key, chosen, edit, **look)


def condition_added(study_id: str, number: int, key: str, others: dict[str, list[Any]]) -> None:
    """Callback: one more condition, with the first of its values to begin with."""
    if name := st.session_state[key]:
        held = st.session_state[desk.DRAFTS][study_id].mapping["factors"][number]["when"]
        edit_factor(study_id, number, {"when": {**held, name: others[name][:1]}})


def edit_factor(study_id: str, number: int, fields: dict[str, Any]) -> None:
    setting = st.session_state[desk.DRAFTS][study_id].mapping["factors"][number]["setting"]
    desk.change(study_id, f"factor/{setting}", lambda mapping: mapping["factors"][number].update(fields))


def invalid(here: StudyDesk, own: dict[str, Any]) -> str:
    """Which of the values are none of this setting by itself, and why; "" if all are."""
    stage, _, name = own["setting"].partition(".")
    beside = [f for f in here.draft.mapping["factors"] if f is not own and f["setting"].partition(".")[0] == stage]
    told = []
    if beside:  # what a value goes together with is varied too: told with the points
        return ""
    for value in own["values"]:
        if not part_of(own["setting"]) and name not in type(getattr(here.recipe, stage)).model_fields:
            continue  # of another part: told with its point
        try:
            with_settings(here.recipe, {own["setting"]: value})
        except WorkbenchError as error:
            reason = registry.lower(error.what.rstrip("."))
            told.append(f"{words.value_words(own['setting'], value, here.recipe)} is left out: {reason}.")
    return " ".join(told)
