"""The view Confidence: what is answered, and how much of that is right, as a threshold of the recipe moves, with its knob."""

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import streamlit as st

from app import session
from app.ui import cards, forms, jobs
from app.ui.scores import confidence, refusal
from app.ui.search import results
from app.ui.search.answers import progress_words
from core.errors import WorkbenchError
from core.labs.answers import answering
from core.labs.answers.answering import alike_answers
from core.labs.scores import confidence as confidence_lab
from core.labs.scores import refusal as refusal_lab
from core.workbench import Forecast, Phase, command_line

ABOUT = "Confidence: how sure the model has to be of its answer. Abstain from: how probable a refusal must be before it is given."


class Side(NamedTuple):
    """A threshold of the recipe with its curve. lab: its module, with SETTING and `writing`."""

    by: str  # as the command line calls it
    lab: ModuleType
    curve: Callable[..., Any]
    shown: Callable[..., None]
    written: str  # how the answers are
    empty: str


SIDES = {
    "Confidence": Side(
        "confidence",
        confidence_lab,
        confidence_lab.confidence_of,
        confidence.shown,
        "They are written with log-probabilities, and stored.",
        "Each answer is compared with its reference, and the share right is shown for the most confident answers.",
    ),
    "Abstain from": Side(
        "refusal",
        refusal_lab,
        refusal_lab.refusal_of,
        refusal.shown,
        "They are written with threshold 1, at which the model never abstains, so that its answer is known at any other threshold.",
        "Shown for each threshold: the share answered, the share of those that are right, and the shares of right and wrong abstentions.",
    ),
}


def draw() -> None:
    workbench, config = session.workbench(), session.config()
    side = SIDES[forms.one_of("Threshold", list(SIDES), "threshold", bind="query-params", help=ABOUT)]
    writing = side.lab.writing(config)
    evaluation = results.asked(writing, "The risk-coverage curve")
    if evaluation is None:
        return None
    count, measure, wished = settings(len(evaluation.corpus.queries), side.lab.SETTING)
    words = ["risk-coverage", "--ask", str(count), "--measure", measure, "--wished", f"{wished:g}"]
    words += [*(["--by", side.by] if side.by != "confidence" else []), *workbench.arguments(config)]
    answers = answering.answer_set(workbench, evaluation, count)
    if not any(answers.answers):
        st.caption(side.empty)
    if not all(answers.answers):
        cost = answering.cost(workbench, writing, answers.askings)
        st.caption(f"{progress_words(answers, cost)}. {side.written}")
        some = cost.phases or (Phase("no answer: the model is not asked"),)
        takes = Forecast(some, units=max(1, cost.answers), like=alike_answers(writing))
        label = f"Write {cards.count(cost.answers, 'answer')}" if cost.answers else "Answer without the model"
        jobs.start_button(label, words, f"Confidence, {count:,} questions", takes)
    if not any(answers.answers):
        return None
    try:
        made = side.curve(workbench, config, answers, measure, wished)
    except WorkbenchError as error:
        return cards.empty("The risk-coverage curve", f"{error.what} {error.todo}")
    return side.shown(made, config, command_line(*words))


def settings(most: int, setting: str) -> tuple[int, str, float]:
    """What is asked and wished, beside the knob itself."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        count = results.question_count(most, 100, "sure_of", then="Half of them choose the threshold, the others test it.")
        about = "How an answer is judged right: token F1 of at least 0.5, or exact match."
        rules = {name: confidence_lab.label(name) for name in confidence_lab.RIGHT_BY}
        measure = forms.one_of_many("Right by", rules, "right_by", bind="query-params", width=150, help=about)
        about = (
            "Wanted share of right answers among those given. The threshold that answers most and reaches it on the dev "
            "questions is shown."
        )
        wished = st.number_input(
            "Wanted share right", 0.05, 1.0, confidence_lab.WISHED, 0.05, key="wished", bind="query-params", width=170, help=about
        )
        forms.knob_of(setting, width=260)
    return count, measure, wished
