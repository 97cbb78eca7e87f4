"""Long verbs are generators of steps that return their result: how one is run whole, watched, or run within another."""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from typing import Any

from core.records import Progress


class Running:
    """A long verb that is looped over step by step, and its `result` once they are over; there is none before."""

    result: Any

    def __init__(self, work: Generator[Any, None, Any]):
        self._work = work

    def __iter__(self) -> Iterator[Any]:
        with closing(self._work):  # leaving the loop cancels the verb
            self.result = yield from self._work


def drain(work: Generator[Any, None, Any]) -> Any:
    """The result of a long verb whose progress nobody watches."""
    for _ in (running := Running(work)):
        pass
    return running.result


def within(work: Generator[Any, None, Any], step: Progress) -> Generator[Progress, None, Any]:
    """The result of a verb within a verb: each of its steps shows as the outer one, and can be cancelled there."""
    for _ in (running := Running(work)):
        yield step
    return running.result


def told_within(work: Generator[Progress, None, Any], step: Progress) -> Generator[Progress, None, Any]:
    """As `within`, with the words of the inner step behind those of the outer one."""
    for inner in (running := Running(work)):
        yield step._replace(message=f"{step.message}: {inner.message}")
    return running.result


@contextmanager
def event_loop() -> Generator[tuple[asyncio.AbstractEventLoop, Callable[[Awaitable], Any]], None, None]:
    """(loop, step) for what a verb awaits: `step` runs the loop until its argument is done, and returns that. What is left at the end
    is cancelled.

    The steps have a thread of their own, because in the caller's a notebook may be running a loop.
    """
    loop = asyncio.new_event_loop()
    with ThreadPoolExecutor(1) as thread:

        def step(work: Awaitable) -> Any:
            return thread.submit(loop.run_until_complete, work).result()

        try:
            yield loop, step
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            with suppress(TimeoutError):
                step(asyncio.wait_for(loop.shutdown_asyncgens(), 0.5))
            loop.close()
