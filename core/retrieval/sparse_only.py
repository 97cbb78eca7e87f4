"""No fusion: the lexical ranking."""

from typing import ClassVar, Literal

import numpy as np

from core.registry import part
from core.retrieval.fusion import SPARSE, Fusion
from core.retrieval.pool import Pool


@part("fusion")
class SparseOnly(Fusion):
    """The lexical retriever's ranking as it is. Choose it as the baseline that a fusion has to beat."""

    part: Literal["sparse_only"] = "sparse_only"
    title: ClassVar[str] = "BM25"
    order: ClassVar[int] = 10

    def needs(self, there: tuple[str, ...] = ()) -> tuple[str, ...]:
        return (SPARSE,)

    def fuse(self, pool: Pool) -> np.ndarray:
        """[Q, P] float32, -inf where the retriever did not retrieve the chunk."""
        return pool.once("sparse_only", lambda: np.nan_to_num(pool.score[SPARSE], nan=-np.inf))
