"""Which facts a question is given: by relevance, recency and importance.

score = w_relevance relevance + w_recency recency + w_importance importance, each scaled to lie between 0 and 1 over the candidates.
Source: Park et al. 2023, "Generative agents: interactive simulacra of human behavior", section 4.1, retrieval. Theirs has equal weights,
a recency of 0.995 an hour since the last use (a half-life of 5.8 days) and an importance that a model gives.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from zlib import crc32

import numpy as np

DAY_S = 86_400.0
HALF_LIFE_DAYS = 30.0  # of recency
STRENGTH_DAYS = 365.0  # half-life of the strength by which a budget decides


class Weights(NamedTuple):
    """Of the three parts, and the half-life of recency."""

    relevance: float = 3.0  # these were chosen on the simulated life with the seed 0
    recency: float = 0.1
    importance: float = 0.1
    half_life_days: float = HALF_LIFE_DAYS


USUAL = Weights()


def recency(age_s: np.ndarray, half_life_days: float) -> np.ndarray:
    """2^(-age / half-life): 1 for what was told or used just now."""
    return np.exp2(-np.maximum(age_s, 0.0) / (half_life_days * DAY_S))


def scaled(values: np.ndarray) -> np.ndarray:
    """Over the last axis to [0, 1] by its smallest and largest; 0 where all are the same. -inf: left out, and 0."""
    there = np.isfinite(values)
    low = np.min(values, axis=-1, keepdims=True, where=there, initial=np.inf)
    high = np.max(values, axis=-1, keepdims=True, where=there, initial=-np.inf)
    with np.errstate(invalid="ignore"):
        return np.where(there & (high > low), (values - low) / np.where(high > low, high - low, 1.0), 0.0)


def parts_of_score(
    relevance: np.ndarray, age_s: np.ndarray, importance: np.ndarray, weights: Weights
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The weighted relevance, recency and importance of candidates [n] float64; their sum is the score."""
    return (
        weights.relevance * scaled(relevance),
        weights.recency * scaled(recency(age_s, weights.half_life_days)),
        weights.importance * scaled(importance),
    )


def marks_of(said: Iterable[str]) -> np.ndarray:
    """A number a word, [words] uint32: of 4 billion, so that hardly two words of a fact share one."""
    return np.fromiter((crc32(word.encode()) for word in said), np.uint32)


def overlap(marks: Sequence[bytes], idf: dict[str, float]) -> np.ndarray:
    """[facts] float64 share of what a question's words count that a fact has, by the marks of its words; 0 where it has none."""
    if not idf:
        return np.zeros(len(marks))
    asked = marks_of(idf)
    order = np.argsort(asked)
    every = np.frombuffer(b"".join(marks), np.uint32)
    place = np.minimum(np.searchsorted(asked[order], every), len(asked) - 1)
    met = asked[order][place] == every
    fact = np.repeat(np.arange(len(marks)), [len(some) // 4 for some in marks])
    counts = np.array(list(idf.values()))[order]
    return np.bincount(fact[met], counts[place[met]], len(marks)) / (counts.sum() or 1.0)
