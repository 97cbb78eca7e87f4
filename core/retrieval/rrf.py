"""Reciprocal rank fusion."""

from typing import ClassVar, Literal

import numpy as np

from core.config import knob
from core.registry import part
from core.retrieval.fusion import Fusion, shares
from core.retrieval.pool import Pool


@part("fusion")
class ReciprocalRank(Fusion):
    """Sums the reciprocals of the ranks: weight / (constant + dense rank) + (1 - weight) / (constant + sparse rank).

    Looks at ranks only, so scores need no normalisation. Choose it over `convex` when there are no questions with gold
    evidence to tune a weight on; tuned, `convex` is usually better, because it keeps how far apart the scores are.
    A chunk that a retriever did not retrieve gets nothing from it. At weight 0.5 the order is that of the paper.
    Source: Cormack, Clarke and Büttcher 2009, "Reciprocal Rank Fusion outperforms Condorcet and individual Rank
    Learning Methods", the formula of section 1 with k = 60; the weight as in weighted RRF.
    """

    part: Literal["rrf"] = "rrf"
    title: ClassVar[str] = "Hybrid RRF"
    order: ClassVar[int] = 30
    weight: float = knob(
        0.5, "Share of the dense ranking: 0 lexical only, 1 dense only.", label="Dense weight", ge=0.0, le=1.0, step=0.01
    )
    constant: float = knob(
        60.0, "Dampens the first ranks: the larger, the more the lower ranks count.", ge=0.0, le=1000.0, step=1.0
    )

    def fuse(self, pool: Pool) -> np.ndarray:
        """[Q, P] float32, -inf at pads."""
        # float64 until the end: equal sums of different reciprocals must come out as ties
        return pool.ranked(sum(share * self._reciprocal(pool, name) for name, share in shares(pool, self.weight).items()))

    def _reciprocal(self, pool: Pool, name: str) -> np.ndarray:
        rank = pool.rank[name]
        of_rank = 1.0 / (self.constant + np.arange(1, max(int(rank.max(initial=0)), 1) + 1))
        return np.concatenate([[0.0], of_rank])[rank]
