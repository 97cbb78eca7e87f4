"""Several processes that use one store at once."""

import tempfile
import time
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Semaphore
from typing import Any

from core import files
from core.jobs import child
from core.records import Progress

TODO = "Try it again; `--only` leaves a store out."
START_S = 0.1  # from the last process that is ready until all begin


def together(run: str, workers: Sequence[Any], method: str, message: str) -> Generator[Progress, None, list[Any]]:
    """What `method` of each worker returns, each called in a process of its own; all begin at the same moment.

    The method takes a gate and is a generator: it connects, yields once, passes `wait_at(gate)`, and does its work.
    """
    with ThreadPoolExecutor(len(workers)) as pool, tempfile.TemporaryDirectory(prefix="groundwork-gate-") as folder:
        gate, ready = Path(folder) / "moment", Semaphore(0)

        def call(number: int) -> Any:
            words = child.Words(f"Process {number + 1} of a store's benchmark", message, TODO)
            try:
                with child.asked((f"store process {number}", run), words, workers[number], method, (gate,)) as answers:
                    while (said := answers.recv())[0] == "piece":
                        ready.release()
                    return said[1]
            finally:
                ready.release()  # whatever came of it: the others are not to wait for ever

        calls, waiting = [pool.submit(call, number) for number in range(len(workers))], len(workers)
        while not all(each.done() for each in calls):
            yield Progress(len(workers) - waiting, len(workers), message)
            while waiting and ready.acquire(timeout=0.02):
                waiting -= 1
            if not waiting and not gate.exists():
                files.write_whole(gate, repr(time.monotonic() + START_S), sync=False)
        return [each.result() for each in calls]


def wait_at(gate: Path) -> None:
    """Until the moment that the gate tells, once it is there; the clock is that of all processes."""
    while not gate.exists():
        time.sleep(0.005)
    time.sleep(max(0.0, float(gate.read_text()) - time.monotonic()))


def end(most: int = 8) -> None:
    """Ends the processes."""
    for number in range(most):
        child.end_others(f"store process {number}")
