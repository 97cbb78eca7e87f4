"""Sampling: what each step of the chain does to the next token, token by token through an answer, and over questions."""

import time
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, jobs, recipe_strip
from app.ui.sampling.answer import answer
from app.ui.sampling.chain import current_chain, recipe
from app.ui.sampling.next_token import next_token
from app.ui.sampling.prompt import examples, facts, prompt, waited, waiting
from app.ui.sampling.searches import searches
from app.ui.sampling.sides import side_by_side
from app.ui.sampling.study import study
from app.ui.sampling.writing import LIVE_TOKENS, answer_of, answer_row, order
from core.config import TrialConfig
from core.labs.sampling import prompts
from core.records import Corpus
from core.sampling.filters import Step
from core.sampling.writing import Written

TABS = ("Next token", "The answer", "Searches", "Side by side", "Study")


def page() -> None:
    recipe_strip.page_title("Sampling", "What does each sampling step do to the next token, to the answer, and to its quality?")
    workbench, config = session.workbench(), session.config()
    steps = current_chain()
    left, right = st.columns([1, 2], gap="medium")
    with left:
        recipe(config, steps)
    with right, cards.calm():
        plan = workbench.plan(config, answering=True)
        if not plan.live:
            return waiting(config, plan)
        corpus = jobs.drain(workbench.read_corpus(config), "Reading the corpus")
        results(config.model_copy(update={"generation": config.generation.usable()}), corpus, steps)


def results(config: TrialConfig, corpus: Corpus, steps: tuple[Step, ...]) -> None:
    strip = st.empty()
    text, manner = prompt(corpus)
    if not text.strip():
        facts(strip, config, corpus, [])
        return examples(corpus, manner)
    started, workbench = time.perf_counter(), session.workbench()
    opened = waited(prompts.read(workbench, config, text, manner), (config, text, manner))
    if opened is None:
        return facts(strip, config, corpus, [])
    reading, seconds = opened.reading, time.perf_counter() - started
    written, came = answer_of(config, reading, steps), "prompt read now" if opened.ran else "the model did not run"
    facts(
        strip,
        config,
        corpus,
        [
            f"prompt {len(reading.prompt.tokens):,} tokens",
            cards.count(len(reading.hits), "passage") if reading.hits else "",
            f"{cards.duration(seconds)}, {came}",
        ],
    )
    place = answer_row(config, written, steps) if written else 0
    for tab, title in zip(st.tabs(TABS, key="view", on_change="rerun", bind="query-params"), TABS, strict=True):
        if tab.open:
            with tab:
                draw(title, config, reading, steps, written, place)


def draw(title: str, config: TrialConfig, reading: prompts.Reading, steps: Any, written: Written | None, place: int) -> None:
    most = min(config.generation.max_tokens, LIVE_TOKENS)
    if title == TABS[0]:
        next_token(config, reading, steps, written, place, lambda token: order(place, token))
    elif title == TABS[1] and written is None:
        cards.empty("The answer, token by token", "It is not written yet: press Write the answer above.")
    elif title == TABS[1]:
        answer(config, written, reading.hits)
    elif title == TABS[2]:
        searches(config, reading, most)
    elif title == TABS[3]:
        side_by_side(config, reading, most)
    else:
        study(config)


page()
