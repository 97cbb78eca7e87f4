"""What every fusion part is. `docs/adding_a_part.md` shows the smallest one, `tests/contract/test_fusions.py` holds all."""

from abc import abstractmethod

import numpy as np

from core.config import PartConfig
from core.retrieval.pool import Pool


class Fusion(PartConfig):
    """Base of fusion parts: one score a candidate, from what the retrievers said of it."""

    def needs(self) -> tuple[str, ...]:
        """The retrievers whose candidates it reads, of "sparse" and "dense"; the others are not asked."""
        return ("sparse", "dense")

    @abstractmethod
    def fuse(self, pool: Pool) -> np.ndarray:
        """[Q, P] float32, higher is better: -inf at the pads and where no retriever that it needs has the chunk, a finite
        number everywhere else (`pool.ranked` sees to the pads). A row depends on nothing but that row."""
