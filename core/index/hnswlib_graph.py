"""Approximate dense search with hnswlib."""

import errno
import os
import threading
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from core.config import knob
from core.index.common import SavedIndex, asked, checked, confirmed, ordered, permitted, score_of
from core.index.protocol import Index, Searcher
from core.models.threads import search_threads
from core.records import Candidates
from core.registry import part
from core.retrieval.top import best

_EXACT = 2_000  # so few rows that may be found are compared one by one: some 40 ms a call
_OVERFETCH = 1.5  # a filtered search fetches so many times what a random filter would need


@part("index")
class Hnswlib(Index):
    """An HNSW graph by its authors' own library: vectors and graph in one block of memory, no store around it.

    Choose it over `faiss_hnsw` when rows come, change and go: it updates a vector in place and repairs the links around
    it. `faiss_hnsw` searches from several threads at once, this one takes one search after the other (it keeps ef in the
    index). Filters: its own filter is a Python call for every vector visited and two to five times slower, so a filtered search
    fetches more and drops what is not allowed; up to 2,000 allowed rows, and any far from the question, are compared exactly.
    Source: Malkov and Yashunin 2018, "Efficient and robust approximate nearest neighbor search using HNSW graphs",
    algorithms 1 (insert), 4 (heuristic selection) and 5 (search).
    """

    order: ClassVar[int] = 50
    title: ClassVar[str] = "hnswlib HNSW"
    engine: ClassVar[str] = "hnswlib"
    part: Literal["hnswlib"] = "hnswlib"
    query_settings: ClassVar[tuple[str, ...]] = ("ef_search",)
    m: int = knob(
        16,
        "Links of a vector in each layer, twice as many in the lowest. More find more, and take memory.",
        unit="links",
        ge=2,
        le=128,
    )
    ef_construction: int = knob(
        100, "Neighbours considered when a vector is added. More builds a better graph, slower.", ge=10, le=1000
    )
    ef_search: int = knob(100, "Neighbours considered when searching. More finds more of the true ones, slower.", ge=1, le=2000)
    build_threads: int = knob(
        1,
        "Threads that build; 0: all. Several are faster, and no two graphs are quite the same.",
        unit="threads",
        automatic=True,
        ge=0,
        le=256,
    )
    seed: int = knob(100, "Draws the layers of the vectors. Another seed shows how much the graph is luck.", ge=0, le=2**31 - 1)

    def grid(self, num_vectors: int, dim: int) -> dict[str, list[Any]]:
        return {"m": [8, 16, 32], "ef_search": [10, 16, 32, 64, 128, 256]}

    def build(self, vectors: np.ndarray, folder: Path | None) -> "HnswlibSearcher":
        """Searcher of vectors [num_chunks, dim] float32, saved in the folder or opened from it."""
        vectors = checked(vectors, self.metric)
        searcher = HnswlibSearcher(self, vectors.shape[1])
        saved = SavedIndex(folder, self, vectors, f"hnswlib {version('hnswlib')}") if folder else None
        if saved and len(vectors) and (file := saved.file()):
            searcher._open(file, len(vectors))
        else:
            searcher._append(vectors, self.build_threads or -1)
            if saved and len(vectors):
                saved.write(searcher._save)
        searcher.disk_bytes = saved.bytes() if saved and len(vectors) else 0
        return searcher


class HnswlibSearcher(Searcher):
    def __init__(self, settings: Hnswlib, dim: int) -> None:
        import hnswlib

        self._settings, self.dim = settings, dim
        self._graph = hnswlib.Index("l2" if settings.metric == "l2" else "ip", dim)
        self._live = np.zeros(0, bool)  # [ids given out]
        self._lock = threading.Lock()  # ef belongs to the index, and hnswlib does not add while it searches
        self._room = 0  # rows that the graph has memory for
        self.disk_bytes = 0

    @property
    def size(self) -> int:
        return int(self._live.sum())

    @property
    def dead(self) -> int:
        """Vectors that were removed and still take their place."""
        return len(self._live) - self.size

    @property
    def memory_bytes(self) -> int:
        """Vectors, links and labels, with the room kept for rows to come."""
        return self._graph.index_file_size() * self._room // len(self._live) if len(self._live) else 0

    def search(
        self,
        queries: np.ndarray,
        depth: int,
        tie_order: np.ndarray | None = None,
        *,
        settings: Hnswlib | None = None,
        among: np.ndarray | None = None,
    ) -> Candidates:
        """The `depth` nearest chunks that the graph search finds; equal scores are put in order among those found."""
        queries = asked(queries, self._settings.metric, self.dim)
        with self._lock:
            live = self._live
            may = live if among is None else live & permitted(among, len(live))
            depth, count = min(depth, self.size), int(may.sum())
            if not depth or not count or not len(queries):
                shape = (len(queries), depth)
                return Candidates(np.full(shape, -1, np.int32), np.full(shape, np.nan, np.float32))
            ef = (settings or self._settings).ef_search
            if among is None:
                ids, distance = self._walk(queries, depth, ef)
            elif count <= max(_EXACT, 20 * depth):
                ids, distance = self._compare(queries, np.flatnonzero(may), depth)
            else:
                ids, distance = self._filtered(queries, depth, ef, may)
        return ordered(ids, score_of(distance, self._settings.metric), tie_order)

    def _filtered(self, queries: np.ndarray, depth: int, ef: int, may: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Fetches more and drops what is not allowed; queries left short fetch four times as many. Where that would be half
        the index, the allowed rows are compared."""
        nearest = np.full((len(queries), depth), -1, np.int64)
        distance = np.full(nearest.shape, np.inf, np.float32)
        size, left = self.size, np.arange(len(queries))
        fetch = int(_OVERFETCH * depth * size / may.sum()) + depth
        while len(left) and fetch < size // 2:
            ids, values = self._walk(queries[left], fetch, max(ef, fetch))
            fits = (ids >= 0) & may[ids]
            first = np.argsort(~fits, axis=1, kind="stable")[:, :depth]  # the allowed ones, still nearest first
            fits = np.take_along_axis(fits, first, axis=1)
            nearest[left] = np.where(fits, np.take_along_axis(ids, first, axis=1), -1)
            distance[left] = np.where(fits, np.take_along_axis(values, first, axis=1), np.inf)
            left, fetch = left[~fits.all(axis=1)], 4 * fetch
        if len(left):
            nearest[left], distance[left] = self._compare(queries[left], np.flatnonzero(may), depth)
        return nearest, distance

    def _walk(self, queries: np.ndarray, depth: int, ef: int) -> tuple[np.ndarray, np.ndarray]:
        """ids int64 and distances [n, depth]; -1 where the graph does not lead to as many."""
        self._graph.set_ef(max(ef, depth))
        try:
            ids, distance = self._graph.knn_query(queries, depth, num_threads=search_threads())
            return ids.astype(np.int64), distance
        except RuntimeError:  # a graph torn by deletions: one query at a time, looking further, then fewer
            ids, distance = (np.full((len(queries), depth), -1, np.int64), np.full((len(queries), depth), np.inf, np.float32))
            self._graph.set_ef(len(self._live))
            for row, query in enumerate(queries):
                few = depth
                while few:
                    try:
                        ids[row, :few], distance[row, :few] = (x[0] for x in self._graph.knn_query(query[None], few, 1))
                        break
                    except RuntimeError:
                        few = few * 3 // 4
            return ids, distance

    def _compare(self, queries: np.ndarray, rows: np.ndarray, depth: int) -> tuple[np.ndarray, np.ndarray]:
        """Exact search among a few rows [m]."""
        vectors = self._graph.get_items(rows)
        if self._settings.metric == "l2":
            distance = np.stack([np.square(vectors - query).sum(axis=1) for query in queries])
        else:
            distance = 1 - queries @ vectors.T
        few = best(-distance, depth)
        ids = np.full((len(queries), depth), -1, np.int64)
        values = np.full(ids.shape, np.inf, np.float32)
        ids[:, : few.chunk.shape[1]], values[:, : few.chunk.shape[1]] = rows[few.chunk], -few.score
        return ids, values

    def add(self, vectors: np.ndarray) -> np.ndarray:
        """Ids [n] int32 of the new vectors [n, dim]."""
        vectors = checked(vectors, self._settings.metric, self.dim)
        with self._lock:
            return self._append(vectors, 1)

    def _append(self, vectors: np.ndarray, num_threads: int) -> np.ndarray:
        first, last = len(self._live), len(self._live) + len(vectors)
        if not self._room:
            chosen, self._room = self._settings, max(last, 1)
            self._graph.init_index(self._room, chosen.m, chosen.ef_construction, chosen.seed)
        elif last > self._room:
            self._room = max(last, first * 5 // 4)  # resizing moves everything: not for each row
            self._graph.resize_index(self._room)
        ids = np.arange(first, last, dtype=np.int32)
        if len(vectors):
            self._graph.add_items(vectors, ids, num_threads)
        self._live = np.append(self._live, np.ones(len(vectors), bool))
        return ids

    def remove(self, ids: np.ndarray) -> None:
        """Marks rows as deleted: they still lead the search, and are no longer found."""
        with self._lock:
            for row in confirmed(ids, self._live):
                self._graph.mark_deleted(int(row))
                self._live[row] = False

    def update(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        """Puts vectors [n, dim] in the place of those with these ids [n]; their links are chosen anew."""
        vectors = checked(vectors, self._settings.metric, self.dim, len(ids))
        with self._lock:
            self._graph.add_items(vectors, confirmed(ids, self._live), 1)

    def _save(self, path: Path) -> None:
        self._graph.save_index(str(path))
        if path.stat().st_size < self._graph.index_file_size():  # hnswlib does not look whether its writes went through
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _open(self, path: Path, rows: int) -> None:
        self._graph.load_index(str(path))
        self._live, self._room = np.ones(rows, bool), rows
