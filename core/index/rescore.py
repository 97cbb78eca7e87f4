"""Candidates from a coarse index, ranked again by the vectors it was made from.

An index of compressed vectors finds the right neighbourhood and orders it badly. Fetching a few times as many and
scoring those exactly gives most of the loss back for some hundred dot products a question; the unquantised vectors have
to be kept beside the index. Source: Jegou et al. 2011, "Searching in one billion vectors: re-rank with source coding".
"""

import threading
from collections.abc import Callable

import numpy as np

from core.config import PartConfig
from core.index.common import asked, ordered
from core.index.protocol import Searcher
from core.records import Candidates

_BLOCK = 16_000_000  # numbers gathered at a time: 64 MB


class Rescored(Searcher):
    """A searcher around a searcher: `times` as many candidates, the best by the exact scores of `full`.

    full: [num_chunks, dim] float32, row i unquantised chunk i. metric: the index's. stored: makes of unquantised rows what
    the index inside holds, for rows that are added or updated later (`Transform.stored`).
    """

    def __init__(
        self, searcher, full: np.ndarray, times: int, metric: str, stored: Callable[[np.ndarray], np.ndarray] = lambda rows: rows
    ) -> None:
        self._inside, self._full, self._times, self._metric, self._stored = searcher, full, times, metric, stored
        self._owned = False  # `full` is the caller's until the first change
        self._lock = threading.Lock()

    def search(
        self,
        queries: np.ndarray,
        depth: int,
        tie_order: np.ndarray | None = None,
        *,
        settings: PartConfig | None = None,
        among: np.ndarray | None = None,
    ) -> Candidates:
        ids = self._inside.search(queries, depth * self._times, tie_order, settings=settings, among=among).chunk
        queries = asked(queries, self._metric, self._full.shape[1])
        scores = np.empty(ids.shape, np.float32)
        step = max(1, _BLOCK // max(ids.shape[1] * self._full.shape[1], 1))
        for start in range(0, len(ids), step):
            block = slice(start, start + step)
            with self._lock:  # rows are not half updated
                rows = self._full[np.maximum(ids[block], 0)]  # [step, depth * times, dim]
            scores[block] = _scores(queries[block], rows, self._metric)
        best = ordered(ids, scores, tie_order)
        return Candidates(best.chunk[:, :depth], best.score[:, :depth])

    def add(self, vectors: np.ndarray) -> np.ndarray:
        """Rows [m, dim] float32, unquantised; returns their ids."""
        vectors = np.asarray(vectors, np.float32)
        with self._lock:
            ids = self._inside.add(self._stored(vectors))
            self._write(ids, vectors)
        return ids

    def remove(self, ids: np.ndarray) -> None:
        self._inside.remove(ids)

    def update(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        vectors = np.asarray(vectors, np.float32)
        with self._lock:
            self._inside.update(ids, self._stored(vectors))
            self._write(ids, vectors)

    def _write(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        needed = max(int(np.max(ids, initial=-1)) + 1, len(self._full))
        if needed > len(self._full) or not self._owned:  # room for half as many again, so that adding one by one is cheap
            grown = np.zeros((needed + needed // 2 if self._owned else needed, self._full.shape[1]), np.float32)
            grown[: len(self._full)] = self._full
            self._full, self._owned = grown, True
        self._full[ids] = vectors

    @property
    def size(self) -> int:
        return self._inside.size

    @property
    def dim(self) -> int:
        return self._full.shape[1]

    @property
    def memory_bytes(self) -> int:
        return self._inside.memory_bytes + self._full.nbytes

    @property
    def dead(self) -> int | None:
        return self._inside.dead

    @property
    def disk_bytes(self) -> int:
        return self._inside.disk_bytes


def _scores(queries: np.ndarray, rows: np.ndarray, metric: str) -> np.ndarray:
    """`exact`'s scores [n, m] float32 of queries [n, dim] with rows [n, m, dim]; equal rows score equally wherever they stand."""
    if metric == "l2":
        apart = rows - queries[:, None]
        return -np.sqrt(np.einsum("qmd,qmd->qm", apart, apart))
    scores = np.einsum("qmd,qd->qm", rows, queries)
    if metric == "dot":
        return scores
    lengths = np.sqrt(np.einsum("qmd,qmd->qm", rows, rows))
    return np.rint(scores / np.where(lengths > 0, lengths, 1) * np.float32(2**20)) * np.float32(2**-20)  # as `exact` rounds
