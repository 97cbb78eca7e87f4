"""The sum of normalised scores."""

from typing import Literal

import numpy as np

from core.config import knob
from core.registry import part
from core.retrieval.convex import min_max
from core.retrieval.fusion import Fusion
from core.retrieval.pool import Pool

Normalisation = Literal["min_max", "sum"]
NORMALISATION = (
    "How scores of different scales are made comparable, for each question: to 0..1, or shifted to a least of 0 and a sum of 1."
)


@part("fusion")
class CombSum(Fusion):
    """Adds the normalised scores of the retrievers; a chunk that one did not retrieve gets nothing from it.

    Choose it as the plain baseline of score fusion: it has no weight to tune. With min_max its order is that of `convex` at
    weight 0.5; normalised to their sum, a retriever with few good candidates says more of each of them.
    Source: Fox and Shaw 1994, "Combination of Multiple Searches" (TREC-2), CombSUM; the normalisations are Standard and Sum of
    Montague and Aslam 2001, "Relevance Score Normalization for Metasearch", section 3.
    """

    part: Literal["comb_sum"] = "comb_sum"
    normalisation: Normalisation = knob("min_max", NORMALISATION)

    def fuse(self, pool: Pool) -> np.ndarray:
        """[Q, P] float32, -inf at pads."""
        return pool.ranked(summed(pool, self.normalisation))


def summed(pool: Pool, normalisation: Normalisation) -> np.ndarray:
    """The retrievers' normalised scores, added [Q, P] float64; a new array."""
    normalised = {"min_max": min_max, "sum": to_sum}[normalisation]
    return sum(pool.once((normalisation, name), lambda s=score: normalised(s)) for name, score in pool.score.items())


def to_sum(score: np.ndarray) -> np.ndarray:
    """[Q, P] float64: scores above the least of their question, as shares of their sum; equal scores share alike."""
    above = np.where(np.isnan(score), 0.0, min_max(score))
    total = above.sum(axis=1, keepdims=True)
    return above / np.where(total > 0, total, 1.0)
