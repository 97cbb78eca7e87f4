"""The inside of the recipe's index: its graph or its lists, as they are read out of FAISS."""

from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np

from core.config import PartConfig, TrialConfig, with_settings
from core.index.common import checked
from core.records import Progress
from core.scratch.indexes.inside import Graph, Lists, from_faiss, from_faiss_ivf
from core.workbench import Workbench

INSIDE = {"faiss_hnsw": "graph", "faiss_ivf": "lists", "faiss_ivf_pq": "lists", "faiss_disk": "lists"}


class IndexInside(NamedTuple):
    """A structure read out of an index, with vectors [n, dim] and questions [q, dim] as the index compares them."""

    structure: Graph | Lists
    vectors: np.ndarray
    queries: np.ndarray


def index_inside(workbench: Workbench, config: TrialConfig) -> Generator[Progress, None, IndexInside | None]:
    """The inside of the recipe's index; None where it cannot be read out."""
    if config.index.part not in INSIDE:
        return None
    pipeline = workbench.pipeline
    config = with_settings(config, {"transform.rescore": 1})  # rescoring wraps the index, it is no part of it
    run = yield from pipeline.resolve(config)
    searcher = yield from pipeline.searcher("dense", run)
    stored = yield from pipeline.transformed(run)
    asked = yield from pipeline.query_vectors(run)
    yield Progress(0, 0, "Reading out the index")
    return pipeline.remember(
        "inside", run.key("index") + run.questions, lambda: _read(searcher._index, config.index, stored.chunks, asked)
    )


def _read(index: Any, part: PartConfig, vectors: np.ndarray, queries: np.ndarray) -> IndexInside | None:
    import faiss

    vectors, queries = (checked(rows, part.metric) for rows in (vectors, queries))
    if isinstance(index, faiss.IndexPreTransform):  # OPQ compares what it has rotated
        rotation = faiss.downcast_VectorTransform(index.chain.at(0))
        vectors, queries, index = rotation.apply(vectors), rotation.apply(queries), faiss.downcast_index(index.index)
    if hasattr(index, "hnsw"):
        return IndexInside(from_faiss(index), vectors, queries)
    return IndexInside(from_faiss_ivf(index), vectors, queries) if hasattr(index, "invlists") else None
