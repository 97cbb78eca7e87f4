"""Approximate dense search by Qdrant's engine, in this process."""

from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, Literal

import numpy as np

from core.config import knob
from core.index.common import asked, checked, confirmed, ordered, permitted, rounded
from core.index.postgres_server import absent
from core.index.protocol import Index, Searcher
from core.index.stores import bytes_below, private_copy, stored, temporary_folder
from core.records import Candidates
from core.registry import part

_BATCH = 2000  # points handed over at a time


@part("index")
class Qdrant(Index):
    """A shard of Qdrant on disk, an HNSW graph that also looks at filters while it walks; without a server.

    Choose it to match an application that runs on Qdrant, or where filters leave few chunks: it walks its graph among those that
    may be found, and compares all where they are few. The engine is that of PyPI's qdrant-edge-py, beta, which one process opens at
    a time for writing. A graph built by several threads is not quite alike each time; here one thread builds it.
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

    def import_engine(self) -> None:
        opened_edge()

    def grid(self, num_vectors: int, dim: int) -> dict[str, list[Any]]:
        return {"ef_search": [8, 16, 32, 64, 128, 256]}

    def build(self, vectors: np.ndarray, folder: Path | None) -> "QdrantSearcher":
        """Searcher of vectors [num_chunks, dim] float32; without a folder the shard is a temporary one, removed at exit."""
        from core.registry import installed

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


class QdrantSearcher(Searcher):
    """A changed shard is a private copy: the saved one stays that of its vectors."""

    def __init__(self, settings: Qdrant, path: Path, num_chunks: int, dim: int, private: bool) -> None:
        self._settings, self._private, self.dim = settings, private, dim
        self._live = np.ones(num_chunks, bool)  # [ids given out]
        self._one_change = Lock()
        self._path, self._shard = path, opened_edge().EdgeShard.load(str(path))

    @property
    def size(self) -> int:
        return int(self._live.sum())

    @property
    def memory_bytes(self) -> int:
        """An estimate, as the engine does not tell: the vectors and the graph, which it maps from files."""
        return bytes_below(self._path, "*.bin") + 4 * max(self.size, 1) * self.dim

    @property
    def disk_bytes(self) -> int:
        return bytes_below(self._path)

    def search(
        self,
        queries: np.ndarray,
        depth: int,
        tie_order: np.ndarray | None = None,
        *,
        settings: Qdrant | None = None,
        among: np.ndarray | None = None,
    ) -> Candidates:
        """The `depth` nearest chunks that the walk finds; equal scores are put in order among those found."""
        edge, chosen, live, shard = opened_edge(), settings or self._settings, self._live, self._shard
        queries = asked(queries, chosen.metric, self.dim)
        may = live if among is None else live & permitted(among, len(live))
        depth = min(depth, int(live.sum()))
        chunk = np.full((len(queries), depth), -1, np.int32)
        score = np.full((len(queries), depth), np.nan, np.float32)
        if not chunk.size or not may.any():
            return Candidates(chunk, score)
        walk = edge.AcornSearchParams(enable=chosen.acorn)
        options = {"limit": depth, "params": edge.SearchParams(hnsw_ef=chosen.ef_search, acorn=walk)}
        if among is not None:
            options["filter"] = edge.Filter(must=[edge.HasIdCondition(set(np.flatnonzero(may).tolist()))])
        requests = [edge.QueryRequest(query=edge.Query.Nearest(query.tolist()), **options) for query in queries]
        for row, points in enumerate(shard.query_batch(edge.QueryBatchRequest(requests))):
            chunk[row, : len(points)] = [point.id for point in points]
            score[row, : len(points)] = [point.score for point in points]
        if chosen.metric == "l2":
            score = -score
        return ordered(chunk, rounded(score) if chosen.metric == "cosine" else score, tie_order)

    def add(self, vectors: np.ndarray) -> np.ndarray:
        """Ids [n] int32 of the new vectors [n, dim]."""
        vectors = checked(vectors, self._settings.metric, self.dim)
        with self._one_change:
            self._own()
            ids = np.arange(len(self._live), len(self._live) + len(vectors), dtype=np.int32)
            _upsert(self._shard, ids, vectors)
            self._live = np.append(self._live, np.ones(len(vectors), bool))
        return ids

    def remove(self, ids: np.ndarray) -> None:
        with self._one_change:
            ids, live = confirmed(ids, self._live), self._live.copy()
            self._own()
            live[ids] = False
            if len(ids):
                self._shard.update(opened_edge().UpdateOperation.delete_points(ids.tolist()))
            self._live = live

    def update(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        """Puts vectors [n, dim] in the place of those with these ids [n]."""
        vectors, ids = checked(vectors, self._settings.metric, self.dim, len(ids)), confirmed(ids, self._live)
        with self._one_change:
            self._own()
            _upsert(self._shard, ids, vectors)

    def _own(self) -> None:
        if not self._private:
            path = private_copy(self._path)
            self._path, self._shard, self._private = path, opened_edge().EdgeShard.load(str(path)), True


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
