"""Exact dense search."""

from pathlib import Path
from typing import Literal

import numpy as np

from core.config import PartConfig, knob
from core.records import Candidates
from core.registry import part
from core.retrieval.top import best

_BLOCK = 4_000_000  # similarities computed at a time: some 80 MB with their sorting keys


@part("index")
class Exact(PartConfig):
    """Compares every question with every chunk by one matrix product. Nothing is approximated, nothing is built.

    Choose it over `chroma` up to some 100,000 chunks: at 16,000 it answers thousands of questions a second, so an
    approximate index has to show that its loss is worth it. Memory: the vectors and some 80 MB.
    Source: cosine as in Salton and McGill 1983, "Introduction to Modern Information Retrieval", chapter 4.
    """

    part: Literal["exact"] = "exact"
    metric: Literal["cosine", "dot", "l2"] = knob(
        "cosine", "Similarity of question and chunk. On normalised vectors all three rank alike."
    )

    def build(self, vectors: np.ndarray, folder: Path) -> "ExactSearcher":
        """Searcher of vectors [num_chunks, dim] float32; the folder is not used."""
        return ExactSearcher(vectors, self.metric)


class ExactSearcher:
    def __init__(self, vectors: np.ndarray, metric: str) -> None:
        self._vectors = normalised(vectors) if metric == "cosine" else np.asarray(vectors, np.float32)
        self._metric = metric
        self._squared = np.einsum("ij,ij->i", self._vectors, self._vectors) if metric == "l2" else None

    def search(self, queries: np.ndarray, depth: int, tie_order: np.ndarray | None = None) -> Candidates:
        """The `depth` nearest chunks of each query vector [num_queries, dim] float32."""
        queries = np.asarray(queries, np.float32)
        if self._metric == "cosine":
            queries = normalised(queries)
        step = max(1, _BLOCK // max(len(self._vectors), 1))
        starts = range(0, max(len(queries), 1), step)  # one empty block when there are no queries
        found = [best(self._scores(queries[i : i + step]), depth, tie_order) for i in starts]
        return Candidates(np.concatenate([f.chunk for f in found]), np.concatenate([f.score for f in found]))

    def _scores(self, queries: np.ndarray) -> np.ndarray:
        """Higher is better [n, num_chunks] float32."""
        scores = queries @ self._vectors.T
        if self._metric == "cosine":
            # to 20 bits after the point: the product's last bits depend on a row's place in its block, and texts
            # that are equal must tie wherever they stand
            scores *= np.float32(2**20)
            np.rint(scores, out=scores)
            scores *= np.float32(2**-20)
        elif self._metric == "l2":
            squared = np.einsum("ij,ij->i", queries, queries)[:, None] + self._squared - 2 * scores
            scores = -np.sqrt(np.maximum(squared, 0, dtype=np.float32))
        return scores


def normalised(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1 as float32; a row of zeros stays one."""
    vectors = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)
