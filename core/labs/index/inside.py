"""The inside of the recipe's index: its graph or its lists, as they are read out of FAISS."""

from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np

from core.config import PartConfig, TrialConfig, fingerprint, with_settings
from core.index.common import checked
from core.records import Progress
from core.scratch.indexes.inside import (
    Graph,
    Lists,
    Walk,
    degrees,
    from_faiss,
    from_faiss_ivf,
    imbalance,
    layers,
    list_sizes,
    walk,
    where,
    why_missed,
)
from core.workbench import Workbench


class IndexInside(NamedTuple):
    """A structure read out of an index, with vectors [n, dim] and questions [q, dim] as the index compares them."""

    structure: Graph | Lists
    vectors: np.ndarray
    queries: np.ndarray


def index_inside(workbench: Workbench, config: TrialConfig) -> Generator[Progress, None, IndexInside | None]:
    """The inside of the recipe's index; None where it cannot be read out."""
    if not config.index.inside:
        return None
    pipeline = workbench.pipeline
    config = with_settings(config, {"transform.rescore": 1})  # rescoring wraps the index, it is no part of it
    run = yield from pipeline.resolve(config)
    searcher = yield from pipeline.index(run)
    stored = yield from pipeline.transformed(run)
    asked = yield from pipeline.query_vectors(run)
    yield Progress(0, 0, "Reading out the index")
    key = fingerprint(run.key("index"), run.questions, config.embedding.prefix(True))
    return pipeline.remember("inside", key, lambda: _read(searcher._index, config.index, stored.chunks, asked))


def _read(index: Any, part: PartConfig, vectors: np.ndarray, queries: np.ndarray) -> IndexInside | None:
    import faiss

    vectors, queries = (checked(rows, part.metric) for rows in (vectors, queries))
    if isinstance(index, faiss.IndexPreTransform):  # it compares what it has rotated or projected
        for step in (faiss.downcast_VectorTransform(index.chain.at(number)) for number in range(index.chain.size())):
            vectors, queries = step.apply(vectors), step.apply(queries)
        index = faiss.downcast_index(index.index)
    if hasattr(index, "hnsw"):
        return IndexInside(from_faiss(index), vectors, queries)
    return IndexInside(from_faiss_ivf(index), vectors, queries) if hasattr(index, "invlists") else None


def rows(read: IndexInside, config: TrialConfig, question: int) -> dict[str, Any]:
    """All that can be said of a structure and of the way of one question, by its row, through it: lists of rows by name."""
    structure, vectors, query, part = read.structure, read.vectors, read.queries[question], config.index
    depth = min(config.evaluation.k, len(vectors))
    if isinstance(structure, Lists):
        placed = where(structure, vectors, query, part.nprobe, depth)
        return {"imbalance": imbalance(structure), "lists": list_rows(structure), "nearest": [each._asdict() for each in placed]}
    missed = why_missed(structure, vectors, query, part.ef_search, depth)
    return {
        "layers": layer_rows(structure),
        "links": link_rows(structure),
        "walk": walk_rows(walk(structure, vectors, query, part.ef_search, depth)),
        "missed": [miss._asdict() | {"reason": miss.reason.value} for miss in missed],
    }


def layer_rows(graph: Graph) -> list[dict[str, int]]:
    return [size._asdict() for size in layers(graph)]


def link_rows(graph: Graph) -> list[dict[str, int]]:
    """A row a number of links: vectors that so many leave, and to which so many lead, on the lowest layer."""
    counts = degrees(graph, 0)
    most = max(len(counts.out), len(counts.into))
    leave, lead = (np.pad(column, (0, most - len(column))).tolist() for column in (counts.out, counts.into))
    return [{"links": links, "leave": leave[links], "lead": lead[links]} for links in range(most)]


def walk_rows(way: Walk) -> list[dict[str, Any]]:
    """A row a hop."""
    return [hop._asdict() | {"compared": len(hop.compared), "scores": None} for hop in way.hops]


def list_rows(lists: Lists) -> list[dict[str, int]]:
    """A row a list, with how many vectors it holds."""
    return [{"list": number, "vectors": size} for number, size in enumerate(list_sizes(lists).tolist())]
