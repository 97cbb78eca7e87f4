"""This machine in words."""

import os
import platform
from functools import cache
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
