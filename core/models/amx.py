"""llama.cpp's AMX kernels, where its library holds them, and where alone they are used.

They configure their tiles once a thread. torch configures and releases tiles too, so in a process that has both a kernel may find
none, which ends the process: they are used by a model that has a process of its own, after a trial on this processor. A build
without the settings of `requirements-llama.txt`, which pip's cache may still hold, fails it (gcc 12 miscompiles the kernels).
`python -m core.models.amx` makes the trial anew and ends with 1 where it fails.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from core.jobs import child
from core.models import probes

LDTILECFG = bytes.fromhex("c4e27849")  # VEX.128.NP.0F38.W0 49 /0, what every AMX kernel begins with
PROBE = "AMX"
trial = threading.Event()  # within it the kernels are used, wherever it runs


@lru_cache(maxsize=1)
def holding() -> Path | None:
    """The library that holds such kernels."""
    spec = find_spec("llama_cpp")
    files = (Path(spec.origin).parent / "lib").glob("*ggml-cpu*") if spec and spec.origin else ()
    return next((file for file in files if LDTILECFG in file.read_bytes()), None)


def offered() -> bool:
    """Whether this processor has AMX, as Linux tells it."""
    about = Path("/proc/cpuinfo")
    return about.exists() and " amx_int8" in about.read_text("utf-8")


def lacking() -> bool:
    """Whether the library, built before or elsewhere, has no kernels for the AMX of this processor."""
    return offered() and not holding()


def used() -> bool:
    """Whether models that are loaded in this process use these kernels."""
    return trial.is_set() or (child.serving() and not probes.result_of(PROBE).failed)


@contextmanager
def left_out() -> Iterator[None]:
    """Models that are loaded inside do not use these kernels, unless this is the place for them: without its own layouts
    of the weights (`use_extra_bufts`) llama.cpp has no way to them."""
    if not holding() or used():
        yield
        return
    from llama_cpp import llama_cpp

    usual = llama_cpp.llama_model_default_params

    def without() -> llama_cpp.llama_model_params:
        params = usual()
        params.use_extra_bufts = False
        return params

    llama_cpp.llama_model_default_params = without
    try:
        yield
    finally:
        llama_cpp.llama_model_default_params = usual


if __name__ == "__main__":
    if holding() and (result := probes.tried(PROBE)).failed:
        sys.exit(f"{holding()} holds AMX kernels that fail here: {result.said}. {probes.PROBES[PROBE].todo}")
