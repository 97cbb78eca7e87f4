"""What is shown of a prompt: its facts, the row of its answer, and the tabs of the page."""

import time
from collections.abc import Callable
from typing import NamedTuple

import streamlit as st

from app import session
from app.ui import cards
from app.ui.sampling.answer import answer
from app.ui.sampling.next_token import next_token
from app.ui.sampling.prompt import examples, facts, prompt, waited
from app.ui.sampling.searches import searches
from app.ui.sampling.sides import side_by_side
from app.ui.sampling.study import study
from app.ui.sampling.writing import LIVE_TOKENS, answer_of, answer_row, order
from core.config import TrialConfig
from core.labs.sampling import prompts
from core.records import Corpus
from core.sampling.filters import Step
from core.sampling.writing import Written


class Read(NamedTuple):
    """A prompt as the model read it, with the answer that is shown. place: of the token looked at."""

    config: TrialConfig
    reading: prompts.Reading
    steps: tuple[Step, ...]
    written: Written | None
    place: int

    @property
    def most(self) -> int:
        return min(self.config.generation.max_tokens, LIVE_TOKENS)


def results(config: TrialConfig, corpus: Corpus, steps: tuple[Step, ...], tabs: dict[str, Callable[[Read], None]]) -> None:
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
    read = Read(config, reading, steps, written, place)
    cards.tabs(tabs, "view", read)


def next_token_tab(read: Read) -> None:
    next_token(read.config, read.reading, read.steps, read.written, read.place, lambda token: order(read.place, token))


def answer_tab(read: Read) -> None:
    if read.written is None:
        return cards.empty("The answer, token by token", "It is not written yet: press Write the answer above.")
    return answer(read.config, read.written, read.reading.hits)


def searches_tab(read: Read) -> None:
    searches(read.config, read.reading, read.most)


def sides_tab(read: Read) -> None:
    side_by_side(read.config, read.reading, read.most)


def study_tab(read: Read) -> None:
    study(read.config)
