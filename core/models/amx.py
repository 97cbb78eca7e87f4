"""Whether the installed llama.cpp holds AMX kernels, which gcc 12 miscompiles: they end the process at their first use.

`requirements-llama.txt` builds it without them. A wheel that pip had built before, and kept, comes with them again: pip's
cache does not know the settings of a build. `python -m core.models.amx` ends with 1 where the library holds them.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

LDTILECFG = bytes.fromhex("c4e27849")  # VEX.128.NP.0F38.W0 49 /0, what every AMX kernel begins with
REBUILD = "python -m pip install --force-reinstall --no-deps --no-cache-dir -r requirements-llama.txt"


@lru_cache(maxsize=1)
def holding() -> Path | None:
    """The library that holds such kernels."""
    spec = find_spec("llama_cpp")
    files = (Path(spec.origin).parent / "lib").glob("*ggml-cpu*") if spec and spec.origin else ()
    return next((file for file in files if LDTILECFG in file.read_bytes()), None)


@contextmanager
def left_out() -> Iterator[None]:
    """Models that are loaded inside do not use these kernels, where the library holds them: without its own layouts of
    the weights (`use_extra_bufts`) llama.cpp has no way to them."""
    if not holding():
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
    if file := holding():
        sys.exit(f"{file} holds AMX kernels. Build it anew: {REBUILD}")
