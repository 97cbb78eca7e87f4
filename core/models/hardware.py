"""This machine: in words, in which numbers it computes fast, and where torch computes on it."""

import ctypes
import os
import platform
import re
import sys
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path


@cache
def machine() -> str:
    """What latencies depend on, in words: points of other machines are told apart by it."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    except OSError:
        pass  # not Linux
    return f"{model}, {os.cpu_count()} processors, {platform.system()}"


@lru_cache(maxsize=1)
def fast_dtype() -> str:
    """ "bfloat16" where the hardware multiplies it faster than float32, else "float32". Found without importing torch.

    Elsewhere bfloat16 works too, converted number by number, and is slower than float32.
    """
    if _torch_has_gpu() and (major := _cuda_major()) is not None:
        return "bfloat16" if major >= 8 else "float32"
    try:
        return _cpu_dtype(Path("/proc/cpuinfo").read_text())
    except OSError:  # macOS, Windows
        return "float32"


def _cpu_dtype(cpuinfo: str) -> str:
    flags = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
    some = set(flags[1].split()) if flags else set()
    # Intel's are fast at it in AMX' tiles alone: where a virtual machine hides these, an encoder takes 1.7 times as long by AVX-512
    return "bfloat16" if "amx_bf16" in some or ("avx512_bf16" in some and "GenuineIntel" not in cpuinfo) else "float32"


def _torch_has_gpu() -> bool:
    """Whether the installed torch is a CUDA or ROCm build, read from its source."""
    spec = find_spec("torch")
    version = Path(spec.origin).with_name("version.py") if spec and spec.origin else None
    return bool(version and version.exists() and re.search(r"^(cuda|hip)\b.*= *'", version.read_text(), re.MULTILINE))


def _cuda_major() -> int | None:
    """Compute capability (major) of the first GPU, from the driver; None without one."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    major, device = ctypes.c_int(), ctypes.c_int()
    ok = driver.cuInit(0) == 0 and driver.cuDeviceGet(ctypes.byref(device), 0) == 0
    # 75 is CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
    return major.value if ok and driver.cuDeviceGetAttribute(ctypes.byref(major), 75, device) == 0 else None


def device() -> str:
    """Where torch computes best on this machine: cuda, mps or cpu."""
    if sys.platform != "darwin" and not _torch_has_gpu():
        return "cpu"  # known without importing torch
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def keep_freed_memory() -> None:
    """Tells glibc to keep up to 128 MB that were freed, for the next matrix of the same size. By default it hands
    matrices back to the system and gets them again page by page, some 8% of the time of a forward pass on a CPU."""
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        mallopt(-3, 32 << 20)  # M_MMAP_THRESHOLD
        mallopt(-1, 128 << 20)  # M_TRIM_THRESHOLD
