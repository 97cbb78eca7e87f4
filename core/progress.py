"""Long verbs are generators of Progress that return their result: how one is run whole, and one within another."""

from collections.abc import Generator
from typing import Any

from core.records import Progress


def drain(work: Generator[Progress, None, Any]) -> Any:
    """The result of a long verb whose progress nobody watches."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def within(work: Generator[Progress, None, Any], step: Progress) -> Generator[Progress, None, Any]:
    """The result of a verb within a verb: each of its steps shows as the outer one, and can be cancelled there."""
    try:
        while True:
            next(work)
            yield step
    except StopIteration as end:
        return end.value
    finally:
        work.close()
