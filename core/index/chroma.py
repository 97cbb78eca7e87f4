"""Approximate dense search with Chroma."""

import json
import shutil
from pathlib import Path
from typing import Literal
from uuid import uuid4

import numpy as np

from core.config import PartConfig, fingerprint, knob
from core.index.exact import normalised
from core.records import Candidates
from core.registry import part

_BATCH = 2000  # vectors handed over at a time; Chroma refuses more than some 5,000


@part("index")
class Chroma(PartConfig):
    """An HNSW graph in a Chroma collection on disk: the vector store that many applications run on.

    Choose it to study what approximation costs, or to match an application that uses it; `exact` is faster and loses
    nothing at the sizes of this workbench. Its ef_search only takes effect in a collection made with it, so each
    setting is a collection of its own. Below some 100 vectors it searches exactly. The collection is a cache: deleting
    its folder loses nothing.
    Source: Malkov and Yashunin 2018, "Efficient and robust approximate nearest neighbor search using HNSW graphs",
    algorithms 1 and 5.
    """

    part: Literal["chroma"] = "chroma"
    metric: Literal["cosine", "dot", "l2"] = knob(
        "cosine", "Similarity of question and chunk. On normalised vectors all three rank alike."
    )
    ef_construction: int = knob(
        100, "Neighbours considered when a vector is added. More builds a better graph, slower.", ge=10, le=1000
    )
    ef_search: int = knob(100, "Neighbours considered when searching. More finds more of the true ones, slower.",
                          ge=1, le=2000)  # fmt: skip

    def build(self, vectors: np.ndarray, folder: Path) -> "ChromaSearcher":
        """Searcher of vectors [num_chunks, dim] float32; a finished collection in `folder` is taken as it is.

        The folder belongs to these vectors: give other vectors another folder.
        """
        vectors = normalised(vectors) if self.metric == "cosine" else np.asarray(vectors, np.float32)
        home = folder / f"chroma-{fingerprint(self)}"
        ready = home / "ready.json"
        if not ready.exists():
            # a fresh name each time: Chroma keeps state about paths in the process, and a killed build stays unusable
            name = uuid4().hex
            self._fill(vectors, home / name)
            ready.with_suffix(f".{name}").write_text(json.dumps({"collection": name}), "utf-8")
            ready.with_suffix(f".{name}").replace(ready)
            for other in home.iterdir():
                if other.is_dir() and other.name != name:
                    shutil.rmtree(other, ignore_errors=True)
        return ChromaSearcher(home / json.loads(ready.read_text("utf-8"))["collection"], len(vectors), self.metric)

    def _fill(self, vectors: np.ndarray, path: Path) -> None:
        path.mkdir(parents=True)
        space = {"cosine": "cosine", "dot": "ip", "l2": "l2"}[self.metric]
        settings = {"space": space, "ef_construction": self.ef_construction, "ef_search": self.ef_search}
        collection = _client(path).create_collection(
            "chunks", configuration={"hnsw": settings}, embedding_function=None
        )
        for first in range(0, len(vectors), _BATCH):
            part_ = vectors[first : first + _BATCH]
            collection.add(ids=[str(i) for i in range(first, first + len(part_))], embeddings=part_)


class ChromaSearcher:
    def __init__(self, path: Path, num_chunks: int, metric: str) -> None:
        self._collection = _client(path).get_collection("chunks", embedding_function=None)
        self._num_chunks, self._metric = num_chunks, metric

    def search(self, queries: np.ndarray, depth: int, tie_order: np.ndarray | None = None) -> Candidates:
        """The `depth` nearest chunks that the graph search finds; equal scores are put in order among those found."""
        queries = normalised(queries) if self._metric == "cosine" else np.asarray(queries, np.float32)
        depth = min(depth, self._num_chunks)
        chunk = np.full((len(queries), depth), -1, np.int32)
        score = np.full((len(queries), depth), np.nan, np.float32)
        if not chunk.size:
            return Candidates(chunk, score)
        found = self._collection.query(query_embeddings=queries, n_results=depth, include=["distances"])
        for row, (ids, distances) in enumerate(zip(found["ids"], found["distances"], strict=True)):
            numbers, values = np.array(ids, np.int32), self._score(np.array(distances, np.float32))
            order = np.lexsort((numbers if tie_order is None else tie_order[numbers], values))[::-1]
            chunk[row, : len(order)], score[row, : len(order)] = numbers[order], values[order]
        return Candidates(chunk, score)

    def _score(self, distance: np.ndarray) -> np.ndarray:
        """The score that `exact` gives; Chroma's l2 is squared."""
        return -np.sqrt(np.maximum(distance, 0)) if self._metric == "l2" else 1 - distance


def _client(path: Path):
    import chromadb

    return chromadb.PersistentClient(str(path), settings=chromadb.Settings(anonymized_telemetry=False))
