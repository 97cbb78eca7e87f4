"""Approximate dense search with Chroma."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from core.config import knob
from core.index.common import checked, score_of
from core.index.protocol import Index
from core.index.stores import Nearest, StoreSearcher, bytes_below, private_copy, stored, temporary_folder
from core.models.threads import Gate
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


class ChromaSearcher(StoreSearcher):
    """Chroma's search ends in "Error finding id" where a deletion comes between its two steps, so that searches and changes
    wait for each other."""

    def __init__(self, settings: Chroma, path: Path, num_chunks: int, dim: int, private: bool) -> None:
        super().__init__(settings, num_chunks, dim, private)
        self._gate = Gate()
        self._path, self._collection = path, _collection(path)
        if num_chunks:
            if self._collection.count() != num_chunks:
                raise ValueError(f"{path} holds {self._collection.count()} vectors, not {num_chunks}")
            self._collection.query(query_embeddings=np.ones((1, dim), np.float32), n_results=1)  # reads the graph

    @property
    def memory_bytes(self) -> int:
        """An estimate, as Chroma does not tell: the graph's files, which it reads whole, or else the vectors."""
        return max(bytes_below(self._path, "*.bin"), 4 * self.size * self.dim)

    @property
    def disk_bytes(self) -> int:
        return bytes_below(self._path)

    def search(self, queries: np.ndarray, *rest: Any, **more: Any) -> Candidates:
        self._gate.enter()
        try:
            return super().search(queries, *rest, **more)
        finally:
            self._gate.leave()

    def _changing(self) -> AbstractContextManager[Any]:
        return self._gate.closed()

    def _nearest(self, queries: np.ndarray, depth: int, part: Chroma, may: np.ndarray | None) -> Nearest:
        ids, count = None, self.size
        if may is not None:
            ids, count = list(map(str, np.flatnonzero(may))), int(may.sum())
        answer = self._collection.query(query_embeddings=queries, n_results=min(depth, count), ids=ids, include=["distances"])
        for nearest, distances in zip(answer["ids"], answer["distances"], strict=True):
            yield list(map(int, nearest)), score_of(np.array(distances, np.float32), part.metric)

    def _put(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        _add(self._collection, ids, vectors)

    def _replace(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        for first in range(0, len(ids), _BATCH):
            last = first + _BATCH
            self._collection.update(ids=list(map(str, ids[first:last])), embeddings=vectors[first:last])

    def _delete(self, ids: np.ndarray) -> None:
        for first in range(0, len(ids), _BATCH):
            self._collection.delete(ids=list(map(str, ids[first : first + _BATCH])))

    def _copy(self) -> None:
        path = private_copy(self._path)
        self._path, self._collection = path, _collection(path)


def _add(collection, ids: np.ndarray, vectors: np.ndarray) -> None:
    for first in range(0, len(ids), _BATCH):
        last = first + _BATCH
        collection.add(ids=list(map(str, ids[first:last])), embeddings=vectors[first:last])


def _collection(path: Path):
    return _client(path).get_collection("chunks", embedding_function=None)


def _client(path: Path):
    import chromadb

    return chromadb.PersistentClient(str(path), settings=chromadb.Settings(anonymized_telemetry=False))
