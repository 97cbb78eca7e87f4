"""Approximate dense search by Qdrant: its engine in this process, or a server."""

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from core.config import knob
from core.index.common import checked
from core.index.postgres_server import NAME, absent
from core.index.protocol import Index, Searcher
from core.index.qdrant_server import scores_of, served
from core.index.stores import Nearest, StoreSearcher, bytes_below, private_copy, stored, temporary_folder
from core.registry import installed, part

_BATCH = 2000  # points handed over at a time


@part("index")
class Qdrant(Index):
    """A shard of Qdrant on disk, an HNSW graph that also looks at filters while it walks; with a server or without.

    Choose it to match an application that runs on Qdrant, or where filters leave few chunks: it walks its graph among those that
    may be found, and compares all where they are few. The engine is that of PyPI's qdrant-edge-py, beta, which one process opens at
    a time for writing; no two builds of its graph are quite alike. A server is named by
    the environment variable in `server`, its key by the same name with _API_KEY; collections stay there until someone drops them, each
    with our prefix and a word of it in its metadata.
    Source: Malkov and Yashunin 2018, "Efficient and robust approximate nearest neighbor search using HNSW graphs"; for filters
    Patel et al. 2024, "ACORN".
    """

    order: ClassVar[int] = 120
    title: ClassVar[str] = "Qdrant"
    on_disk: ClassVar[bool] = True
    engine: ClassVar[str] = "qdrant_edge"
    query_settings: ClassVar[tuple[str, ...]] = ("ef_search", "acorn")
    part: Literal["qdrant"] = "qdrant"
    m: int = knob(16, "Neighbours of a vector in the graph. More finds more, in more memory.", ge=2, le=100)
    ef_construction: int = knob(
        100, "Neighbours considered when a vector is added. More builds a better graph, slower.", ge=10, le=1000
    )
    ef_search: int = knob(64, "Neighbours considered when searching. More finds more of the true ones, slower.", ge=1, le=2000)

    acorn: bool = knob(
        True,
        "Under a filter the walk also goes over neighbours' neighbours. Without it, it ends early where a filter leaves little.",
    )

    server: str = knob(
        "",
        "Environment variable that holds the URL of a Qdrant server; empty: the engine in this process. The URL is never stored.",
        pattern=f"^({NAME})?$",
    )

    def import_engine(self) -> None:
        if not self.server:
            opened_edge()

    def grid(self, num_vectors: int, dim: int) -> dict[str, list[Any]]:
        return {"ef_search": [8, 16, 32, 64, 128, 256]}

    def build(self, vectors: np.ndarray, folder: Path | None) -> Searcher:
        """Searcher of vectors [num_chunks, dim] float32; without a folder the shard is a temporary one, removed at exit."""
        if self.server:
            return served(self, checked(vectors, self.metric), folder)
        opened_edge()
        vectors = checked(vectors, self.metric)
        engine = f"qdrant {installed('qdrant-edge-py')}"
        path = stored(folder or temporary_folder(), self, vectors, engine, "*.bin", lambda store: self._fill(vectors, store))
        return QdrantSearcher(self, path, *vectors.shape, private=folder is None)

    def _fill(self, vectors: np.ndarray, path: Path) -> None:
        edge = opened_edge()
        distance = edge.Distance.Euclid if self.metric == "l2" else edge.Distance.Dot  # of normalised vectors it is the cosine
        shard = edge.EdgeShard.create(
            str(path),
            edge.EdgeConfig(
                vectors=edge.EdgeVectorParams(size=vectors.shape[1], distance=distance),
                # sizes in KB, above which there is a graph and it is walked: always
                hnsw_config=edge.HnswIndexConfig(
                    m=self.m, ef_construct=self.ef_construction, full_scan_threshold=1, max_indexing_threads=1
                ),
                optimizers=edge.EdgeOptimizersConfig(indexing_threshold=1, default_segment_number=1),
                wal_enabled=False,  # it is a cache, made again from its vectors
            ),
        )
        _upsert(shard, np.arange(len(vectors)), vectors)
        shard.optimize()
        shard.flush()
        shard.close()


class QdrantSearcher(StoreSearcher):
    """Over a shard of the engine."""

    def __init__(self, settings: Qdrant, path: Path, num_chunks: int, dim: int, private: bool) -> None:
        super().__init__(settings, num_chunks, dim, private)
        self._path, self._shard = path, opened_edge().EdgeShard.load(str(path))

    @property
    def memory_bytes(self) -> int:
        """An estimate, as the engine does not tell: the vectors and the graph, which it maps from files."""
        return bytes_below(self._path, "*.bin") + 4 * max(self.size, 1) * self.dim

    @property
    def disk_bytes(self) -> int:
        return bytes_below(self._path)

    def _nearest(self, queries: np.ndarray, depth: int, part: Qdrant, may: np.ndarray | None) -> Nearest:
        edge = opened_edge()
        walk = edge.AcornSearchParams(enable=part.acorn)
        options = {"limit": depth, "params": edge.SearchParams(hnsw_ef=part.ef_search, acorn=walk)}
        if may is not None:
            options["filter"] = edge.Filter(must=[edge.HasIdCondition(set(np.flatnonzero(may).tolist()))])
        requests = [edge.QueryRequest(query=edge.Query.Nearest(query.tolist()), **options) for query in queries]
        for points in self._shard.query_batch(edge.QueryBatchRequest(requests)):
            yield [point.id for point in points], scores_of([point.score for point in points], part.metric)

    def _put(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        _upsert(self._shard, ids, vectors)

    _replace = _put

    def _delete(self, ids: np.ndarray) -> None:
        self._shard.update(opened_edge().UpdateOperation.delete_points(ids.tolist()))

    def _copy(self) -> None:
        path = private_copy(self._path)
        self._path, self._shard = path, opened_edge().EdgeShard.load(str(path))


def opened_edge() -> Any:
    try:
        import qdrant_edge
    except ImportError as error:
        raise absent("Qdrant", error) from error
    return qdrant_edge


def _upsert(shard: Any, ids: np.ndarray, vectors: np.ndarray) -> None:
    edge = opened_edge()
    for first in range(0, len(ids), _BATCH):
        rows = zip(ids[first : first + _BATCH].tolist(), vectors[first : first + _BATCH].tolist(), strict=True)
        shard.update(edge.UpdateOperation.upsert_points([edge.Point(row, vector, {}) for row, vector in rows]))
