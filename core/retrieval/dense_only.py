"""No fusion: the dense ranking."""

from typing import ClassVar, Literal

import numpy as np

from core.registry import part
from core.retrieval.fusion import DENSE, Fusion
from core.retrieval.pool import Pool


@part("fusion")
class DenseOnly(Fusion):
    """The dense retriever's ranking as it is. Choose it as the baseline that a fusion has to beat."""

    part: Literal["dense_only"] = "dense_only"
    title: ClassVar[str] = "Dense"
    order: ClassVar[int] = 20

    def needs(self, there: tuple[str, ...] = ()) -> tuple[str, ...]:
        return (DENSE,)

    def fuse(self, pool: Pool) -> np.ndarray:
        """[Q, P] float32, -inf where the retriever did not retrieve the chunk."""
        return pool.once("dense_only", lambda: np.nan_to_num(pool.score[DENSE], nan=-np.inf))
