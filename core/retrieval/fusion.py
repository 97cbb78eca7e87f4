"""What every fusion part is. `docs/adding_a_part.md` shows the smallest one, `tests/contract/test_fusions.py` holds all."""

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from core.config import PartConfig
from core.errors import broken_part
from core.retrieval.pool import Pool


class Fusion(PartConfig):
    """Base of fusion parts: one score a candidate, from what the retrievers said of it."""

    title: ClassVar[str] = ""  # what people call the recipe that it makes; "": it is no preset
    order: ClassVar[int] = 100  # of the presets, smallest first

    def needs(self) -> tuple[str, ...]:
        """The retrievers whose candidates it reads, of "sparse" and "dense"; the others are not asked."""
        return ("sparse", "dense")

    @abstractmethod
    def fuse(self, pool: Pool) -> np.ndarray:
        """[Q, P] float32, higher is better: -inf at the pads and where no retriever that it needs has the chunk, a finite
        number everywhere else (`pool.ranked` sees to the pads). A row depends on nothing but that row."""


def shares(pool: Pool, weight: float) -> dict[str, float]:
    """How much each ranking of the pool counts: the weight of the dense one, and the rest; all alike where there are others."""
    if pool.rank.keys() <= {"sparse", "dense"}:
        return {"dense": weight, "sparse": 1 - weight}
    return dict.fromkeys(pool.rank, 1 / len(pool.rank))


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
