"""How much of a text a model gives back by heart, by words alone."""

import math
from collections.abc import Sequence

from core.judging.diversity import common, words

N = 5  # words of a run that chance seldom repeats


def grams(tokens: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(tokens[place : place + N]) for place in range(len(tokens) - N + 1)]


def copied_share(answer: str, source: str, question: str = "") -> float:
    """Share of the answer's runs of N words that stand in the source, without those that the question has; NaN without any.

    The containment of Broder 1997, "On the resemblance and containment of documents", section 2, of words; runs as in the overlap
    between test and training texts of Brown et al. 2020, "Language Models are Few-Shot Learners", appendix C.
    """
    asked = set(grams(words(question)))
    said = [run for run in grams(words(answer)) if run not in asked]
    there = set(grams(words(source)))
    return sum(run in there for run in said) / len(said) if said else math.nan


def continued(said: str, following: str) -> float:
    """F1 of the longest common subsequence of words of a continuation and of the words that follow, cut to its length; NaN where
    either has none.

    Golchin and Surdeanu 2024, "Time Travel in LLMs: Tracing Data Contamination in Large Language Models", section 3.2 (ROUGE-L of
    the completion and the second part of the text).
    """
    mine = words(said)
    theirs = words(following)[: len(mine)]
    return 2 * common(mine, theirs) / (len(mine) + len(theirs)) if mine and theirs else math.nan
