"""Batches of a model computed on all cores, each by one thread."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

from core.models import hardware

# Tokens of one batch. On a CPU a batch is one thread's work and should stay in its cache; a GPU wants to be filled.
BATCH_TOKENS = {"cpu": 1024, "mps": 8192, "cuda": 65536}
FEWEST_TOKENS = 256  # of a batch, as far as there are texts; below it matrix products slow down


_told: list[int] = []


def compute_on(threads: int) -> None:
    """So many threads compute batches in this process, whatever torch is held to; told before the first batch. Processes that share the
    processors may each take all of them: a thread that computes alone keeps nobody waiting, and who is alone at it is not idle."""
    _told[:] = [threads]


@lru_cache(maxsize=1)
def workers_alone() -> tuple[ThreadPoolExecutor, int]:
    """Threads that each compute alone, and how many. No thread then waits for another inside a matrix product, which
    costs little on an idle machine and most of the time on a busy one."""
    import torch

    hardware.keep_freed_memory()
    before, one_by_one = torch.get_num_threads(), threading.Lock()

    def compute_alone():
        with one_by_one:
            torch.set_num_threads(1)  # of this thread, and the default of new ones
            torch.get_num_threads()  # settles this one before the default is put back
            restore = threading.Thread(target=torch.set_num_threads, args=(before,))
            restore.start()
            restore.join()

    [number] = _told or [before]
    return ThreadPoolExecutor(number, "encode", compute_alone), number


def on_all_cores(
    pool: ThreadPoolExecutor, workers: int, compute: Callable, batches: Iterable[tuple[Any, Any]]
) -> Generator[tuple[Any, Any], None, None]:
    """(what a batch is of, what `compute` makes of it), in order; some more batches than workers are under way."""
    waiting = deque()
    try:
        for indices, ids in batches:
            waiting.append((indices, pool.submit(compute, ids)))
            if len(waiting) > 2 * workers:
                indices, done = waiting.popleft()
                yield indices, done.result()
        while waiting:
            indices, done = waiting.popleft()
            yield indices, done.result()
    finally:  # also when cancelled
        for _, unwanted in waiting:
            unwanted.cancel()
