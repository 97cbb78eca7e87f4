"""Approximate dense search in an inverted file, by FAISS."""

from typing import Any, ClassVar, Literal

import numpy as np

from core.index.faiss_tools import FaissIndex, kind, lists, sampled
from core.index.protocol import lists_knob, probed, probes_knob
from core.registry import part


@part("index")
class FaissIVF(FaissIndex):
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
    query_settings: ClassVar[tuple[str, ...]] = ("nprobe",)
    part: Literal["faiss_ivf"] = "faiss_ivf"
    nlist: int = lists_knob()
    nprobe: int = probes_knob()

    def grid(self, num_vectors: int, dim: int) -> dict[str, list[Any]]:
        return {"nlist": [0], "nprobe": probed(num_vectors)}

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
