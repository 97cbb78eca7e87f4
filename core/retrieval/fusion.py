"""What every fusion part is. `docs/adding_a_part.md` shows the smallest one, `tests/contract/test_fusions.py` holds all."""

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from core.config import LISTS, PartConfig
from core.errors import broken_part
from core.retrieval.pool import Pool

SPARSE, DENSE = BOTH = LISTS["retrievers"].usual  # of a recipe that lists no others


class Fusion(PartConfig):
    """Base of fusion parts: one score a candidate, from what the retrievers said of it."""

    title: ClassVar[str] = ""  # what people call the recipe that it makes; "": it is no preset
    order: ClassVar[int] = 100  # of the presets, smallest first

    def needs(self, there: tuple[str, ...] = BOTH) -> tuple[str, ...]:
        """The retrievers whose candidates it reads; the others are not asked. there: those that the recipe lists."""
        return there

    @abstractmethod
    def fuse(self, pool: Pool) -> np.ndarray:
        """[Q, P] float32, higher is better: -inf at the pads and where no retriever that it needs has the chunk, a finite
        number everywhere else (`pool.ranked` sees to the pads). A row depends on nothing but that row."""


def shares(pool: Pool, weight: float) -> dict[str, float]:
    """How much each ranking of the pool counts: the weight of the dense one, the others the rest, alike; without a dense one, or
    with it alone, all alike."""
    others = [name for name in pool.rank if name != DENSE]
    if DENSE not in pool.rank or not others:
        return dict.fromkeys(pool.rank, 1 / len(pool.rank))
    return {DENSE: weight, **dict.fromkeys(others, (1 - weight) / len(others))}


def fused(fusion: Fusion, pool: Pool) -> np.ndarray:
    """The fusion's scores of the pool [Q, P] float32; WorkbenchError that names it where they could not be ranked."""
    scores = fusion.fuse(pool)
    if np.shape(scores) != pool.chunk.shape or scores.dtype != np.float32:
        kind = np.asarray(scores).dtype
        raise broken_part("fusion", fusion.part, f"gives {kind} scores of shape {np.shape(scores)} for {pool.chunk.shape}")
    pads = pool.once("cells that are pads", lambda: np.flatnonzero(pool.chunk < 0))
    if not scores.max(initial=-np.inf) < np.inf:  # NaN is passed on by the maximum
        raise broken_part("fusion", fusion.part, "gives candidates the score NaN or infinity")
    if len(pads) and scores.take(pads).max() > -np.inf:
        raise broken_part("fusion", fusion.part, "gives pads a score, which are no candidates and have -inf")
    return scores
