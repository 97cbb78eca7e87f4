"""Approximate dense search in a navigable graph, by FAISS."""

from typing import Any, ClassVar, Literal

import numpy as np

from core.config import knob
from core.index.common import allowed
from core.index.faiss_tools import FaissIndex, kind, rescore_knob, threads
from core.models.threads import one_thread
from core.registry import part

_SAMPLE = 100_000  # vectors that principal directions are learnt from


@part("index")
class FaissHNSW(FaissIndex):
    """A graph of near neighbours in layers; a question walks from the top layer down towards its neighbours.

    Choose it over `faiss_ivf` for the highest recall at a given speed, where the vectors (as floats, or a quarter of that in 8
    bits) and some 8 m bytes of links each fit in memory; over `hnswlib`, the same graph, where filters or rebuilding the very
    same graph matter.
    Inner products of vectors of unequal length are no distance: the graph of metric dot can miss many then. A million vectors
    are answered fastest by a graph of a third of their dimensions in 8 bits, with `rescore`.
    Source: Malkov and Yashunin 2018, "Efficient and robust approximate nearest neighbor search using HNSW graphs",
    algorithms 1 to 5.
    """

    order: ClassVar[int] = 10
    title: ClassVar[str] = "FAISS HNSW"
    preset: ClassVar[str] = "HNSW"
    inside: ClassVar[bool] = True
    query_settings: ClassVar[tuple[str, ...]] = ("ef_search", "rescore")
    added: ClassVar[dict[str, Any]] = {"numbers": "float32", "dimensions": 0, "rescore": 1}
    part: Literal["faiss_hnsw"] = "faiss_hnsw"
    m: int = knob(
        32,
        "Links of a vector in the upper layers, twice as many in the lowest. More find more, take memory and build longer.",
        unit="links",
        ge=2,
        le=128,
    )
    ef_construction: int = knob(
        100, "Neighbours considered when a vector is added. More builds a better graph, slower.", ge=4, le=2000
    )
    build_threads: int = knob(
        1,
        "Threads that build the graph; 0: all. One builds the same graph every time, several are "
        "faster and each build differs a little.",
        unit="threads",
        automatic=True,
        ge=0,
        le=256,
    )
    numbers: Literal["float32", "8bit"] = knob(
        "float32",
        "Storage of one number: a float, or 8 bits between its smallest and largest value. Fewer take a quarter of the memory of the "
        "vectors, and rank less exactly.",
    )
    dimensions: int = knob(
        0,
        "Principal directions of the vectors that the graph holds, 0: all of their numbers. Fewer are faster and rank less exactly, "
        "for which `rescore` makes up.",
        unit="dimensions",
        ge=0,
        le=4096,
    )
    ef_search: int = knob(
        128,
        "Neighbours considered when searching. More finds more, slower; below the depth asked for, results come back short.",
        ge=1,
        le=4096,
    )
    rescore: int = rescore_knob(1)

    def grid(self, num_vectors: int, dim: int) -> dict[str, list[Any]]:
        return {"m": [8, 16, 32], "ef_search": [10, 16, 32, 64, 128, 256]}

    def index(self, vectors: np.ndarray):
        import faiss

        dim = self.dimensions or vectors.shape[1]
        if self.numbers == "8bit":
            index = faiss.IndexHNSWSQ(dim, faiss.ScalarQuantizer.QT_8bit, self.m, kind(self.metric))
        else:
            index = faiss.IndexHNSWFlat(dim, self.m, kind(self.metric))
        index.hnsw.efConstruction = self.ef_construction
        if self.dimensions:
            projection, index = self._projection(vectors), faiss.IndexPreTransform(index)
            if self.metric == "cosine":
                index.prepend_transform(faiss.NormalizationTransform(dim, 2))
            index.prepend_transform(projection)
        with threads(self.build_threads):
            index.train(vectors)
            index.add(vectors)
        return index

    def search_parameters(self, selector):
        import faiss

        inner = faiss.SearchParametersHNSW(efSearch=self.ef_search, sel=selector)
        return faiss.SearchParametersPreTransform(index_params=inner) if self.dimensions else inner

    def _projection(self, vectors: np.ndarray):
        """FAISS's step on to the directions in which the vectors are longest, not centred: inner products keep their order best."""
        import faiss

        dim = vectors.shape[1]
        if self.dimensions > dim:
            raise allowed("index.dimensions", self.dimensions, f"0 (all) or 1 to {dim}", f"the vectors have {dim} numbers")
        some = vectors[:: max(1, len(vectors) // _SAMPLE)]
        with one_thread():
            directions = np.linalg.eigh(some.T @ some)[1][:, ::-1]  # largest first
        step = faiss.LinearTransform(dim, self.dimensions, False)
        faiss.copy_array_to_vector(np.ascontiguousarray(directions.T[: self.dimensions], np.float32).ravel(), step.A)
        step.is_trained = step.is_orthonormal = True
        return step
