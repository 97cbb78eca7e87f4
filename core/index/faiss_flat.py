"""Exact dense search by FAISS."""

from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from core.index.faiss_tools import FaissSearcher, flat
from core.index.protocol import Index
from core.registry import part


@part("index")
class FaissFlat(Index):
    """Compares every question with every vector, as `exact` does, in FAISS.

    Choose it over `exact` as the yardstick of the other FAISS indexes: same library, same threads, nothing approximated,
    so that what they gain and lose is theirs alone.
    Source: Douze et al. 2024, "The Faiss library", section 4 (IndexFlat).
    """

    order: ClassVar[int] = 90
    title: ClassVar[str] = "FAISS Flat"
    engine: ClassVar[str] = "faiss"
    quick: ClassVar[bool] = True
    part: Literal["faiss_flat"] = "faiss_flat"

    def build(self, vectors: np.ndarray, folder: Path | None) -> FaissSearcher:
        """Searcher of vectors [num_chunks, dim] float32."""
        return FaissSearcher(self, vectors, folder)

    def index(self, vectors: np.ndarray):
        return flat(vectors, self.metric)

    def search_parameters(self, selector):
        import faiss

        return faiss.SearchParameters(sel=selector)
