"""The tab Plan: the question, the base recipe, what is varied, how points are chosen, judged and paid for."""

from functools import reduce
from operator import getitem
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, forms
from app.ui.experiments import desk, factors, outlook, words
from app.ui.experiments.desk import StudyDesk
from core.config import TrialConfig, difference, with_settings
from core.errors import WorkbenchError
from core.evaluation.metric import metrics_and_measures
from core.labs.experiments.experiment import Budget, Design, Experiment, check_seen
from core.labs.trials.comparison import COSTS, label

# where the field's name says less than it could
TITLES = {
    "seconds": "Time",
    "usd": "Money",
    "trials": "Points",
    "eta": "Reduction factor",
    "first_questions": "First round",
    "answers": "Questions answered",
}
STEPS = {"seconds": 60.0, "usd": 1.0}
QUESTIONS = {"all": "All", "dev": "Dev half", "": "Nothing more", "test": "Test half", "winner": "Winner"}


def draw(here: StudyDesk) -> None:
    if here.draft.problem and not here.draft.field:
        st.warning(cards.plain(here.draft.problem), icon=":material/error:")
    wide, narrow = st.columns([3, 2], gap="medium")
    with wide:
        what(here)
        factors.draw(here)
        outlook.draw(here)
    with narrow:
        base(here)
        design(here)
        judged(here)
        budget(here)


def head(title: str) -> None:
    st.markdown(f"**{title}**")


def problem(here: StudyDesk, *fields: str) -> None:
    """What is wrong with a field, beside it."""
    if here.draft.problem and here.draft.field in fields:
        st.warning(cards.plain(here.draft.problem), icon=":material/error:")


def what(here: StudyDesk) -> None:
    for name, make, look in (("title", st.text_input, {}), ("question", st.text_area, {"height": 68})):
        knob = knob_of(Experiment, name)
        field(here, make, knob.label, (name,), help=knob.help, **look)
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
        look = {"type": "tertiary", "disabled": same}
        about = "It is the base already." if same else cards.plain(f"{current.corpus.dataset} · {forms.describe_recipe(current)}")
        cards.press("Take the recipe in use", "input", "take_recipe", set_value, here.id, ("base",), mapping, help=about, **look)
        about = "Makes the base the recipe in use on every page: change it there, then take it here."
        own = without_questions(study.recipe)
        cards.press("Use the base", "output", "use_base", session.set_config, own, help=about, **look)
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
    icon, values = "push_pin" if value is not None else "undo", {"against": value, "baseline": ""}
    cards.press(label, icon, "compare_with", set_values, here.id, values, type="tertiary", help=what)


def pinned_baseline(recipe: TrialConfig) -> dict[str, Any] | None:
    """As an experiment names what it compares with; None: nothing is pinned, or it is this recipe. Corpus and questions are its own."""
    pinned, usual = session.baseline(), session.defaults()
    own = {"corpus": recipe.corpus, "evaluation": recipe.evaluation, "seed": recipe.seed}
    if pinned is None or pinned.model_copy(update=own) == recipe:
        return None
    return difference(pinned.model_copy(update={"corpus": usual.corpus, "evaluation": usual.evaluation}))


def set_values(study_id: str, values: dict[str, Any]) -> None:
    """Callback: several fields of the document at once."""
    desk.change(study_id, next(iter(values)), lambda mapping: mapping.update(values))


def without_questions(recipe: TrialConfig) -> TrialConfig:
    """Asked all questions: an experiment says itself which half it uses."""
    return with_settings(recipe, {"corpus.questions": "all"})


def design(here: StudyDesk) -> None:
    head("How points are chosen")
    kind, titles = here.draft.mapping["design"]["kind"], {name: each.title for name, each in words.DESIGNS.items()}
    about = "  \n".join(f"{each.title}: {each.about}" for each in words.DESIGNS.values())
    field(here, st.selectbox, "Design", ("design", "kind"), list(titles), format_func=titles.get, help=about)
    st.caption(words.DESIGNS[kind].about)
    numbers(here, Design, "design", words.DESIGNS[kind].uses)
    problem(here, "design", *(f"design.{name}" for name in Design.model_fields))


def numbers(here: StudyDesk, model: type, group: str, names: tuple[str, ...]) -> None:
    """Number fields side by side, two in a row."""
    for first in range(0, len(names), 2):
        for column, name in zip(st.columns(2), names[first : first + 2], strict=False):
            with column:
                number(here, model, group, name)


def number(here: StudyDesk, model: type, *path: str) -> None:
    knob = knob_of(model, path[-1])
    label, step = TITLES.get(knob.name, knob.label), STEPS.get(knob.name, knob.step)
    look = {"step": step, "format": None if knob.whole else "%g", "help": knob.help}
    field(here, st.number_input, f"{label} ({knob.unit})" if knob.unit else label, path, knob.low, knob.high, **look)


def judged(here: StudyDesk) -> None:
    head("How they are judged")
    costs = COSTS if here.draft.mapping["design"]["kind"] == "nsga2" else {}
    chosen, every = here.draft.mapping["metrics"], metrics_and_measures()

    def called(name: str) -> str:
        return COSTS[name][0] if name in COSTS else label(name) if name in every else name

    about = (
        "The first is optimised and decides the winner; all are compared. For measures of answers, each point answers questions."
    )
    about += " Costs are taken too." * bool(costs)
    offered = list(dict.fromkeys([*chosen, *every, *costs]))
    field(here, st.multiselect, "Metrics", ("metrics",), offered, format_func=called, help=about)
    problem(here, "metrics")
    study = here.draft.experiment or here.recorded
    if study.measures:
        number(here, Experiment, "answers")
        problem(here, "answers")
    try:
        check_seen(study)
    except WorkbenchError as error:
        st.warning(cards.plain(f"{error.what} {error.todo}"))
    titles = {"choose_on": "Chosen on", "report_on": "Reported on"}
    titles |= {"confirm": "Recipes reported"} if study.report_on else {}
    for column, (name, title) in zip(st.columns(len(titles)), titles.items(), strict=True):
        knob = knob_of(Experiment, name)
        look = {"format_func": QUESTIONS.get, "help": knob.help}
        with column:
            field(here, st.selectbox, title, (name,), knob.options, act=questions_changed, **look)
    st.caption(words.halves_words(here.draft.experiment or here.recorded))
    problem(here, "choose_on", "report_on")
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        number(here, Experiment, "repeats")
    with right:
        field(here, st.toggle, "Stop when settled", ("settled",), help=knob_of(Experiment, "settled").help)
    problem(here, "repeats", "settled")


def questions_changed(study_id: str, path: tuple[str, ...], key: str) -> None:
    """Callback: a winner that is reported on test is chosen on dev."""
    [name] = path

    def edit(mapping: dict[str, Any]) -> None:
        mapping[name] = st.session_state[key]
        if mapping["report_on"] and mapping["choose_on"] != "dev":
            mapping["choose_on" if name == "report_on" else "report_on"] = "dev" if name == "report_on" else ""

    desk.change(study_id, name, edit)


def budget(here: StudyDesk) -> None:
    head("Budget")
    numbers(here, Budget, "budget", tuple(Budget.model_fields))
    st.caption("0 means no limit. Trials measured before the limit is reached are kept.")
    problem(here, *(f"budget.{name}" for name in Budget.model_fields))


def knob_of(model: type, name: str) -> forms.Knob:
    return next(knob for knob in forms.knobs(model) if knob.name == name)


def field(here: StudyDesk, make: Any, label: str, path: tuple[str, ...], *options: Any, act: Any = None, **look: Any) -> None:
    """A widget that shows what the draft says at this path, and changes it there."""
    value = reduce(getitem, path, here.draft.mapping)
    default = options[0].index(value) if make is st.selectbox else value
    key, act = f"study/{here.id}/{'.'.join(path)}", act or changed
    forms.field(make, label, key, value, act, here.id, path, options=(*options, default), **look)


def changed(study_id: str, path: tuple[str, ...], key: str) -> None:
    """Callback of a widget."""
    set_value(study_id, path, st.session_state[key])


def set_value(study_id: str, path: tuple[str, ...], value: Any) -> None:
    def edit(mapping: dict[str, Any]) -> None:
        for name in path[:-1]:
            mapping = mapping[name]
        mapping[path[-1]] = value

    desk.change(study_id, ".".join(path), edit)
