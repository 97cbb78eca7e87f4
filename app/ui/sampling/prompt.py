"""The prompt of the page Sampling: chosen, read by the model, told."""

import json
from collections.abc import Generator
from typing import Any

import streamlit as st

from app.ui import cards, jobs
from app.ui.answers import engines
from app.ui.sampling.chain import command
from core.config import TrialConfig
from core.progress import Running
from core.records import Corpus, Progress

MANNERS = {"question": "Question", "message": "Message", "text": "Text to continue"}
PLACEHOLDER = {"message": "What is a generator in Python?", "text": "The three primary colours are"}


def waiting(config: TrialConfig, plan: Any) -> None:
    cards.empty(
        "The next token over retrieved passages", "The corpus has to be prepared once. After that a search takes milliseconds."
    )
    jobs.prepare_button(config, plan)


def waited(work: Generator, what: Any) -> Any:
    """What the work returns; it can be cancelled. None where it was: nothing is begun again by itself."""
    state, place = st.session_state, st.empty()
    if state.get("cancelled") == what:
        with place.container():
            cards.empty(
                "The model has not read this prompt",
                "It was cancelled.",
                "Read it now",
                key="read_now",
                on_click=state.pop,
                args=("cancelled",),
            )
        return None

    def cancellable() -> Generator[Progress, None, Any]:
        for number, step in enumerate(running := Running(work)):
            if not number:  # what is at hand has no step, and no button
                cards.press("Cancel", "close", "cancel", state.__setitem__, "cancelled", what, shortcut="Escape")
            yield step
        return running.result

    try:
        with place.container():
            return jobs.drain(cancellable())
    finally:
        place.empty()


def prompt(corpus: Corpus) -> tuple[str, str]:
    """(the text, how the model is to take it); both are in the address."""
    kind, place = st.columns([1, 2])
    manner = kind.selectbox("Prompt from", list(MANNERS), key="manner", bind="query-params", format_func=MANNERS.get)
    if manner == "question":
        questions = [query.text for query in corpus.queries if query.answerable]
        text = place.selectbox(
            "Question",
            questions,
            index=None,
            key="question",
            accept_new_options=True,
            bind="query-params",
            placeholder=f"One of {len(questions):,} answerable questions, or your own" if questions else "Your question",
        )
        return text or "", manner
    words = place.text_area(MANNERS[manner], key="prompt", height=80, placeholder=PLACEHOLDER[manner], bind="query-params")
    return words, manner


def examples(corpus: Corpus, manner: str) -> None:
    cards.empty(
        "The next token, step by step",
        "Choose a question of the corpus, or type a prompt. The model reads it once; every slider then works on its predictions.",
    )
    questions = [query.text for query in corpus.queries if query.answerable]
    offered = questions[:: max(1, len(questions) // 3)][:3] if manner == "question" else [PLACEHOLDER[manner]]
    key = "question" if manner == "question" else "prompt"
    with st.container(gap="xsmall"):
        for text in offered:
            fill = st.session_state.__setitem__
            cards.press(cards.plain(text), "arrow_forward", f"example/{text}", fill, key, text, type="tertiary")


def facts(strip: Any, config: TrialConfig, corpus: Corpus, more: list[str]) -> None:
    with strip.container(horizontal=True, vertical_alignment="center"):
        with st.container(width="stretch"):
            cards.status_strip(
                [
                    f"{corpus.name}, {cards.count(len(corpus.documents), 'document')}",
                    engines.named(config.generation.model),
                    *more,
                ]
            )
        with st.popover("Reproduce", icon=":material/terminal:", type="tertiary"):
            st.caption(
                "The address of this page restores prompt, chain and recipe. The command studies this chain on the corpus:"
            )
            st.code(command(config), language="bash", wrap_lines=True)
            st.caption("The chain and the recipe")
            st.code(st.session_state.chain, language=None, wrap_lines=True)
            st.json(json.dumps(config.model_dump(mode="json")), expanded=1)
