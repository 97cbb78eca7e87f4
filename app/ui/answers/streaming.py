"""Answers drawn as they come. A click anywhere ends the run, and with it the answer: what had come stays."""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, evidence, jobs
from app.ui.answers import asking, engines
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.progress import Running
from core.records import Progress

DRAW_S = 0.15  # between two drawings of a growing answer: a browser on this machine draws with the model's cores


def draw(recipes: list[TrialConfig], place: Any) -> bool:
    """What a click asked for: the answers to a question, or the second run of one; the place is empty afterwards. Whether it asked for
    any."""
    number = None
    if not (question := st.session_state.pop("ask_now", "").strip()):
        number = st.session_state.pop("again_now", None)
    if not question and number is None:
        return False
    with place.container():
        if question:
            answer(recipes, question)
        else:
            again(number)
    place.empty()
    return True


def answer(recipes: list[TrialConfig], question: str, held: str = "asked") -> None:
    """One engine after the other. held: where the session holds what comes of it."""
    runs = [{"recipe": recipe, "text": "", "answer": None, "error": None, "again": None} for recipe in recipes]
    st.session_state[held] = {"question": question, "runs": runs}
    cards.question_title(question)
    state, bodies = _stop_row(), _bodies(recipes)
    with suppress(WorkbenchError), jobs.timed(asking.press(recipes)):
        for run, body in zip(runs, bodies, strict=True):
            state.caption("Searching the passages")
            draw = partial(_drawn, body, run["recipe"].context.passages)
            try:
                run["answer"] = _follow(session.workbench().ask(run["recipe"], question), run, state, draw)
                draw(run["answer"].text)
            except WorkbenchError as error:
                run["error"] = error
        for run in runs:
            if run["error"]:
                raise run["error"]  # the time of what failed says nothing of the next answer


def _bodies(recipes: list[TrialConfig]) -> list[Any]:
    """The places of the answers, each under the name of its engine where there are several."""
    bodies = []
    for number, (box, title) in enumerate(zip(engines.grid(len(recipes)), engines.titles(recipes), strict=True)):
        with box:
            if len(recipes) > 1:
                engines.heading(number, title)
            bodies.append(st.empty())
        _drawn(bodies[-1], 0, "…")
    return bodies


def again(number: int) -> None:
    """The second run of an answer, by its receipt."""
    asked = st.session_state.get("asked")
    if not asked:
        return
    run, text = asked["runs"][number], {"text": ""}
    run["again"] = WorkbenchError("The second run was stopped before its end.", todo="Run it again.")
    cards.question_title(asked["question"])
    state = _stop_row()
    with st.container(border=True):
        body = st.empty()
    _drawn(body, 0, "…")
    steps = session.workbench().ask_again(run["recipe"], asked["question"], run["answer"])
    try:
        run["again"] = _follow(steps, text, state, partial(_drawn, body, len(run["answer"].hits)))
    except WorkbenchError as error:
        run["again"] = error


def _stop_row() -> Any:
    """The button, and the place that says what is going on."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Stop", key="stop", icon=":material/stop_circle:", shortcut="Escape")
        return st.empty()


def _follow(steps: Any, run: dict[str, Any], state: Any, draw: Callable[[str], None]) -> Any:
    """Draws what comes until the end, and returns what the verb returns."""
    last, said = 0.0, ""
    for step in (running := Running(steps)):
        told = isinstance(step, Progress)
        doing = step.message if told else "Writing" if run["text"] or step else "Reading the passages"
        if doing != said:
            said = doing
            state.caption(said)
        if told:
            continue
        run["text"] += step
        if time.monotonic() - last > DRAW_S:  # drawing is also where a click gets through
            draw(run["text"])
            last = time.monotonic()
    return running.result


def _drawn(body: Any, passages: int, text: str) -> None:
    body.html(evidence.answer_html(text, passages))
