"""Loading a model of this machine beside the caller."""

from collections.abc import Callable, Generator
from concurrent.futures import Future
from threading import Thread
from typing import Any

from core.config import PartConfig
from core.records import Progress


def loaded(generator: PartConfig) -> Generator[Progress, None, None]:
    """Loads a model of this machine beside the caller, who can stop at any time: the load goes on and serves the next call."""
    if not generator.local:
        return
    what = "Converting the model, once" if generator.converts() else "Loading the model"
    yield from beside(generator.load, what)


def beside(work: Callable[[], Any], what: str) -> Generator[Progress, None, Any]:
    """Its result; it runs in a thread of its own, on to its end even where the caller leaves."""
    job: Future[Any] = Future()

    def run() -> None:
        try:
            job.set_result(work())
        except BaseException as error:
            job.set_exception(error)

    Thread(target=run, name="load", daemon=True).start()  # no pool: the app's end would wait for its thread
    while not job.done():
        try:
            job.exception(timeout=0.1)
        except TimeoutError:
            yield Progress(0, 0, what)
    return job.result()
