"""Inverse square rank."""

from typing import Literal

import numpy as np

from core.registry import part
from core.retrieval.comb_mnz import agreeing
from core.retrieval.fusion import Fusion
from core.retrieval.pool import Pool


@part("fusion")
class InverseSquareRank(Fusion):
    """The squares of the reciprocal ranks, added, times the number of retrievers that retrieved the chunk.

    Choose it over `rrf` where the first ranks of a retriever are mostly right: a first place counts four times a second one,
    and only agreement lifts what stands lower.
    Source: Mourão, Martins and Magalhães 2013, "NovaSearch at TREC 2013 Federated Web Search Track: Experiments with rank
    fusion", section 2 (ISR).
    """

    part: Literal["isr"] = "isr"

    def fuse(self, pool: Pool) -> np.ndarray:
        """[Q, P] float32, -inf at pads."""
        squares = sum(np.where(rank > 0, 1.0 / np.maximum(rank, 1) ** 2, 0.0) for rank in pool.rank.values())
        return pool.ranked(agreeing(pool) * squares)
