"""Exact dense search by FAISS."""

from typing import ClassVar, Literal

import numpy as np

from core.index.faiss_tools import FaissIndex, flat
from core.registry import part


@part("index")
class FaissFlat(FaissIndex):
    """Compares every question with every vector, as `exact` does, in FAISS.

    Choose it over `exact` as the yardstick of the other FAISS indexes: same library, same threads, nothing approximated,
    so that what they gain and lose is theirs alone.
    Source: Douze et al. 2024, "The Faiss library", section 4 (IndexFlat).
    """

    order: ClassVar[int] = 90
    title: ClassVar[str] = "FAISS Flat"
    quick: ClassVar[bool] = True
    part: Literal["faiss_flat"] = "faiss_flat"

    def index(self, vectors: np.ndarray):
        return flat(vectors, self.metric)
