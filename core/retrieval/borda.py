"""Rankings as votes."""

from typing import Literal

import numpy as np

from core.config import knob
from core.registry import part
from core.retrieval.fusion import Fusion, shares
from core.retrieval.pool import Pool


@part("fusion")
class Borda(Fusion):
    """Each retriever is a voter: of c candidates of a question its first gets c points, its second c - 1, and so on.

    The candidates that it did not retrieve share the points that are left evenly. Choose it over `rrf` where the lower ranks
    should count as much as the upper ones: a step down costs one point anywhere.
    Source: Aslam and Montague 2001, "Models for Metasearch", Borda-fuse (section 3); the weight as in their Weighted Borda-fuse.
    """

    part: Literal["borda"] = "borda"
    weight: float = knob(
        0.5, "Share of the dense votes: 0 lexical only, 1 dense only.", label="Dense weight", ge=0.0, le=1.0, step=0.01
    )

    def fuse(self, pool: Pool) -> np.ndarray:
        """[Q, P] float32, -inf at pads."""
        return pool.ranked(sum(share * self._points(pool, name) for name, share in shares(pool, self.weight).items()))

    def _points(self, pool: Pool, name: str) -> np.ndarray:
        def points() -> np.ndarray:
            rank, candidates = pool.rank[name], (pool.chunk >= 0).sum(axis=1, keepdims=True)
            unranked = candidates - (rank > 0).sum(axis=1, keepdims=True)
            return np.where(rank > 0, candidates + 1.0 - rank, (unranked + 1) / 2)

        return pool.once(("borda", name), points)
