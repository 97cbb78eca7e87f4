"""What every measure of answers is. `docs/adding_a_part.md` shows the smallest one, `tests/contract/test_measures.py` holds all."""

import math
import re
from collections.abc import Callable, Generator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from core.config import PartConfig
from core.context.citations import BRACKETS
from core.records import Progress, Token

SUPPORTED, CONTRADICTED, NOT_IN_CONTEXT = "supported", "contradicted", "not in the context"
TOPICS = {  # of measures, in the order of display -> their title
    "reference": "Against references",
    "faithfulness": "Faithfulness",
    "citations": "Citations",
    "context": "Context",
    "judge": "Judges",
}


# Bounds on the work of one answer; texts that people judge are far below: 1,000 sentences are some 40 pages, and 5,000,000 pairs the
# 100 sentences of a long answer beside passages of 50,000, a shelf of books.
MOST_SENTENCES, MOST_PAIRS = 1_000, 5_000_000
MOST_CHECKS = {"containment": 200_000, "entailment": 20_000}  # of whether a text bears out a statement, by what decides
_END = re.compile(r"[.!?][\"')\]]*\s|\n")
_caches: list[Any] = []


class AnswerCase(NamedTuple):
    """An answer and what it can be held against. Passages stand in the order in which the model was given them."""

    question: str
    answer: str
    passages: tuple[str, ...] = ()
    references: tuple[str, ...] = ()  # alternatives of one another
    answerable: bool | None = None  # whether the documents answer the question; None: not known
    units: int | None = None  # pieces of gold evidence; None: not known
    covered: tuple[frozenset[int], ...] = ()  # for each passage the numbers of those that it covers, where units are known
    citations: str = BRACKETS  # how the answer cites
    asked_to_cite: bool | None = None  # None: not known
    finish_reason: str = "stop"  # as of `Answer`
    tokens: tuple[Token, ...] = ()  # with the log-probabilities that the generator gave them, where they were asked for


class Claim(NamedTuple):
    """A statement of an answer, its characters [start, end), and what it rests on."""

    start: int
    end: int
    score: float  # 0 to 1, higher is better supported; NaN: unmeasured
    verdict: str = ""  # SUPPORTED, CONTRADICTED, NOT_IN_CONTEXT; "": the measure gives none
    passage: int = 0  # 1-based number of the passage with the best evidence; 0: none
    evidence: tuple[int, int] | None = None  # characters of that passage: the best sentence


class WrongWords(NamedTuple):
    """Characters [start, end) of an answer that no passage bears out, with their probability of being wrong."""

    start: int
    end: int
    probability: float


class AnswerScore(NamedTuple):
    """The score of one answer by one measure. Where it is NaN, `reason` says why it could not be measured; what begins with
    "failed" is not kept, but tried again the next time."""

    value: float
    reason: str = ""
    claims: tuple[Claim, ...] = ()
    words: tuple[WrongWords, ...] = ()
    detail: dict[str, Any] = {}  # what the measure tells besides, as plain JSON


class JudgeTools(NamedTuple):
    """What a measure may use."""

    encoder: PartConfig  # the embedding that similarity is measured by
    # (encoder-like part, texts, query=False): vectors [n, dim] float32 by content, each computed once and kept on disk
    embed: Callable[..., Generator[Progress, None, np.ndarray]]
    generator: PartConfig  # that judges, where a measure asks one
    seed: int = 0
    texts: Path | None = None  # folder of what a judge wrote, kept by content; None: it is asked anew each time
    # where it is a list, each request to a judge comes there with its text, and nothing is asked that is not kept
    log: list[tuple[Any, Any]] | None = None


class AnswerMeasure(PartConfig):
    """Base of the measures of answers. What is usual need not be said again."""

    label: ClassVar[str]  # for people
    topic: ClassVar[str]  # of TOPICS
    source: ClassVar[str]  # whose definition it is
    unit: ClassVar[str] = ""
    direction: ClassVar[int] = +1  # -1: less is better, 0: neither
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    order: ClassVar[int] = 100  # of display, smallest first
    headline: ClassVar[bool] = False  # whether it is shown where there is room for few
    asks_model: ClassVar[bool] = False  # `tools.generator` is asked: it costs time, or money
    encodes: ClassVar[bool] = False  # `tools.encoder` is asked: its scores are other ones with another encoder
    needs: ClassVar[tuple[str, ...]] = ()  # of "references", "passages", "units", "answerable", "tokens"
    judges_silence: ClassVar[bool] = False  # answers that decline, or are empty, have a score too
    by_sentence: ClassVar[bool] = False  # each sentence of the answer is judged, beside passages or references

    def identity(self) -> str:
        """All that decides a score beside the knobs, the case and the tools: a model's hash. Imports no engine."""
        return ""

    def fixed_threshold(self) -> float | None:
        """The score from which an answer counts as faithful, as the measure is shipped; None: that is to be fitted."""
        return None

    def score(self, cases: Sequence[AnswerCase], tools: JudgeTools) -> Generator[Progress, None, list[AnswerScore]]:
        """A score for each case, all of which hold what it `needs`; a case's score depends on that case alone."""
        yield from ()
        return [self.scored(case) for case in cases]

    def scored(self, case: AnswerCase) -> AnswerScore:
        """The score of a case, of a measure that asks none of the tools."""
        raise NotImplementedError

    def unmeasurable(self, case: AnswerCase) -> str:
        """Why the case has no score by this measure; "": it can be scored."""
        lacks = {
            "references": not any(each.strip() for each in case.references) and "no reference answer",
            "passages": not any(each.strip() for each in case.passages) and "no passages",
            "units": not case.units and "no gold evidence",
            "answerable": case.answerable is None and "not known whether the documents answer it",
            "tokens": not case.tokens and "no log-probabilities of the generator",
        }
        if case.finish_reason.startswith("failed"):
            return f"no answer: it {case.finish_reason}"
        if not case.answer.strip() and not self.judges_silence:
            return "empty answer"
        return next((lacks[need] for need in self.needs if lacks[need]), self.by_sentence and too_long(case) or "")


def too_long(case: AnswerCase) -> str:
    """Why its sentences are too many to be judged one by one; "": they are not."""
    beside = sum(map(len, (*case.passages, *case.references)))
    if len(case.answer) <= MOST_SENTENCES and len(case.answer) * beside <= MOST_PAIRS:
        return ""  # whatever it holds
    said, there = sentences_of(case.answer), sum(map(sentences_of, (*case.passages, *case.references)))
    if said > MOST_SENTENCES:
        return f"over {MOST_SENTENCES:,} sentences, which are not judged one by one"
    return f"over {MOST_PAIRS:,} pairs of a sentence and one beside it" if said * there > MOST_PAIRS else ""


def sentences_of(text: str) -> int:
    """About as many as a text has, told in a moment; of data a sentence a value, of text without full stops one each 150 characters."""
    return 1 + max(len(_END.findall(text)), len(text) // 150, text.count(",") if "{" in text else 0)


def remembered(most: int) -> Callable[[Callable], Callable]:
    """What a function made of its last arguments, until `forget`: of texts that come again within one answer."""

    def caching(function: Callable) -> Callable:
        _caches.append(made := lru_cache(maxsize=most)(function))
        return made

    return caching


def forget() -> None:
    """Of texts that come no more."""
    for cache in _caches:
        cache.cache_clear()


def scores(
    measure: AnswerMeasure, cases: Sequence[AnswerCase], tools: JudgeTools
) -> Generator[Progress, None, list[AnswerScore]]:
    """The score of each case, unmeasured with the reason where it cannot have one."""
    reasons = [measure.unmeasurable(case) for case in cases]
    made = iter((yield from measure.score([c for c, why in zip(cases, reasons, strict=True) if not why], tools)))
    return [AnswerScore(math.nan, why) if why else next(made) for why in reasons]
