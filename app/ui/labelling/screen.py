"""The desk at which answers are labelled: one item, one question about it at a time, one key to answer it.

What is asked of an item is a list of steps: each sentence, then how helpful the answer is, in studies of pairs last the
preference. A key answers the step on the screen and goes on to the next open one; a key pressed before the next screen
stood counts for nothing. All of it runs in one fragment, from labels in memory, and the buttons stay the same widgets from
item to item, so that the focus stays on the one that was pressed. The answer's words are a small component of our own,
because no widget lets words of a running text be clicked. In adjudication what the annotators said stands beside what they
differ in, without their names; what all of them said stands already.
"""

import time
from html import escape
from pathlib import Path
from typing import Any

import streamlit as st

from app.ui import cards
from app.ui.labelling import answer, end, evidence, progress, questions, similar, votes
from app.ui.labelling.desk import Desk, comment, do
from core.annotation.labels import Label

LOOK_S = 60.0  # between two looks whether the study was revised
STYLE = Path(__file__).with_name("desk.css")


@st.cache_resource(show_spinner=False)
def _returned() -> Any:
    js = Path(__file__).with_name("returned.js").read_text("utf-8")
    return st.components.v2.component("groundwork.returned", js=js)


def draw(desk: Desk) -> None:
    """The desk; only the fragment runs again at a key."""
    st.html(STYLE)
    _returned()(key="lab_returned", height="content", on_back_change=lambda: None)
    st.fragment(_draw)(desk)


def _draw(desk: Desk) -> None:
    with cards.calm():
        _look(desk)
        label = desk.label() if desk.item else None
        question = questions.question_of(desk, label) if label else None
        progress.draw(desk)
        progress.told(desk)
        if label:
            _item(desk, label, question)
        else:
            end.draw(desk)
        questions.buttons(desk, label, question)


def _look(desk: Desk) -> None:
    """One look at the labels, unless the act that this screen follows has just looked; a rubric may be revised in a pilot."""
    desk.screens += 1
    if not desk.fresh:
        desk.work.look()
    desk.fresh = False
    if time.monotonic() - desk.looked > LOOK_S:
        desk.looked = time.monotonic()
        if desk.work.outdated():
            st.rerun()


def _item(desk: Desk, label: Label, question: questions.Question) -> None:
    view, step = desk.sheet.screen, desk.sheet.steps[desk.at]
    st.html(f'<h2 class="gw lab-question">{escape(view.question)}</h2>')
    with st.container(key="lab_desk"):
        with st.container(key="lab_answer", gap="small"):
            answer.draw(desk, label, question)
        with st.container(key="lab_evidence", gap="small"):
            evidence.draw(view, view.order.index(step.response) if step.kind != "preference" else None, step)
        with st.container(key="lab_comment", gap="small"):
            votes.remarks(desk.sheet)
            _comment(desk, label)
            similar.draw(desk)


def _comment(desk: Desk, label: Label) -> None:
    key = f"label_comment/{desk.item}"
    if key not in st.session_state or desk.comments[desk.item] != label.comment:  # undone, or written elsewhere
        st.session_state[key] = desk.comments[desk.item] = label.comment
    st.text_input(
        "Comment",
        key=key,
        live="400ms",
        placeholder="Why, where the guidelines do not decide",
        on_change=do,
        args=(desk, comment, desk.item, key),
    )
