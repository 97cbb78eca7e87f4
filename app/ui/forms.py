"""Forms of the recipe, built from the fields of the stage's config alone: a new knob or part needs no edit here.

A form shows the recipe that `app.session` holds under a name and changes it there, in callbacks, so that the run that
follows a click already works with the new recipe.
"""

import math
import re
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import suppress
from functools import cache
from types import UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

import streamlit as st

from app import session
from app.ui import cards, jobs
from app.ui.adapters.worn import worn
from core import registry
from core.config import PART_KINDS, PartConfig, TransformConfig, TrialConfig, valid
from core.errors import WorkbenchError
from core.labs.trials.comparison import made_name
from core.registry import knob_label, lower, plain_words, word
from core.retrieval.fusion import Fusion
from core.workbench import Forecast
from core.workbench import setting_words as words_of

OPEN = "open_stage"  # of the session: the stage whose knobs are shown
LONG_VALUE = 32  # characters of a setting told in a line


class Knob(NamedTuple):
    """What a widget needs to know of a field."""

    name: str
    label: str
    unit: str
    help: str
    kind: str  # "choice", "switch", "slider", "grid", "number", "text", "texts"
    options: tuple = ()  # of a choice or a grid
    low: float | None = None
    high: float | None = None
    step: float | None = None
    whole: bool = False
    optional: bool = False
    automatic: bool = False  # 0 leaves the choice to the part


@cache
def knobs(model: type) -> tuple[Knob, ...]:
    """The knobs of a config class in the order of its fields; fields with an editor, and of a kind no widget fits, are left out."""
    return tuple(filter(None, (_knob(name, field) for name, field in model.model_fields.items() if name != "part")))


def stage_form(
    stage: str,
    *,
    name: str = session.CURRENT,
    apply: bool | None = None,
    baseline: TrialConfig | None = None,
    cost: str = "",
    expanded: bool = False,
    only: tuple[str, ...] = (),
    folded: bool = True,
    instead: Mapping[str, Callable[[], None]] | None = None,
) -> TrialConfig:
    """One stage of the recipe `name` as an expander; returns the recipe.

    apply: settings take effect on a button (default: for stages that re-embed).  cost: what a change costs, in a few
    words ("about 12 s").  baseline: a dot marks a stage that differs from it.  only: these knobs and no others.  folded: False
    where it stands open by itself.  instead: setting -> what draws it in its widget's place.
    """
    waited_for = session.workbench().stages()[stage].costs
    apply = waited_for if apply is None else apply
    recipe = session.config(name)
    value = getattr(recipe, stage)
    draft = _drafted(stage, value, name, only) if apply else None
    waits = draft is not None and draft.value != value
    label = f"**{title(stage)}** {cards.plain(describe(draft.value if waits and draft.value else value))}"
    if baseline is not None and getattr(baseline, stage) != value:
        label = f":primary[●] {label}"
    if unused(stage, recipe):
        label += " :gray-badge[not used by this fusion]"
    elif waits:
        label += " :orange-badge[not applied yet]"
    elif waited_for or cost:
        work = "computes anew"
        if stage in ("chunking", "embedding"):
            work = "chunks anew" if unused("embedding", recipe) else "re-embeds"
        label += f" :gray-badge[:material/bolt: {cost or work}]"
    # a stable key: the label changes with every setting and must not close the expander
    with st.expander(label, expanded=expanded, key=f"{name}/{stage}") if folded else st.container(key=f"{name}/{stage}"):
        if not folded:
            st.container(key=f"stage_head/{name}/{stage}").markdown(label)
        if draft:
            _applied(stage, name, draft, waits)
        else:
            _live(stage, value, name, only, instead or {})
        refused, problem = st.session_state.get(f"{name}/{stage}!", (None, ""))
        if problem and refused == value:  # else the recipe was changed elsewhere since
            st.warning(cards.plain(problem), icon=":material/error:")
    return session.config(name)


def title(stage: str) -> str:
    """What the form of a stage is called; the seed is a stage of its own."""
    form = session.workbench().stages().get(stage)
    return form.title if form else stage.capitalize()


def unused(stage: str, recipe: TrialConfig) -> bool:
    """Whether the recipe's fusion asks nothing of that stage."""
    return stage in session.workbench().unused(recipe)


def recipe_form(
    stages: tuple[str, ...] = (), *, show_presets: bool = True, costs: Mapping[str, str] | None = None
) -> TrialConfig:
    """Presets and one expander a stage, in the order given (default: what decides a ranking and its metrics); returns the
    recipe. costs: stage -> what a change costs."""
    if show_presets:
        presets()
    pinned = session.baseline()
    with st.container(gap="xsmall"):
        for stage in stages or (*session.workbench().ranking_fields(), "evaluation"):
            if session.workbench().shows(stage, session.config()):
                stage_form(stage, baseline=pinned, cost=(costs or {}).get(stage, ""))
    return session.config()


def stage_chips(usual: str) -> str:
    """The recipe on one line, a chip a stage with its choice; returns the stage that is open."""
    recipe, workbench, state = session.config(), session.workbench(), st.session_state
    stages = [stage for stage in (*workbench.ranking_fields(), "evaluation") if workbench.shows(stage, recipe)]
    if state.get(OPEN) not in stages:
        state[OPEN] = usual if usual in stages else "fusion"
    chips = {stage: chip(stage) for stage in stages}
    st.pills("Recipe", stages, default=state[OPEN], key=OPEN, required=True, format_func=chips.get, label_visibility="collapsed")
    return state[OPEN]


def recipe_chips(stages: tuple[str, ...], *, show_presets: bool = True, costs: Mapping[str, str] | None = None) -> Any:
    """The recipe on one line: a chip for all that finds passages, and one for each of these stages, with the knobs behind; returns
    the line."""
    recipe, pinned, ranking = session.config(), session.baseline(), session.workbench().ranking_fields()
    differs = ":primary[●] " if pinned and any(getattr(pinned, stage) != getattr(recipe, stage) for stage in ranking) else ""
    line = st.container(horizontal=True, gap="xsmall", key="recipe_chips")
    with line.popover(f":gray[{differs}Passages by] {part_title(type(recipe.fusion))}", key="chip/passages"):
        recipe_form(ranking, show_presets=show_presets, costs=costs)
    for stage in stages:
        with line.popover(chip(stage), key=f"chip/{stage}"):
            stage_form(stage, baseline=pinned, cost=(costs or {}).get(stage, ""), folded=False)
    return line


def chip(stage: str) -> str:
    """A stage and its choice, in the few words of a button."""
    recipe, pinned = session.config(), session.baseline()
    value = getattr(recipe, stage)
    differs = ":primary[●] " if pinned is not None and getattr(pinned, stage) != value else ""
    chosen = "not used" if unused(stage, recipe) else describe(value).partition(",")[0]
    costs = " :material/bolt:" if session.workbench().stages()[stage].costs else ""
    return f":gray[{differs}{title(stage)}{costs}] {cards.plain(chosen)}"


def presets(name: str = session.CURRENT) -> None:
    """Known recipes in a row; the one in use is marked."""
    offered = {name: fusion.title for name, fusion in registry.parts("fusion").items() if fusion.title}
    key, current = f"{name}/preset", session.config(name).fusion.part
    show_value(key, current if current in offered else None)
    st.segmented_control(
        "Preset",
        list(offered),
        default=st.session_state[key],
        key=key,
        format_func=offered.get,
        label_visibility="collapsed",
        on_change=_preset,
        args=(name, key),
    )


def describe(value: Any) -> str:
    """A stage's choice in a few words: "recursive, 256 tokens, overlap 32"."""
    words, shown = [part_title(type(value))] if isinstance(value, PartConfig) else [], knobs(type(value))
    if isinstance(value, TransformConfig):  # of many steps, those that are done
        shown = [knob for knob in shown if getattr(value, knob.name) != type(value).model_fields[knob.name].default]
        words = [] if shown else ["none"]
    else:
        shown = shown[: 3 if words else 2]
    for knob in shown:
        chosen = getattr(value, knob.name)
        if chosen in (None, "", (), "none", "auto") or (knob.automatic and chosen == 0):
            continue
        if knob.kind == "switch":
            words += [knob.label.lower()] if chosen else []
        elif knob.unit and len(words) == 1 and isinstance(value, PartConfig):  # the size a part is known by
            words.append(f"{number(chosen)} {knob.unit}")
        elif knob.kind == "choice":
            words.append(word(chosen))
        else:
            words.append(f"{lower(knob.label)} {number(chosen)}")
            # "Maximum" of max_tokens says no unit; what was said before is not said again
            if knob.unit and knob.name.endswith(f"_{knob.unit}") and not any(text.endswith(f" {knob.unit}") for text in words):
                words[-1] += f" {knob.unit}"
    return ", ".join(words)


def describe_recipe(recipe: TrialConfig) -> str:
    """The name of a recipe: what its trials are called."""
    return made_name(recipe.model_dump(mode="json"))


def setting_words(path: str, recipe: TrialConfig) -> str:
    """One setting of a recipe in the words of its form: "Chunking: size 512 tokens"."""
    stage, _, name = path.partition(".")
    value, head = getattr(recipe, stage), title(stage)
    if not name:  # the seed is a stage of its own
        return f"{head} {number(value)}"
    chosen = getattr(value, name)
    if name == "part":
        return f"{head}: {part_title(type(value))}"
    knob = next((knob for knob in knobs(type(value)) if knob.name == name), None)
    if knob is None:
        return f"{head}: {word(name)}"
    if knob.kind == "switch":
        shown = "on" if chosen else "off"
    elif knob.kind == "choice":
        shown = word(chosen)
    elif isinstance(chosen, tuple):
        shown = ", ".join(held(chosen)) or "none"
    else:
        shown = number(chosen) if chosen not in (None, "") else "none"
    shown = " ".join(shown.split())
    shown = shown if len(shown) <= LONG_VALUE else shown[: LONG_VALUE - 1] + "…"
    return " ".join(filter(None, (f"{head}: {lower(knob.label)}", shown, knob.unit)))


def points(knob: Knob, current: Any = None, most: int = 21) -> list:
    """Values over a knob's whole range, the current one among them: the points of a trade-off curve."""
    if knob.options:
        stops = list(knob.options)
    else:
        count = min(most, round((knob.high - knob.low) / knob.step) + 1)
        stops = [knob.low + (knob.high - knob.low) * i / (count - 1) for i in range(count)]
        stops = [round(stop) if knob.whole else round(round(stop / knob.step) * knob.step, 10) for stop in stops]
    numbers = all(isinstance(stop, int | float) for stop in stops)
    return sorted({*stops, *([] if current is None else [current])}) if numbers else stops


# --- the two ways a change takes effect ------------------------------------------------------------------------------


def _live(stage: str, value: Any, name: str, only: tuple[str, ...], instead: Mapping[str, Callable[[], None]]) -> None:
    """Each widget changes the recipe at once."""
    if stage in PART_KINDS:
        key = f"{name}/{stage}.part"
        show_value(key, value.part)
        _part_box(stage, value.part, key, on_change=_changed, args=(name, stage, "part", key))
    for knob in knobs(type(value)):
        if draw := instead.get(f"{stage}.{knob.name}"):
            draw()
        elif not only or knob.name in only:
            key = f"{name}/{stage}.{value.part}.{knob.name}" if stage in PART_KINDS else f"{name}/{stage}.{knob.name}"
            show_value(key, held(getattr(value, knob.name)))
            widget(knob, key, on_change=_changed, args=(name, stage, knob.name, key))


def seed(config: TrialConfig, about: str) -> None:
    """The seed of the recipe, which is a stage of its own. about: what it decides on this page."""
    options = (0, 2**31 - 1)
    field(st.number_input, "Seed", "seed", config.seed, _moved, "seed", options=options, help=about)


def knob_of(setting: str, **look: Any) -> None:
    """The widget of one setting of the recipe, "context.threshold", where a page shows what it does."""
    stage, _, name = setting.partition(".")
    value, key = getattr(session.config(), stage), f"alone/{setting}"
    show_value(key, held(getattr(value, name)))
    widget(next(knob for knob in knobs(type(value)) if knob.name == name), key, on_change=_moved, args=(setting, key), **look)


def _moved(setting: str, key: str) -> None:
    session.change({setting: _taken(st.session_state[key])})


class Draft(NamedTuple):
    """What the widgets of a stage say and the recipe does not yet. value None: they do not go together, `problem` says why."""

    model: type
    keys: dict[str, str]  # knob -> key of its widget
    value: Any
    problem: str


def _drafted(stage: str, value: Any, name: str, only: tuple[str, ...]) -> Draft:
    """The draft, before its widgets are drawn; it follows when the recipe changes elsewhere."""
    state, shown = st.session_state, f"{name}/{stage}?"
    # also where the page was left: the widgets have forgotten the draft
    fresh = state.get(shown) != value or (stage in PART_KINDS and f"{name}/{stage}.part?" not in state)
    state[shown] = value
    model, before = type(value), value if fresh else state.get(f"{shown}draft", value)
    if stage in PART_KINDS:
        show_value(f"{name}/{stage}.part?", value.part, fresh)
        model = registry.find(PART_KINDS[stage], state[f"{name}/{stage}.part?"])
    switched = type(before) is not model
    base, keys = model(**_carried(stage, before, model)) if switched else before, {}
    for knob in knobs(model):
        if not only or knob.name in only:
            keys[knob.name] = f"{name}/{stage}.{getattr(base, 'part', '')}.{knob.name}?"
            show_value(keys[knob.name], held(getattr(base, knob.name)), fresh or switched)
    try:
        drafted = valid(model, {**base.model_dump(mode="json"), **{knob: _taken(state[key]) for knob, key in keys.items()}})
    except WorkbenchError as error:
        return Draft(model, keys, None, error.what)
    state[f"{shown}draft"] = drafted
    return Draft(model, keys, drafted, "")


def _carried(stage: str, before: Any, model: type) -> dict[str, Any]:
    """Settings that another method has too and that mean the same there: of chunkers their sizes in tokens."""
    names = model.model_fields.keys() & type(before).model_fields.keys() - {"part"} if stage == "chunking" else ()
    settings = {knob: getattr(before, knob) for knob in names}
    try:
        valid(model, settings)
    except WorkbenchError:  # together with a default of the new method
        return {}
    return settings


def _applied(stage: str, name: str, draft: Draft, waits: bool) -> None:
    """The widgets hold a draft; one press makes it the recipe and starts what that takes."""
    if stage in PART_KINDS:
        key = f"{name}/{stage}.part?"
        _part_box(stage, st.session_state[key], key)
    for knob in knobs(draft.model):
        if knob.name in draft.keys:
            widget(knob, draft.keys[knob.name])
    if draft.problem:
        st.warning(cards.plain(draft.problem), icon=":material/error:")
    plan = None
    if waits and draft.value and name == session.CURRENT:
        with suppress(WorkbenchError):  # the page tells it, once it is the recipe
            plan = session.workbench().plan(session.config(name).model_copy(update={stage: draft.value}))
        if plan and not plan.live:
            st.caption("Applying starts a job:")
            jobs.price("prepare", Forecast(plan.phases))
        elif plan and not plan.what:
            st.caption("Nothing has to be embedded: it applies at once.")
    st.button(
        "Apply",
        type="primary",
        icon=":material/bolt:",
        key=f"{name}/{stage}/apply",
        disabled=not (waits and draft.value),
        on_click=_apply,
        args=(name, stage, draft.value, None if plan is None or plan.live else Forecast(plan.phases)),
    )


def one_of(title: str, options: Sequence | Mapping[Any, str], key: str, usual: Any = None, place: Any = st, **look: Any) -> Any:
    """One of a few that are all in sight: the usual one, else the first, unless another was chosen. options: values, or value -> what it
    is called."""
    titles = options if isinstance(options, Mapping) else dict(zip(options, map(str, options), strict=True))
    usual = next(iter(titles)) if usual is None else usual
    look = {"default": usual, "required": True, "format_func": titles.get} | look
    if (chosen := place.segmented_control(title, list(titles), key=key, **look)) is None:  # cleared by an address without a value
        return usual
    return chosen


def one_of_many(title: str, options: Mapping[Any, str], key: str, usual: Any = None, place: Any = st, **look: Any) -> Any:
    """The same of many, folded into a box. options: value -> what it is called."""
    values = list(options)
    at = 0 if usual is None else values.index(usual)
    return place.selectbox(title, values, at, key=key, format_func=lambda value: options.get(value, str(value)), **look)


def show_value(key: str, value: Any, always: bool = True) -> None:
    """Lets the widget `key` show `value` in this run; equal values are not sent again (that would drop a draft)."""
    if key not in st.session_state or (always and st.session_state[key] != value):
        st.session_state[key] = value


def field(make: Any, label: str, key: str, value: Any, act: Any, /, *arguments: Any, options: Sequence = (), **look: Any) -> None:
    """A widget of a value that stands elsewhere: it shows that, and what a person chooses goes to act(*arguments, key). make: as
    st.text_input; options: what it takes behind its label; look: what else."""
    show_value(key, value)
    make(label, *options, key=key, on_change=act, args=(*arguments, key), **look)


def held(value: Any) -> Any:
    """A setting as its widget holds it: of several texts a list, in which line ends and tabs can be seen and typed."""
    if not isinstance(value, tuple):
        return value
    return [text.replace("\\", r"\\").replace("\n", r"\n").replace("\t", r"\t") for text in value]


def _taken(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    signs = {r"\n": "\n", r"\t": "\t", r"\\": "\\"}
    return [re.sub(r"\\[nt\\]", lambda sign: signs[sign[0]], text) for text in value]


def _changed(name: str, stage: str, knob: str, key: str) -> None:
    value, settings = _taken(st.session_state[key]), {}
    if stage in PART_KINDS and knob != "part" and key != f"{name}/{stage}.{getattr(session.config(name), stage).part}.{knob}":
        return  # the browser still had the slider of the method before
    if knob == "part":
        before = getattr(session.config(name), stage)
        settings = {
            f"{stage}.{same}": of for same, of in _carried(stage, before, registry.find(PART_KINDS[stage], value)).items()
        }
    attempt(name, stage, {f"{stage}.{knob}": value, **settings})


def _apply(name: str, stage: str, value: Any, takes: Forecast | None) -> None:
    """takes: what the job takes that makes at once what the recipe then lacks; the pages find it by its command."""
    attempt(name, stage, {stage: value.model_dump(mode="json")})
    recipe = session.config(name)
    if takes and getattr(recipe, stage) == value:
        jobs.start(["prepare", *session.workbench().arguments(recipe)], f"Preparing {recipe.corpus.dataset}", takes)


def _preset(name: str, key: str) -> None:
    if st.session_state[key]:  # None: the one in use was pressed again
        attempt(name, "fusion", {"fusion.part": st.session_state[key]})


def attempt(name: str, stage: str, settings: dict[str, Any]) -> None:
    """Changes settings of a recipe, in a callback; why they do not go together is told in the form of the stage."""
    st.session_state.pop(f"{name}/{stage}!", None)
    try:
        session.change(settings, name)
    except WorkbenchError as error:
        path, value = next(iter(settings.items()))
        words = f"Not set: {words_of({path: value})}. " if "." in path else ""
        st.session_state[f"{name}/{stage}!"] = getattr(session.config(name), stage), words + error.what


# --- widgets ---------------------------------------------------------------------------------------------------------


def _part_box(stage: str, part: str, key: str, **events: Any) -> None:
    parts = registry.parts(PART_KINDS[stage])
    names = list(parts)
    titles = {name: part_title(cls) for name, cls in parts.items()}
    st.selectbox("Method", names, names.index(part), key=key, format_func=titles.get, help=_about(parts[part]), **events)


def settings_form(usual: Any, place: str, first: Sequence[str], without: Container[str] = ()) -> dict[str, Any]:
    """The settings of a config that is no stage, as the widgets say them: in two columns those that come first, the others folded below.
    usual: the config with its defaults; place: begins the widgets' keys; without: settings that are not offered."""
    offered = {knob.name: knob for knob in knobs(type(usual)) if knob.name not in without}
    leading = [offered.pop(name) for name in first if name in offered]
    chosen = _in_columns(usual, place, leading)
    with st.expander("More", key=f"{place}/more"):
        return chosen | _in_columns(usual, place, list(offered.values()))


def _in_columns(usual: Any, place: str, shown: Sequence[Knob]) -> dict[str, Any]:
    columns, chosen = st.columns(2), {}
    for number, knob in enumerate(shown):
        with columns[number % 2]:
            chosen[knob.name] = kept_widget(knob, f"{place}/{knob.name}", getattr(usual, knob.name))
    return chosen


def kept_widget(knob: Knob, key: str, value: Any) -> Any:
    """A widget that begins with the value and keeps what it is given, on another page, too: Streamlit forgets what it does not draw."""
    values = st.session_state.setdefault("widget_values", {})
    show_value(key, values.get(key, value), always=False)
    values[key] = widget(knob, key)
    return values[key]


def widget(knob: Knob, key: str, **events: Any) -> Any:
    label = f"{knob.label} ({knob.unit})" if knob.unit else knob.label
    if knob.label == "At most":  # a limit is named by what it limits
        label = f"{knob.unit.capitalize()}, at most"
    shared = {"key": key, "help": knob.help or None, **events}
    # also as the widget's default: what the session alone holds is lost when a run is interrupted before it was sent
    value = st.session_state[key]
    if knob.kind == "choice":
        return st.selectbox(label, knob.options, knob.options.index(value), format_func=word, **shared)
    if knob.kind == "switch":
        return st.toggle(label, value, **shared)
    if knob.name == "adapter":
        return worn(label, **shared)
    if knob.kind == "text":  # a schema has several lines
        return (st.text_area if knob.name.endswith("schema") else st.text_input)(label, value, **shared)
    if knob.kind == "texts":
        return st.multiselect(label, value, value, accept_new_options=True, placeholder="Type a text, then Enter", **shared)
    if knob.kind == "grid":
        return st.select_slider(label, sorted({*knob.options, value}), value, format_func=number, **shared)
    written = "%g" if isinstance(knob.step, float) and knob.step.is_integer() else None  # 32, not 32.00
    number_of = st.slider if knob.kind == "slider" else st.number_input
    return number_of(label, knob.low, knob.high, value, step=knob.step, format=written, **shared)


def _knob(name: str, field: Any) -> Knob | None:
    extra = field.json_schema_extra or {}
    if extra.get("editor"):
        return None
    bounds = {
        key: getattr(rule, key)
        for rule in field.metadata
        for key in ("ge", "gt", "le", "lt", "multiple_of")
        if getattr(rule, key, None) is not None
    }
    kind, optional = field.annotation, False
    if get_origin(kind) in (Union, UnionType):
        inner = [a for a in get_args(kind) if a is not type(None)]
        if len(inner) != 1:
            return None
        kind, optional = inner[0], True
    label, unit = knob_label(name, field), extra.get("unit", "")
    fields = {
        "name": name,
        "unit": unit if unit != label.lower() else "",
        "help": plain_words(field.description or ""),
        "optional": optional,
        "automatic": extra.get("automatic", False),
        "label": label,
    }
    if get_origin(kind) is Literal:
        return Knob(kind="choice", options=(*([None] if optional else []), *get_args(kind)), **fields)
    if kind is bool:
        return Knob(kind="switch", **fields)
    if kind is str:
        return Knob(kind="text", **fields)
    if get_origin(kind) is tuple and get_args(kind)[1:] == (...,):
        return Knob(kind="texts", **fields)
    if kind not in (int, float):
        return None
    return _numeric(kind, bounds, extra.get("step"), field.default, fields)


def _numeric(kind: type, bounds: dict[str, float], step: float | None, usual: Any, fields: dict[str, Any]) -> Knob:
    whole = kind is int
    step = kind(step or bounds.get("multiple_of") or (1 if whole else 0))
    low, high = bounds.get("ge", bounds.get("gt")), bounds.get("le", bounds.get("lt"))
    span = None if low is None or high is None else high - low
    wide = False
    if not step:
        step = 0.01 if span is None else 10.0 ** round(math.log10(span / 100))
        if wide := "gt" in bounds and step > 1:  # a slider by tens from 10 would leave out 2, 8 and 16
            step = 1.0
    if low is not None and "gt" in bounds:
        low += step  # the widget's ends are inside the range, the config's need not be
    if high is not None and "lt" in bounds:
        high -= step
    low, high = (None if end is None else kind(round(end, 10)) for end in (low, high))
    fields |= {"low": low, "high": high, "step": step, "whole": whole}
    if span is None or wide or fields["optional"] or span / step > 1e5:
        return Knob(kind="number", **fields)
    if span / step > 256:
        stops = _grid(low, high, fields["unit"], kind)
        if isinstance(usual, int | float) and low <= usual <= high:  # the way back to it
            stops = tuple(sorted({*stops, kind(usual)}))
        return Knob(kind="grid", options=stops, **fields)
    return Knob(kind="slider", **fields)


def _grid(low: float, high: float, unit: str, kind: type) -> tuple:
    """Stops of a slider over orders of magnitude: 1, 1.5 times powers of two for tokens, 1 2 3 5 7 of ten for others."""
    if unit == "tokens":
        stops = [m * 2**e for e in range(1, 21) for m in (1, 1.5)]
    else:
        stops = [m * 10.0**e for e in range(-6, 9) for m in (1, 2, 3, 5, 7)]
    inside = {kind(round(s, 9)) for s in stops if low <= s <= high and (kind is float or s == int(s))}
    return tuple(sorted({low, high, *inside}))


def number(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def part_title(part: type) -> str:
    """What people call a part: a fusion by the recipe that it makes."""
    return (part.title if issubclass(part, Fusion) else "") or word(part.model_fields["part"].default)


def _about(part: type) -> str:
    return plain_words((part.__doc__ or "").strip())
