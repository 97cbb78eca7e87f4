"""What the index studies measure alike: recall against exact search, latency one question at a time, and a thread that
keeps asking while something else happens.
"""

import threading
import time
from collections.abc import Callable

import numpy as np

from core.models.threads import one_thread
from core.records import Candidates

TIES = 16  # exact search goes this much deeper than k, so that equals of the k-th chunk are known


def recall(candidates: Candidates, truth: Candidates, k: int) -> np.ndarray:
    """Share of the k nearest chunks that were found [num_queries] float64; NaN where there was nothing to find.

    Chunks that score as the k-th does are as good as it (Aumueller et al. 2020, "ANN-Benchmarks", section 2.1, counts
    by distance for that reason); `truth` knows them when it is deeper than k by TIES.
    """
    there = truth.chunk >= 0
    wanted = np.minimum(there.sum(axis=1), k)
    if not truth.chunk.shape[1]:
        return np.full(len(truth.chunk), np.nan)
    last = np.take_along_axis(truth.score, np.maximum(wanted - 1, 0)[:, None], axis=1)
    with np.errstate(invalid="ignore"):
        near = there & (truth.score >= last - 1e-6 * np.maximum(1, np.abs(last)))
    right = np.where(near, truth.chunk, -2)[:, None, :] == candidates.chunk[:, :k, None]
    hits = np.minimum(right.any(axis=1).sum(axis=1), wanted)
    return np.where(wanted > 0, hits / np.maximum(wanted, 1), np.nan)


def latencies_ms(ask: Callable[[int], object], questions: int) -> np.ndarray:
    """Milliseconds of ask(i) for i below `questions` [questions] float64, in turn, on one thread; the first asked twice."""
    took = np.zeros(questions)
    with one_thread():
        if questions:
            ask(0)
        for i in range(questions):
            began = time.perf_counter()
            ask(i)
            took[i] = (time.perf_counter() - began) * 1000
    return took


class Asking:
    """A thread that asks while the `with` block runs: ask(i) -> Candidates, i counting up.

    Afterwards: `ms` of each search, `empty` searches (a question without any result), `errors` (what was raised).
    """

    def __init__(self, ask: Callable[[int], Candidates], pause_s: float = 0.0) -> None:
        self.ms: list[float] = []
        self.empty = 0
        self.errors: list[str] = []
        self._ask, self._pause_s, self._stop = ask, pause_s, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        i = 0
        while not self._stop.is_set():
            began = time.perf_counter()
            try:
                candidates = self._ask(i)
                self.empty += bool((candidates.chunk < 0).all(axis=1).any())
            except Exception as error:  # whatever an engine raises is a result here
                self.errors.append(f"{type(error).__name__}: {error}")
            self.ms.append((time.perf_counter() - began) * 1000)
            i += 1
            self._stop.wait(self._pause_s)

    def __enter__(self) -> "Asking":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
