"""Exact dense search."""

from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from core.config import PartConfig
from core.index.common import asked, checked, confirmed, permitted, rounded
from core.index.protocol import Index, Searcher
from core.records import Candidates
from core.registry import part
from core.retrieval.top import best

_BLOCK = 4_000_000  # similarities computed at a time: some 80 MB with their sorting keys


@part("index")
class Exact(Index):
    """Compares every question with every chunk by one matrix product. Nothing is approximated, nothing is built.

    Choose it over its siblings up to some 100,000 chunks: at 16,000 it answers thousands of questions a second, so an
    approximate index has to show that its loss is worth it. Memory: the vectors and some 80 MB.
    Source: cosine as in Salton and McGill 1983, "Introduction to Modern Information Retrieval", chapter 4.
    """

    order: ClassVar[int] = 0
    title: ClassVar[str] = "Exact"
    preset: ClassVar[str] = "Exact"
    part: Literal["exact"] = "exact"

    def build(self, vectors: np.ndarray, folder: Path | None) -> "ExactSearcher":
        """Searcher of vectors [num_chunks, dim] float32; the folder is not used."""
        return ExactSearcher(vectors, self.metric)


class ExactSearcher(Searcher):
    """Changes put new arrays in the place of the old: a search under way goes on in those it began with."""

    def __init__(self, vectors: np.ndarray, metric: str) -> None:
        self._metric = metric
        vectors = checked(vectors, metric)
        self._rows = vectors, self._squared(vectors), np.ones(len(vectors), bool)  # the last: not removed

    @property
    def dim(self) -> int:
        return self._rows[0].shape[1]

    @property
    def size(self) -> int:
        return int(self._rows[2].sum())

    @property
    def memory_bytes(self) -> int:
        return sum(array.nbytes for array in self._rows if array is not None)

    def search(
        self,
        queries: np.ndarray,
        depth: int,
        tie_order: np.ndarray | None = None,
        *,
        settings: PartConfig | None = None,
        among: np.ndarray | None = None,
    ) -> Candidates:
        """The `depth` nearest chunks of each query vector [num_queries, dim] float32; there are no query settings."""
        rows = self._rows
        vectors, _, live = rows
        queries = asked(queries, self._metric, vectors.shape[1])
        hidden = ~(live if among is None else live & permitted(among, len(live)))
        depth = min(depth, int(live.sum()))
        step = max(1, _BLOCK // max(len(vectors), 1))
        blocks = []
        for first in range(0, max(len(queries), 1), step):  # one empty block when there are no queries
            scores = self._scores(queries[first : first + step], rows)
            if hidden.any():
                scores[:, hidden] = -np.inf
            blocks.append(best(scores, depth, tie_order))
        return Candidates(np.concatenate([f.chunk for f in blocks]), np.concatenate([f.score for f in blocks]))

    def add(self, vectors: np.ndarray) -> np.ndarray:
        """Ids [n] int32 of the new vectors [n, dim]."""
        new = checked(vectors, self._metric, self.dim)
        vectors, squared, live = self._rows
        ids = np.arange(len(vectors), len(vectors) + len(new), dtype=np.int32)
        self._rows = (
            np.concatenate([vectors, new]),
            None if squared is None else np.append(squared, self._squared(new)),
            np.append(live, np.ones(len(new), bool)),
        )
        return ids

    def remove(self, ids: np.ndarray) -> None:
        vectors, squared, live = self._rows
        live = live.copy()
        live[confirmed(ids, live)] = False
        self._rows = vectors, squared, live

    def update(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        """Puts vectors [n, dim] in the place of those with these ids [n]."""
        new = checked(vectors, self._metric, self.dim, len(ids))
        vectors, _, live = self._rows
        vectors = vectors.copy()
        vectors[confirmed(ids, live)] = new
        self._rows = vectors, self._squared(vectors), live

    def _squared(self, vectors: np.ndarray) -> np.ndarray | None:
        return np.einsum("ij,ij->i", vectors, vectors) if self._metric == "l2" else None

    def _scores(self, queries: np.ndarray, rows: tuple) -> np.ndarray:
        """Higher is better [n, num_chunks] float32."""
        vectors, of_vectors, _ = rows
        scores = queries @ vectors.T
        if self._metric == "cosine":
            return rounded(scores)
        if self._metric == "l2":
            squared = np.einsum("ij,ij->i", queries, queries)[:, None] + of_vectors - 2 * scores
            scores = -np.sqrt(np.maximum(squared, 0, dtype=np.float32))
        return scores


def normalised(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1 as float32; a row of zeros stays one."""
    vectors = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)
