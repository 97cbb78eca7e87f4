"""Several processes that use one store at once."""

import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from core.jobs import child
from core.records import Progress

TODO = "Try it again; `--only` leaves a store out."
START_S = 0.5  # from the last process that is ready until all begin


def together(run: str, workers: Sequence[Any], method: str, message: str) -> Generator[Progress, None, list[Any]]:
    """What `method` of each worker returns, each called in a process of its own; all begin at the same moment.

    A worker's `ready` is called first, and its method with that moment on the clock that processes share (`time.monotonic`).
    """
    with ThreadPoolExecutor(len(workers)) as pool:

        def call(number: int, name: str, *values: Any) -> Any:
            words = child.Words(f"Process {number + 1} of a store's benchmark", message, TODO)
            with child.asked((f"store process {number}", run), words, workers[number], name, values) as answers:
                return answers.recv()[1]

        def every(name: str, *values: Any) -> Generator[Progress, None, list[Any]]:
            calls = [pool.submit(call, number, name, *values) for number in range(len(workers))]
            while not all(each.done() for each in calls):
                yield Progress(sum(each.done() for each in calls), len(calls), message)
                time.sleep(0.02)
            return [each.result() for each in calls]

        yield from every("ready")
        return (yield from every(method, time.monotonic() + START_S))


def end(most: int = 8) -> None:
    """Ends the processes."""
    for number in range(most):
        child.end_others(f"store process {number}")


def wait_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))
