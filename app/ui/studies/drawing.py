"""How the items of a draft are drawn."""

from dataclasses import replace
from typing import Any, NamedTuple

import streamlit as st

from app import session
from app.ui import cards, forms
from app.ui.studies.answering import answering
from app.ui.studies.desk import Desk, drawings, now, put
from core.annotation import draft, system_names
from core.annotation import stored_answers as answers
from core.annotation.drawing import Candidate
from core.annotation.study import Study, plain

SPREADS = {
    "question": "Same questions for every system (paired)",
    "system": "Systems",
    "dataset": "Corpora",
    "none": "Nothing: by chance alone",
}
SIZES = {"equal": "As many of each", "proportional": "Each by its share"}


def drawing_of_desk(desk: Desk, candidates: list) -> draft.Drawing:
    study, by_study = desk.study, drawings()
    drawn = tuple(len(plain(study.items, name)) for name in ("pilot", "main"))
    last = by_study.get(study.id)
    # drawn elsewhere, as by a command
    if last is None or (last.pilot, last.main, last.seed) != (*drawn, study.seed):
        by_study[study.id] = draft.drawing_of(study, candidates)
    return by_study[study.id]


def _redraw(desk: Desk, name: str, key: str) -> None:
    """Callback: one setting of the drawing changes, and the items with it."""
    drawn(now(desk), **{name: st.session_state[key]})


def _one_round(desk: Desk, items: int) -> None:
    """Callback: no pilot, all items in the main round."""
    drawn(now(desk), pilot=0, main=items)


def drawn(desk: Desk, **settings: Any) -> Study:
    candidates = answers.candidates(session.workbench(), desk.study)
    drawing = replace(
        drawing_of_desk(desk, candidates).wish,
        **{name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()},
    )
    drawn = draft.redraw(candidates, desk.study, drawing, keep_pilot=desk.piloted)
    drawings()[desk.study.id] = drawn.drawing
    put(desk, drawn.study)
    return drawn.study


class Knobs(NamedTuple):
    """The settings of a drawing, each shown and changed under a key of its own."""

    desk: Desk
    drawing: draft.Drawing
    here: list[Candidate]  # of the corpus that is drawn from
    datasets: list[str]

    def show(self, make: Any, label: str, name: str, *options: Any, value: Any = None, **more: Any) -> None:
        key, value = f"{self.desk.study.id}/draw.{name}", getattr(self.drawing, name) if value is None else value
        forms.field(make, label, key, value, _redraw, self.desk, name, options=options, **more)


def draw_form(desk: Desk) -> None:
    candidates = answers.candidates(session.workbench(), desk.study)
    drawing = drawing_of_desk(desk, candidates)
    if not candidates:
        st.caption("No answers are stored yet.")
        return answering()
    here = [answer for answer in candidates if drawing.dataset in ("", answer.dataset)]
    knobs = Knobs(desk, drawing, here, sorted({answer.dataset for answer in candidates}))
    if len(knobs.datasets) > 1:
        knobs.show(st.selectbox, "Corpus", "dataset", ["", *knobs.datasets], format_func=lambda name: name or "All")
    number = _systems(knobs)
    _sizes(knobs, number)
    if not desk.piloted and drawing.pilot:
        _pilot(knobs)
    if desk.study.kind == "rating" and (number > 1 or (len(knobs.datasets) > 1 and not drawing.dataset)):
        _spread(knobs, number)
    _hidden(knobs)
    with st.popover("More answers", icon=":material/forum:"):
        answering()


def _systems(knobs: Knobs) -> int:
    """Whose answers are drawn; how many systems these are."""
    study, drawing = knobs.desk.study, knobs.drawing
    systems = system_names.systems(knobs.here)
    short = system_names.short_names(systems)
    named = lambda name: f"{short.get(name, name)} ({systems.get(name, 0):,} answers)"  # noqa: E731
    if study.kind == "pairs" and len(systems) < 2:
        st.warning(f"{AB} First {FIRST}.", icon=":material/info:")
    elif len(systems) == 1:
        st.caption(f"All answers are of one system, {cards.plain(named(next(iter(systems))))}.")
    else:
        two = {"max_selections": 2} if study.kind == "pairs" else {"placeholder": "All"}
        knobs.show(
            st.multiselect,
            "Systems",
            "systems",
            list(systems),
            value=[name for name in drawing.systems if name in systems],
            format_func=named,
            help="A system is a model with its recipe. Annotators never see which one wrote an answer.",
            **two,
        )
    few = draft.left_over(knobs.here)
    out = [name for name in few if study.kind == "rating" and drawing.systems and name not in drawing.systems]
    if out:
        told = "; ".join(f"{short[name]} with {cards.count(few[name], 'answer')}" for name in out)
        st.caption(cards.plain(f"Left out, as it has less than a third of the largest system's answers: {told}."))
    return len(drawing.systems or systems)


def _sizes(knobs: Knobs, number: int) -> None:
    """Items of both rounds; of a paired study whole questions."""
    study, drawing, desk = knobs.desk.study, knobs.drawing, knobs.desk
    whole = study.kind == "rating" and drawing.by == "question" and number > 1
    left, right, step = *st.columns(2), number if whole else 1
    with left:
        knobs.show(st.number_input, "Pilot items", "pilot", 0, 2000, step=step, disabled=desk.piloted)
    with right:
        knobs.show(st.number_input, "Main items", "main", 0, 20_000, step=step)
    if whole:
        st.caption(
            _whole(study, number)
            or f"No question has an answer of all {number} systems. Choose fewer systems, or spread the "
            "items over something else."
        )


def _pilot(knobs: Knobs) -> None:
    """What the pilot is for, and the way without one."""
    items = knobs.drawing.main or knobs.drawing.pilot
    st.caption(
        "The pilot tries the rubric, which can still be changed after it; the main round decides. Both are labelled in turn."
    )
    label = f"Skip the pilot: one round of {items:,}"
    cards.press(label, "skip_next", "one_round", _one_round, knobs.desk, items, type="tertiary")


def _spread(knobs: Knobs, number: int) -> None:
    drawing, datasets = knobs.drawing, knobs.datasets
    strata = {"system": number, "dataset": len(datasets)}.get(drawing.by, 0 if drawing.dataset else len(datasets))
    knobs.show(
        st.selectbox,
        "Spread over",
        "by",
        list(SPREADS),
        format_func=SPREADS.get,
        help="The test of a difference and the power for it assume pairs: the same questions for every system.",
    )
    if drawing.by != "none" and strata > 1:
        knobs.show(st.radio, "Spread", "allocation", list(SIZES), format_func=SIZES.get, label_visibility="collapsed")


def _hidden(knobs: Knobs) -> None:
    """What annotators are not told of: repeats, and items whose labels are known."""
    study, desk = knobs.desk.study, knobs.desk
    knobs.show(
        st.slider,
        "Hidden repeats",
        "repeats",
        0.0,
        0.3,
        step=0.05,
        format="percent",
        help="Shown to the same annotator twice, far apart, to measure self-agreement.",
    )
    if "sentences" in study.ask:
        knobs.show(
            st.toggle,
            "Attention items",
            "attention",
            disabled=desk.piloted,
            help="A tenth more items, with known answers, mixed in to check attention.",
        )
    knobs.show(st.number_input, "Seed", "seed", 0, 2**31 - 1, disabled=desk.piloted, help="The same seed draws the same list.")


def _whole(study: Study, systems: int) -> str:
    """The size of a paired study in questions."""
    counts = [(name, len(plain(study.items, name)) // systems) for name in ("pilot", "main")]
    told = [f"{name} {cards.count(number, 'question')} × {systems} systems" for name, number in counts if number]
    return f"{', '.join(told).capitalize()}: an answer of each to every question, in the same round." if told else ""


AB = "Side by side needs answers of two systems, and there is one."
FIRST = "answer questions with another recipe, on the tab Items under More answers"
