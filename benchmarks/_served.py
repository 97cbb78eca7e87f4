"""Services that `benchmarks.serving` asks, each in a process of its own: `python -m benchmarks._served KIND HOME PORT [SECONDS]`.

stub: no model and no index, a search costs nothing and is never at hand. corpus: real searches by words. towns: a small corpus that
may change, and a model that is played. queue: two searches at once, each of which takes a time drawn with the mean SECONDS.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from core.serving.starting import running_service

AT_ONCE, SPREAD = 2, 0.5  # of the queue: servers, and sigma of its lognormal times
CORPUS = "python-reference"


@contextmanager
def served(kind: str, home: Path, seconds: float = 0.0) -> Iterator[tuple[str, int]]:
    """(address, process id) of a service that is ready."""
    words = ["-m", "benchmarks._served", kind, str(home)]
    with running_service(home, lambda port: [*words, str(port), str(seconds)], kind) as there:
        yield there


def serve(kind: str, home: Path, port: int, seconds: float) -> None:
    from core.config import TrialConfig, with_settings
    from core.serving.service import Service
    from core.serving.stored_spans import recorder
    from core.serving.web import ServiceLimits, make_app, run
    from core.workbench import Workbench
    from tests.support import failing

    if kind == "towns":
        import pytest

        failing.read(pytest.MonkeyPatch())
        bench, config = Workbench(home), failing.recipe()
    else:
        bench = Workbench(home)
        config = with_settings(TrialConfig(), {"corpus.dataset": CORPUS, "fusion.part": "sparse_only"})
    service, draw = Service(bench, config, kind), np.random.default_rng(0)
    if kind == "corpus":
        service.rungs = []  # no model is loaded
    if kind in ("stub", "queue"):
        about = {"document": "d", "title": "", "page": None, "start": 0, "end": 400, "text": "x" * 400}
        passages = [{"number": number, **about} for number in range(5)]

        def search(text: str, most: int) -> dict:
            if seconds:
                time.sleep(draw.lognormal(np.log(seconds) - SPREAD**2 / 2, SPREAD))
            return {"question": text, "passages": passages, "cached": False, "ms": {"retrieval": 0.0}}

        def opened() -> None:
            service.missing = ""

        service.search, service.open = search, opened
    limits = ServiceLimits(at_once=AT_ONCE if kind == "queue" else 16, rate=1e6, burst=1_000_000)
    run(make_app(service, limits, recorder=recorder(home)), port)


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
