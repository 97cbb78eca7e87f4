"""Measuring query settings of one built index: what is found, and how fast. Raw results first; every number that is
shown is a function over them, so that any chart can be drawn again.

Settings are measured side by side: batches and blocks of single questions alternate between them in random order, so that
a machine that slows down meanwhile slows all of them. Building is timed elsewhere, once; warming up is not counted.
"""

import base64
import os
import platform
import time
import zlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from core.config import PartConfig
from core.labs.index.measure import recall
from core.records import Candidates, Progress

SINGLES, QUICK_SINGLES = 1000, 200  # questions timed one at a time
REPEATS = 3  # batches
SINGLES_S, QUICK_SINGLES_S, BATCH_S = 5.0, 0.35, 10.0  # time a setting may take; what is slower is sampled less
LEAST_SINGLES = 20
BLOCK = 50  # single questions of a setting in a row
STEP_S = 0.5  # single questions are timed so long between two looks at the progress
WARM = 16  # questions that are asked before anything is timed


@dataclass(frozen=True, eq=False)
class Raw:
    """One query setting as measured.

    chunk: [num_queries, k] int32, -1 where fewer were found. recall: [num_queries] float64, against exact search.
    single_us: [n] float64, one question a call on one thread, in the order of asking. batch_s: seconds of each batch of
    all the questions, on all threads.
    """

    chunk: np.ndarray
    recall: np.ndarray
    single_us: np.ndarray
    batch_s: tuple[float, ...]

    def latency_us(self, quantile: float) -> float:
        """NaN where there are too few questions for it: a 99th percentile takes 100."""
        enough = len(self.single_us) * (1 - quantile) > 1 - 1e-9
        return float(np.quantile(self.single_us, quantile)) if enough else float("nan")

    @property
    def single_qps(self) -> float:
        """Questions a second, one at a time on one thread: of the median block, so that a pause of the machine, which may
        be as long as a hundred questions, does not count."""
        blocks = np.array_split(self.single_us, max(1, len(self.single_us) // BLOCK))
        return float(1e6 / np.median([block.mean() for block in blocks])) if len(self.single_us) else float("nan")

    @property
    def batch_qps(self) -> float:
        return float(len(self.chunk) / np.median(self.batch_s)) if self.batch_s and len(self.chunk) else float("nan")

    def numbers(self) -> dict[str, float | None]:
        """What is drawn and stored as columns; None: unmeasured."""
        known = self.recall[~np.isnan(self.recall)]
        found = {
            "recall": float(known.mean()) if len(known) else float("nan"),
            "single_qps": self.single_qps,
            "batch_qps": self.batch_qps,
            "p50_us": self.latency_us(0.5),
            "p95_us": self.latency_us(0.95),
            "p99_us": self.latency_us(0.99),
        }
        return {name: None if np.isnan(value) else value for name, value in found.items()}

    def stored(self) -> dict[str, Any]:
        """As plain JSON values; the ids as compressed int32 in base 64."""
        packed = zlib.compress(np.ascontiguousarray(self.chunk, "<i4").tobytes())
        return {
            "ids": {"shape": list(self.chunk.shape), "int32": base64.b64encode(packed).decode()},
            "recalls": [None if np.isnan(r) else r for r in self.recall.tolist()],
            "single_us": self.single_us.tolist(),
            "batch_s": list(self.batch_s),
        }


def stored_raw(payload: dict[str, Any]) -> Raw:
    """The Raw that `Raw.stored` made these values from."""
    chunk = np.frombuffer(zlib.decompress(base64.b64decode(payload["ids"]["int32"])), "<i4")
    recalls = np.array([np.nan if r is None else r for r in payload["recalls"]], np.float64)
    return Raw(
        chunk.astype(np.int32).reshape(payload["ids"]["shape"]),
        recalls,
        np.array(payload["single_us"], np.float64),
        tuple(payload["batch_s"]),
    )


def measure(
    searcher: Any,
    settings: Sequence[PartConfig],
    queries: np.ndarray,
    k: int,
    truth: Candidates,
    *,
    quick: bool = False,
    seed: int = 0,
) -> Generator[Progress, None, list[Raw | Exception]]:
    """Each of the settings (parts of one build), or what it failed with. queries [num_queries, dim] float32.

    truth: what exact search finds, deeper than k by `measure.TIES`. quick: one batch and some 200 single questions, for a
    page that redraws while a slider moves.
    """
    rng, going = np.random.default_rng(seed), range(len(settings))
    found: list[Candidates | Exception] = [Candidates(np.empty((0, 0), np.int32), np.empty((0, 0)))] * len(settings)
    batch_s: list[list[float]] = [[] for _ in settings]
    if not len(queries):
        raise ValueError("there are no questions to measure with")
    for i in going:
        try:
            searcher.search(queries[:WARM], k, settings=settings[i])
        except Exception as error:  # whatever an engine raises is a result of this setting, the others go on
            found[i] = error
    going = [i for i in going if not isinstance(found[i], Exception)]
    for repeat in range(1 if quick else REPEATS):
        for i in rng.permutation(going).astype(int):
            if sum(batch_s[i]) < BATCH_S:
                yield Progress(repeat, REPEATS, f"Timing batches of {len(queries):,} questions")
                started = time.perf_counter()
                found[i] = searcher.search(queries, k, settings=settings[i])
                batch_s[i].append(time.perf_counter() - started)
    single_us = yield from _singles(searcher, {i: settings[i] for i in going}, queries, k, quick, rng)
    return [
        of
        if isinstance(of, Exception)
        else Raw(of.chunk, recall(of, truth, k), np.array(single_us[i]).round(2), tuple(batch_s[i]))
        for i, of in enumerate(found)
    ]


def _singles(
    searcher: Any, settings: dict[int, PartConfig], queries: np.ndarray, k: int, quick: bool, rng: np.random.Generator
) -> Generator[Progress, None, dict[int, list[float]]]:
    from core.models.threads import one_thread

    most, seconds = (QUICK_SINGLES, QUICK_SINGLES_S) if quick else (SINGLES, SINGLES_S)
    asked = [queries[row : row + 1] for row in rng.permutation(len(queries))[:most]]
    us: dict[int, list[float]] = {i: [] for i in settings}
    blocks = [(first, i) for first in range(0, len(asked), BLOCK) for i in rng.permutation(list(settings)).tolist()]
    done = 0
    while done < len(blocks):
        yield Progress(done, len(blocks), "Timing single questions")
        with one_thread():  # left before each yield: it holds for the whole thread, and setting it takes milliseconds
            until = time.perf_counter() + STEP_S
            while done < len(blocks) and time.perf_counter() < until:
                first, i = blocks[done]
                done += 1
                if sum(us[i]) > seconds * 1e6 and len(us[i]) >= LEAST_SINGLES:
                    continue
                searcher.search(asked[first], k, settings=settings[i])  # the setting before left the caches full of its own
                for one in asked[first : first + BLOCK]:
                    started = time.perf_counter_ns()
                    searcher.search(one, k, settings=settings[i])
                    us[i].append((time.perf_counter_ns() - started) / 1000)
    return us


def logit(recall: float, neighbours: int) -> float:
    """log(recall / missed), for an axis on which 0.99 and 0.999 are apart. neighbours: how many recall was measured on.

    0 and 1 are drawn where half a neighbour more or less would lie.
    """
    half = 0.5 / max(neighbours, 1)
    share = min(max(recall, half), 1 - half)
    return float(np.log(share / (1 - share)))


@cache
def machine() -> str:
    """What latencies depend on, in words: points of other machines are told apart by it."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    except OSError:
        pass  # not Linux
    return f"{model}, {os.cpu_count()} processors, {platform.system()}"
