"""Convex combination of normalised scores."""

from typing import ClassVar, Literal

import numpy as np

from core.config import knob
from core.registry import part
from core.retrieval.fusion import Fusion, shares
from core.retrieval.pool import Pool


@part("fusion")
class Convex(Fusion):
    """weight * normalised dense score + (1 - weight) * normalised lexical score, normalised for each question.

    Keeps how far apart the scores are, which ranks lose; its one weight is tuned with few questions. Choose it over
    `rrf` when there are questions with gold evidence. Scores are normalised over what the retriever retrieved:
    min_max: (s - min) / (max - min); where all scores are equal, 1. A chunk it did not retrieve gets 0.
    z_score: (s - mean) / standard deviation; where all scores are equal, 0. A chunk it did not retrieve gets the
    smallest value of that question.
    Source: Bruch, Gai and Ingber 2023, "An Analysis of Fusion Functions for Hybrid Retrieval" (ACM TOIS 42(1)), the
    convex combination (section 3) with the normalisations phi_mm and phi_z (section 4).
    """

    part: Literal["convex"] = "convex"
    title: ClassVar[str] = "Hybrid convex"
    order: ClassVar[int] = 40
    weight: float = knob(
        0.7, "Share of the dense score: 0 lexical only, 1 dense only.", label="Dense weight", ge=0.0, le=1.0, step=0.01
    )
    normalisation: Literal["min_max", "z_score"] = knob(
        "min_max", "How scores of different scales are made comparable, for each question."
    )

    def fuse(self, pool: Pool) -> np.ndarray:
        """[Q, P] float32, -inf at pads."""
        normalised = {"min_max": min_max, "z_score": z_score}[self.normalisation]
        scores = {n: pool.once((self.normalisation, n), lambda s=score: normalised(s)) for n, score in pool.score.items()}
        return pool.ranked(sum(share * scores[name] for name, share in shares(pool, self.weight).items()))


def min_max(score: np.ndarray) -> np.ndarray:
    """[Q, P] float64 in 0..1."""
    low, span = _low_and_span(score)
    result = np.where(span > 0, (score - low) / np.where(span > 0, span, 1.0), 1.0)
    return np.where(np.isnan(score), 0.0, result)


def z_score(score: np.ndarray) -> np.ndarray:
    """[Q, P] float64."""
    scored = ~np.isnan(score)
    count = np.maximum(scored.sum(axis=1, keepdims=True), 1)
    filled = np.where(scored, score, 0.0)
    centred = np.where(scored, filled - filled.sum(axis=1, keepdims=True) / count, 0.0)
    deviation = np.sqrt((centred**2).sum(axis=1, keepdims=True) / count)
    varies = _low_and_span(score)[1] > 0  # not deviation > 0, which rounding makes true for equal scores
    result = np.where(varies, centred / np.where(varies, deviation, 1.0), 0.0)
    return np.where(scored, result, result.min(axis=1, keepdims=True, initial=0.0))  # the lowest is never above 0


def _low_and_span(score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The smallest known score of each row and its distance to the largest [Q, 1] float64; 0 and 0 if none is known."""
    scored = ~np.isnan(score)
    low = np.where(scored, score, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    high = np.where(scored, score, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    has_scores = scored.any(axis=1, keepdims=True)
    low, high = np.where(has_scores, low, 0.0), np.where(has_scores, high, 0.0)
    return low.astype(np.float64), (high - low).astype(np.float64)
