"""Long verbs are generators of steps that return their result: how one is run whole, watched, or run within another."""

from collections.abc import Generator, Iterator
from contextlib import closing
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
