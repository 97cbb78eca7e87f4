from pathlib import Path
from typing import Literal

import numpy as np

from core.index.common import asked, checked, confirmed, permitted, rounded
from core.index.protocol import Index, Searcher
from core.records import Candidates
from core.registry import part
from core.retrieval.top import best


@part("index")
class OneByOne(Index):
    """Each question against every vector, one question after the other. Choose it to read; `exact` is the fast one."""

    part: Literal["one_by_one"] = "one_by_one"

    def build(self, vectors: np.ndarray, folder: Path | None) -> "OneByOneSearcher":
        return OneByOneSearcher(vectors, self.metric)


class OneByOneSearcher(Searcher):
    """A change puts new arrays in the place of the old: a search under way goes on in those it began with."""

    def __init__(self, vectors: np.ndarray, metric: str) -> None:
        self._metric = metric
        self._rows = checked(vectors, metric), np.ones(len(vectors), bool)  # vectors, and which of them are live

    dim = property(lambda self: self._rows[0].shape[1])
    size = property(lambda self: int(self._rows[1].sum()))
    memory_bytes = property(lambda self: self._rows[0].nbytes + self._rows[1].nbytes)

    def search(self, queries, depth, tie_order=None, *, settings=None, among=None) -> Candidates:
        vectors, live = self._rows
        queries = asked(queries, self._metric, vectors.shape[1])
        may = live if among is None else live & permitted(among, len(live))
        scores = np.empty((len(queries), len(vectors)), np.float32)
        for row, query in zip(scores, queries, strict=True):
            row[:] = -np.linalg.norm(vectors - query, axis=1) if self._metric == "l2" else vectors @ query
        if self._metric == "cosine":
            scores = rounded(scores)
        scores[:, ~may] = -np.inf
        return best(scores, min(depth, int(live.sum())), tie_order)

    def add(self, vectors: np.ndarray) -> np.ndarray:
        new, (old, live) = checked(vectors, self._metric, self.dim), self._rows
        self._rows = np.concatenate([old, new]), np.append(live, np.ones(len(new), bool))
        return np.arange(len(old), len(old) + len(new), dtype=np.int32)

    def remove(self, ids: np.ndarray) -> None:
        vectors, live = self._rows[0], self._rows[1].copy()
        live[confirmed(ids, live)] = False
        self._rows = vectors, live

    def update(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        new, table = checked(vectors, self._metric, self.dim, len(ids)), self._rows[0].copy()
        table[confirmed(ids, self._rows[1])] = new
        self._rows = table, self._rows[1]
