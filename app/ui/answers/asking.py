"""The question: the box it is typed in, the corpus' own ones, and asking once more."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, jobs
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.answers import examples as lab
from core.labs.answers.answering import alike_answers, answers_phase
from core.records import Corpus
from core.workbench import Forecast


def ask(question: str | None = None) -> None:
    """Callback: the run that follows streams the answer to this question, or to the one in the box."""
    if question:
        st.session_state.question = question
    st.session_state.ask_now = st.session_state.question or ""
    if not st.session_state.ask_now.strip():
        st.toast("Type a question first.", icon=":material/edit:")


def press(recipes: Sequence[TrialConfig]) -> jobs.Press:
    """What a question takes: an answer of each engine that is there, one after the other; the others say what they lack when asked."""
    phases, engines = [], []
    for recipe in recipes:
        with suppress(WorkbenchError):
            phases.append(answers_phase(session.workbench(), recipe, 1, "the answer"))
            engines.append(alike_answers(recipe))
    return jobs.Press("ask", Forecast(tuple(phases), units=len(phases), like="; ".join(engines)))


def price(place: Any, recipes: Sequence[TrialConfig]) -> None:
    with place.container():
        jobs.price(*press(recipes))


def box(corpus: Corpus, recipes: Sequence[TrialConfig]) -> Any:
    """Returns the place of the price, which an answer that comes in the same run changes."""
    with st.form("ask", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Question", key="question", bind="query-params", placeholder=f"A question about {corpus.name}")
        st.form_submit_button("Ask", type="primary", icon=":material/send:", on_click=ask)
    priced = st.empty()
    price(priced, recipes)
    if corpus.queries:
        st.selectbox(
            "Questions of the corpus",
            [q.text for q in corpus.queries],
            index=None,
            key="known",
            label_visibility="collapsed",
            on_change=lambda: st.session_state.known and ask(st.session_state.known),
            placeholder=f"Or choose one of the {len(corpus.queries):,} questions of the corpus",
        )
    return priced


ANSWERS = (
    "The answer, with its sources",
    "The model reads the passages that the recipe finds and answers from "
    "them. The bundled model is very small: it answers short questions in a few words; larger models answer better.",
)


def examples(corpus: Corpus, words: tuple[str, str] = ANSWERS) -> None:
    """words: title and text of what will stand there."""
    cards.empty(*words)
    if not (offered := lab.examples(session.workbench(), corpus)):
        return
    with st.container(gap="xsmall"):
        st.caption("Try one of these:")
        for query in offered:
            cards.press(cards.plain(query.text), "arrow_forward", f"example/{query.id}", ask, query.text, type="tertiary")


def retry(why: str, question: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(why, width="stretch")
        st.button("Ask again", icon=":material/refresh:", on_click=ask, args=(question,))


# what asks again where an engine cannot write an answer in the way that the recipe says
WAYS = {"Ask by transformers": {"generation.part": "transformers"}, "Ask in one prompt": {"answering.part": "one_prompt"}}


def otherwise(question: str) -> None:
    """Buttons that change the recipe so that the question can be answered, and ask it."""

    def changed(settings: dict[str, str]) -> None:
        session.change(settings)
        ask(question)

    with st.container(horizontal=True):
        for title, settings in WAYS.items():
            st.button(title, icon=":material/arrow_forward:", on_click=changed, args=(settings,))
