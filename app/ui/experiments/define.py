"""The tab Plan: the question, the base recipe, what is varied, how points are chosen, judged and paid for."""

from functools import partial
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, forms
from app.ui.experiments import desk, factors, outlook, words
from app.ui.experiments.desk import StudyDesk
from core.config import TrialConfig, difference
from core.errors import WorkbenchError
from core.evaluation.metric import metrics_and_measures
from core.labs.experiments.experiment import Budget, Design, Experiment, check_seen
from core.labs.trials.comparison import COSTS, label

# where the field's name says less than it could
TITLES = {
    "seconds": "Time",
    "usd": "Money",
    "trials": "Points",
    "eta": "Goes on: one of",
    "first_questions": "First round",
    "answers": "Questions answered",
}
STEPS = {"seconds": 60.0, "usd": 1.0}
QUESTIONS = {"all": "All", "dev": "Dev half", "": "Nothing more", "test": "Test half"}


def draw(here: StudyDesk) -> None:
    if here.draft.problem and not here.draft.field:
        st.warning(cards.plain(here.draft.problem), icon=":material/error:")
    wide, narrow = st.columns([3, 2], gap="medium")
    with wide:
        what(here)
        factors.draw(here)
    with narrow:
        base(here)
        design(here)
        judged(here)
        budget(here)
        outlook.draw(here)


def head(title: str) -> None:
    st.markdown(f"**{title}**")


def problem(here: StudyDesk, *fields: str) -> None:
    """What is wrong with a field, beside it."""
    if here.draft.problem and here.draft.field in fields:
        st.warning(cards.plain(here.draft.problem), icon=":material/error:")


def what(here: StudyDesk) -> None:
    for name, lines in (("title", 0), ("question", 68)):
        knob, key = knob_of(Experiment, name), shown(here, name)
        options = {"key": key, "help": knob.help, "on_change": changed, "args": (here.id, (name,), key)}
        value = st.session_state[key]
        st.text_area(knob.label, value, height=lines, **options) if lines else st.text_input(knob.label, value, **options)
        problem(here, name)


def base(here: StudyDesk) -> None:
    head("Base recipe")
    study = here.draft.experiment or here.recorded
    compared = study.compared_with
    told = f"{words.base_words(study)}. What is varied starts from it"
    if study.baseline:
        told += "; every trial is compared with the one that was chosen as baseline."
    elif compared:
        told += f". Every trial is compared with the baseline: {forms.describe_recipe(compared)}."
    else:
        told += ", and every trial is compared with it."
    st.caption(cards.plain(told))
    current = session.config()
    mapping = difference(without_questions(current))
    same = mapping == difference(without_questions(study.recipe))
    with st.container(horizontal=True):
        st.button(
            "Take the recipe in use",
            key="take_recipe",
            icon=":material/input:",
            type="tertiary",
            disabled=same,
            on_click=set_value,
            args=(here.id, ("base",), mapping),
            help="It is the base already."
            if same
            else cards.plain(f"{current.corpus.dataset} · {forms.describe_recipe(current)}"),
        )
        st.button(
            "Use the base",
            key="use_base",
            icon=":material/output:",
            type="tertiary",
            disabled=same,
            on_click=session.set_config,
            args=(study.recipe.model_copy(update={"corpus": study.recipe.corpus.model_copy(update={"questions": "all"})}),),
            help="Makes the base the recipe in use on every page: change it there, then take it here.",
        )
        compare_button(here, study)
    problem(here, "base", "against")


def compare_button(here: StudyDesk, study: Experiment) -> None:
    """Takes the pinned baseline as what trials are compared with, or goes back to the base."""
    pinned = pinned_baseline(study.recipe)
    if pinned is not None and pinned != study.against:
        label, value, what = "Compare with the pinned baseline", pinned, "It is measured beside the points, once."
    elif study.against is not None or study.baseline:
        label, value, what = "Compare with the base", None, "Every trial is compared with the base recipe again."
    else:
        return
    st.button(
        label,
        key="compare_with",
        icon=":material/push_pin:" if value is not None else ":material/undo:",
        type="tertiary",
        on_click=set_values,
        args=(here.id, {"against": value, "baseline": ""}),
        help=what,
    )


def pinned_baseline(recipe: TrialConfig) -> dict[str, Any] | None:
    """As a study names what it compares with; None: nothing is pinned, or it is this recipe. Corpus and questions are the study's."""
    pinned, usual = session.baseline(), session.defaults()
    own = {"corpus": recipe.corpus, "evaluation": recipe.evaluation, "seed": recipe.seed}
    if pinned is None or pinned.model_copy(update=own) == recipe:
        return None
    return difference(pinned.model_copy(update={"corpus": usual.corpus, "evaluation": usual.evaluation}))


def set_values(study_id: str, values: dict[str, Any]) -> None:
    """Callback: several fields of the document at once."""
    desk.change(study_id, next(iter(values)), lambda mapping: mapping.update(values))


def without_questions(recipe: Any) -> Any:
    return recipe.model_copy(update={"corpus": recipe.corpus.model_copy(update={"questions": "all"})})


def design(here: StudyDesk) -> None:
    head("How points are chosen")
    key = shown(here, "design", "kind")
    kind = st.session_state[key]
    st.selectbox(
        "Design",
        list(words.DESIGNS),
        list(words.DESIGNS).index(kind),
        key=key,
        format_func=lambda name: words.DESIGNS[name].title,
        on_change=changed,
        args=(here.id, ("design", "kind"), key),
        help="  \n".join(f"{design.title}: {design.about}" for design in words.DESIGNS.values()),
    )
    st.caption(words.DESIGNS[kind].about)
    knobs(here, Design, "design", words.DESIGNS[kind].uses)
    problem(here, "design", *(f"design.{name}" for name in Design.model_fields))


def knobs(here: StudyDesk, model: type, group: str, names: tuple[str, ...]) -> None:
    """Number fields side by side, two in a row."""
    for first in range(0, len(names), 2):
        for column, name in zip(st.columns(2), names[first : first + 2], strict=False):
            key = shown(here, group, name)
            with column:
                number_field(knob_of(model, name), key, partial(changed, here.id, (group, name), key))


def number_field(knob: forms.Knob, key: str, on_change: Any) -> None:
    label = TITLES.get(knob.name, knob.label)
    title = f"{label} ({knob.unit})" if knob.unit else label
    step = STEPS.get(knob.name, knob.step)
    look = {"help": knob.help, "format": None if knob.whole else "%g", "on_change": on_change}
    st.number_input(title, knob.low, knob.high, st.session_state[key], step=step, key=key, **look)


def judged(here: StudyDesk) -> None:
    head("How they are judged")
    key = shown(here, "metrics")
    costs = COSTS if here.draft.mapping["design"]["kind"] == "nsga2" else {}
    chosen, every = st.session_state[key], metrics_and_measures()
    st.multiselect(
        "Metrics",
        list(dict.fromkeys([*chosen, *every, *costs])),
        chosen,
        key=key,
        format_func=lambda name: COSTS[name][0] if name in COSTS else label(name) if name in every else name,
        on_change=changed,
        args=(here.id, ("metrics",), key),
        help="The first is optimised and chosen by; all are compared. Measures of answers have each point answer questions."
        + " Costs are taken too." * bool(costs),
    )
    problem(here, "metrics")
    study = here.draft.experiment or here.recorded
    if study.measures:
        knob, key = knob_of(Experiment, "answers"), shown(here, "answers")
        number_field(knob, key, partial(changed, here.id, ("answers",), key))
        problem(here, "answers")
    try:
        check_seen(study)
    except WorkbenchError as error:
        st.warning(cards.plain(f"{error.what} {error.todo}"))
    left, right = st.columns(2)
    for column, name in ((left, "choose_on"), (right, "report_on")):
        knob, key = knob_of(Experiment, name), shown(here, name)
        column.selectbox(
            {"choose_on": "Chosen on", "report_on": "Then reported on"}[name],
            knob.options,
            knob.options.index(st.session_state[key]),
            key=key,
            format_func=QUESTIONS.get,
            on_change=questions_changed,
            args=(here.id, name, key),
            help=knob.help,
        )
    st.caption(words.halves_words(here.draft.experiment or here.recorded))
    problem(here, "choose_on", "report_on")
    left, right = st.columns(2, vertical_alignment="bottom")
    knob, key = knob_of(Experiment, "repeats"), shown(here, "repeats")
    with left:
        number_field(knob, key, partial(changed, here.id, ("repeats",), key))
    knob, key = knob_of(Experiment, "settled"), shown(here, "settled")
    right.toggle(
        "Stop when settled", st.session_state[key], key=key, help=knob.help, on_change=changed, args=(here.id, ("settled",), key)
    )
    problem(here, "repeats", "settled")


def questions_changed(study_id: str, name: str, key: str) -> None:
    """Callback: a winner that is reported on test is chosen on dev."""

    def edit(mapping: dict[str, Any]) -> None:
        mapping[name] = st.session_state[key]
        if mapping["report_on"] and mapping["choose_on"] == "all":
            mapping["choose_on" if name == "report_on" else "report_on"] = "dev" if name == "report_on" else ""

    desk.change(study_id, name, edit)


def budget(here: StudyDesk) -> None:
    head("Budget")
    knobs(here, Budget, "budget", tuple(Budget.model_fields))
    st.caption("0 means no limit. Trials measured before the limit is reached are kept.")
    problem(here, *(f"budget.{name}" for name in Budget.model_fields))


def knob_of(model: type, name: str) -> forms.Knob:
    return next(knob for knob in forms.knobs(model) if knob.name == name)


def shown(here: StudyDesk, *path: str) -> str:
    """The key of a widget, which shows what the draft says."""
    value = here.draft.mapping
    for name in path:
        value = value[name]
    key = f"study/{here.id}/{'.'.join(path)}"
    forms.show_value(key, value)
    return key


def changed(study_id: str, path: tuple[str, ...], key: str) -> None:
    """Callback of a widget."""
    set_value(study_id, path, st.session_state[key])


def set_value(study_id: str, path: tuple[str, ...], value: Any) -> None:
    def edit(mapping: dict[str, Any]) -> None:
        for name in path[:-1]:
            mapping = mapping[name]
        mapping[path[-1]] = value

    desk.change(study_id, ".".join(path), edit)
