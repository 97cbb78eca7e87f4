"""How long a piece of work takes."""

import time
from collections.abc import Callable
from typing import Any


def timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
