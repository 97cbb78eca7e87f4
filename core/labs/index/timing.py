"""Query settings of one built index measured: what is found, and how fast.

Settings are measured side by side: batches and blocks of single questions alternate between them in random order, so that
a machine that slows down meanwhile slows all of them. Building is timed elsewhere, once; warming up is not counted.
"""

import time
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np

from core.config import PartConfig
from core.labs.index.measure import recall
from core.records import Candidates, Progress
from core.store.index_points import BLOCK, IndexMeasurement

SINGLES, QUICK_SINGLES = 1000, 200  # questions timed one at a time
REPEATS = 3  # batches
SINGLES_S, QUICK_SINGLES_S, BATCH_S = 5.0, 0.35, 10.0  # time a setting may take; what is slower is sampled less
LEAST_SINGLES = 20
STEP_S = 0.5  # single questions are timed so long between two looks at the progress
WARM = 16  # questions that are asked before anything is timed


def measure(
    searcher: Any,
    settings: Sequence[PartConfig],
    queries: np.ndarray,
    k: int,
    truth: Candidates,
    *,
    quick: bool = False,
    seed: int = 0,
) -> Generator[Progress, None, list[IndexMeasurement | Exception]]:
    """Each of the settings (parts of one build), or what it failed with. queries [num_queries, dim] float32.

    truth: what exact search finds, deeper than k by `measure.TIES`. quick: one batch and some 200 single questions, for a
    page that redraws while a slider moves.
    """
    rng, going = np.random.default_rng(seed), range(len(settings))
    results: list[Candidates | Exception] = [Candidates(np.empty((0, 0), np.int32), np.empty((0, 0)))] * len(settings)
    batch_s: list[list[float]] = [[] for _ in settings]
    if not len(queries):
        raise ValueError("there are no questions to measure with")
    for i in going:
        try:
            searcher.search(queries[:WARM], k, settings=settings[i])
        except Exception as error:  # whatever an engine raises is a result of this setting, the others go on
            results[i] = error
    going = [i for i in going if not isinstance(results[i], Exception)]
    for repeat in range(1 if quick else REPEATS):
        for i in rng.permutation(going).astype(int):
            if sum(batch_s[i]) < BATCH_S:
                yield Progress(repeat, REPEATS, f"Timing batches of {len(queries):,} questions")
                started = time.perf_counter()
                results[i] = searcher.search(queries, k, settings=settings[i])
                batch_s[i].append(time.perf_counter() - started)
    single_us = yield from _singles(searcher, {i: settings[i] for i in going}, queries, k, quick, rng)
    return [
        of
        if isinstance(of, Exception)
        else IndexMeasurement(of.chunk, recall(of, truth, k), np.array(single_us[i]).round(2), tuple(batch_s[i]))
        for i, of in enumerate(results)
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
                for question in asked[first : first + BLOCK]:
                    started = time.perf_counter_ns()
                    searcher.search(question, k, settings=settings[i])
                    us[i].append((time.perf_counter_ns() - started) / 1000)
    return us
