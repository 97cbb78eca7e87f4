"""Approximate dense search with Chroma."""

from contextlib import nullcontext
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, Literal

import numpy as np

from core.config import PartConfig, knob
from core.index.common import asked, checked, confirmed, ordered, permitted, score_of
from core.index.protocol import Index, Searcher
from core.index.stores import bytes_below, private_copy, stored, temporary_folder
from core.records import Candidates
from core.registry import part

_BATCH = 2000  # vectors handed over at a time; Chroma refuses more than some 5,000


@part("index")
class Chroma(Index):
    """An HNSW graph in a Chroma collection on disk: the vector store that many applications run on.

    Choose it to study what approximation costs, or to match an application that uses it; `exact` is faster and loses
    nothing at the sizes of this workbench. Its ef_search only takes effect in a collection made with it, so here it is
    a build setting and each value a collection of its own. Below some 100 vectors it searches exactly. It cannot be held
    to one thread. The collection is a cache: deleting its folder loses nothing.
    Source: Malkov and Yashunin 2018, "Efficient and robust approximate nearest neighbor search using HNSW graphs",
    algorithms 1 and 5.
    """

    order: ClassVar[int] = 80
    title: ClassVar[str] = "Chroma"
    on_disk: ClassVar[bool] = True
    engine: ClassVar[str] = "chromadb"
    part: Literal["chroma"] = "chroma"
    ef_construction: int = knob(
        100, "Neighbours considered when a vector is added. More builds a better graph, slower.", ge=10, le=1000
    )
    ef_search: int = knob(100, "Neighbours considered when searching. More finds more of the true ones, slower.", ge=1, le=2000)

    def grid(self, num_vectors: int, dim: int) -> dict[str, list[Any]]:
        return {"ef_search": [10, 32, 100, 200]}

    def build(self, vectors: np.ndarray, folder: Path | None) -> "ChromaSearcher":
        """Searcher of vectors [num_chunks, dim] float32; a finished collection in `folder` is taken as it is.

        Chroma always writes: without a folder it is a temporary one, removed at exit.
        """
        import chromadb

        vectors = checked(vectors, self.metric)
        # searching rewrites a page of the SQLite file, so that only the graph has a lasting checksum
        arguments = (folder or temporary_folder(), self, vectors, f"chroma {chromadb.__version__}", "*.bin")
        path = stored(*arguments, lambda store: self._fill(vectors, store))
        try:
            return ChromaSearcher(self, path, *vectors.shape, private=folder is None)
        except Exception:  # a damaged database: its errors have no common class
            (path.parent / "ready.json").unlink(missing_ok=True)
            path = stored(*arguments, lambda store: self._fill(vectors, store))
            return ChromaSearcher(self, path, *vectors.shape, private=folder is None)

    def _fill(self, vectors: np.ndarray, path: Path) -> None:
        space = {"cosine": "cosine", "dot": "ip", "l2": "l2"}[self.metric]
        settings = {"space": space, "ef_construction": self.ef_construction, "ef_search": self.ef_search}
        collection = _client(path).create_collection("chunks", configuration={"hnsw": settings}, embedding_function=None)
        _add(collection, np.arange(len(vectors)), vectors)


class ChromaSearcher(Searcher):
    """A changed collection is a private copy: the saved one stays that of its vectors.

    Chroma's search ends in "Error finding id" where a deletion comes between its two steps, so that searches and changes
    of a private copy wait for each other; nothing changes a saved collection, which is searched by many at once.
    """

    def __init__(self, settings: Chroma, path: Path, num_chunks: int, dim: int, private: bool) -> None:
        self._metric, self._private, self.dim = settings.metric, private, dim
        self._live = np.ones(num_chunks, bool)  # [ids given out]
        self._one_at_a_time = Lock()
        self._path, self._collection = path, _collection(path)
        if num_chunks:
            if self._collection.count() != num_chunks:
                raise ValueError(f"{path} holds {self._collection.count()} vectors, not {num_chunks}")
            self._collection.query(query_embeddings=np.ones((1, dim), np.float32), n_results=1)  # reads the graph

    @property
    def size(self) -> int:
        return int(self._live.sum())

    @property
    def memory_bytes(self) -> int:
        """An estimate, as Chroma does not tell: the graph's files, which it reads whole, or else the vectors."""
        return max(bytes_below(self._path, "*.bin"), 4 * self.size * self.dim)

    @property
    def disk_bytes(self) -> int:
        return bytes_below(self._path)

    def search(
        self,
        queries: np.ndarray,
        depth: int,
        tie_order: np.ndarray | None = None,
        *,
        settings: PartConfig | None = None,
        among: np.ndarray | None = None,
    ) -> Candidates:
        """The `depth` nearest chunks that the graph search finds; equal scores are put in order among those found."""
        queries = asked(queries, self._metric, self.dim)
        collection = self._collection  # before the question whether it is private: it becomes so first
        with self._one_at_a_time if self._private else nullcontext():
            return self._search(collection, queries, depth, tie_order, among)

    def _search(self, collection, queries, depth, tie_order, among) -> Candidates:
        live = self._live
        may = live if among is None else live & permitted(among, len(live))
        depth, count = min(depth, int(live.sum())), int(may.sum())
        chunk = np.full((len(queries), depth), -1, np.int32)
        score = np.full((len(queries), depth), np.nan, np.float32)
        if not chunk.size or not count:
            return Candidates(chunk, score)
        ids = None if among is None else list(map(str, np.flatnonzero(may)))
        answer = collection.query(query_embeddings=queries, n_results=min(depth, count), ids=ids, include=["distances"])
        for row, (ids, distances) in enumerate(zip(answer["ids"], answer["distances"], strict=True)):
            chunk[row, : len(ids)], score[row, : len(ids)] = (ids, score_of(np.array(distances, np.float32), self._metric))
        return ordered(chunk, score, tie_order)

    def add(self, vectors: np.ndarray) -> np.ndarray:
        """Ids [n] int32 of the new vectors [n, dim]."""
        vectors = checked(vectors, self._metric, self.dim)
        with self._one_at_a_time:
            self._own()
            ids = np.arange(len(self._live), len(self._live) + len(vectors), dtype=np.int32)
            _add(self._collection, ids, vectors)
            self._live = np.append(self._live, np.ones(len(vectors), bool))
        return ids

    def remove(self, ids: np.ndarray) -> None:
        with self._one_at_a_time:
            ids, live = confirmed(ids, self._live), self._live.copy()
            self._own()
            live[ids] = False
            for first in range(0, len(ids), _BATCH):
                self._collection.delete(ids=list(map(str, ids[first : first + _BATCH])))
            self._live = live

    def update(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        """Puts vectors [n, dim] in the place of those with these ids [n]."""
        vectors, ids = checked(vectors, self._metric, self.dim, len(ids)), confirmed(ids, self._live)
        with self._one_at_a_time:
            self._own()
            for first in range(0, len(ids), _BATCH):
                last = first + _BATCH
                self._collection.update(ids=list(map(str, ids[first:last])), embeddings=vectors[first:last])

    def _own(self) -> None:
        if not self._private:
            path = private_copy(self._path)
            collection = _collection(path)
            self._private = True
            self._path, self._collection = path, collection


def _add(collection, ids: np.ndarray, vectors: np.ndarray) -> None:
    for first in range(0, len(ids), _BATCH):
        last = first + _BATCH
        collection.add(ids=list(map(str, ids[first:last])), embeddings=vectors[first:last])


def _collection(path: Path):
    return _client(path).get_collection("chunks", embedding_function=None)


def _client(path: Path):
    import chromadb

    return chromadb.PersistentClient(str(path), settings=chromadb.Settings(anonymized_telemetry=False))
