"""How many threads a search takes, and who may search while an index is being changed."""

import os
import time
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock

_single: ContextVar[bool] = ContextVar("single", default=False)


@contextmanager
def one_thread() -> Generator[None, None, None]:
    """One thread for every search inside: FAISS and other OpenMP code of this thread, BLAS of the whole process, and
    parts that ask `search_threads`."""
    from threadpoolctl import threadpool_limits

    token = _single.set(True)
    try:
        with threadpool_limits(1):
            yield
    finally:
        _single.reset(token)


def search_threads() -> int:
    """Threads a search may take, for engines that want to be told with each call (hnswlib)."""
    return 1 if _single.get() else os.cpu_count() or 1


class Gate:
    """Many searches or one change at a time: an engine that is written to may not be searched.

    A change lets the searches under way end and keeps later ones waiting. Without a change a search pays for two
    operations on a deque, which are atomic, not for two locks: it is a noticeable part of a fast one.
    """

    def __init__(self) -> None:
        self._searches, self._changing, self._change = deque(), False, Lock()
        self.leave = self._searches.pop

    def enter(self) -> None:
        self._searches.append(None)  # counted before it looks, so that either sees the other
        while self._changing:
            self._searches.pop()
            with self._change:
                pass
            self._searches.append(None)

    @contextmanager
    def closed(self) -> Generator[None, None, None]:
        with self._change:
            self._changing = True
            try:
                while self._searches:
                    time.sleep(1e-4)
                yield
            finally:
                self._changing = False
