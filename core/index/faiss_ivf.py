"""Approximate dense search in an inverted file, by FAISS."""

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from core.config import knob
from core.index.faiss_tools import FaissSearcher, kind, lists, sampled
from core.index.protocol import Index, probed
from core.registry import part


@part("index")
class FaissIVF(Index):
    """K-means cuts the vectors into lists; a question is compared with the vectors of the lists nearest to it.

    Choose it over `faiss_hnsw` where building has to be fast, vectors come and go, or filters are narrow; over
    `faiss_ivf_pq` where the float vectors fit in memory. A neighbour is missed where its list was not looked into.
    K-means learns from at most 64 vectors a list.
    Source: Sivic and Zisserman 2003, "Video Google"; Jegou et al. 2011, "Product quantization for nearest neighbor
    search", section 4; Douze et al. 2024, "The Faiss library", section 5 (IndexIVFFlat).
    """

    order: ClassVar[int] = 20
    title: ClassVar[str] = "FAISS IVF"
    preset: ClassVar[str] = "IVF"
    inside: ClassVar[bool] = True
    engine: ClassVar[str] = "faiss"
    query_settings: ClassVar[tuple[str, ...]] = ("nprobe",)
    part: Literal["faiss_ivf"] = "faiss_ivf"
    nlist: int = knob(
        0,
        "Lists that k-means makes; 0: 4 times the root of the number of vectors. More are shorter, need more "
        "nprobe and train longer.",
        unit="lists",
        automatic=True,
        ge=0,
        le=262_144,
    )
    nprobe: int = knob(
        16, "Lists a question looks into. More finds more of the true neighbours, slower.", unit="lists", ge=1, le=4096
    )

    def grid(self, num_vectors: int, dim: int) -> dict[str, list[Any]]:
        return {"nlist": [0], "nprobe": probed(num_vectors)}

    def build(self, vectors: np.ndarray, folder: Path | None) -> FaissSearcher:
        """Searcher of vectors [num_chunks, dim] float32."""
        return FaissSearcher(self, vectors, folder)

    def index(self, vectors: np.ndarray):
        import faiss

        dim = vectors.shape[1]
        centres = faiss.IndexFlat(dim, kind(self.metric))
        index = faiss.IndexIVFFlat(centres, dim, lists(self.nlist, len(vectors)), kind(self.metric))
        sampled(index.cp)
        index.train(vectors)
        index.add(vectors)
        return index

    def search_parameters(self, selector):
        import faiss

        return faiss.SearchParametersIVF(nprobe=self.nprobe, sel=selector)
