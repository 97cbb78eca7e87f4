"""Builds inject.c, which a family's process is started with."""

import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).with_name("inject.c")


def built(folder: Path) -> Path | None:
    """The shared library; None on a machine that is no Linux or has no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not sys.platform.startswith("linux") or not compiler:
        return None
    library = folder / "inject.so"
    subprocess.run(
        [compiler, "-std=gnu11", "-shared", "-fPIC", "-O1", "-D_LARGEFILE64_SOURCE", "-o", library, SOURCE, "-ldl"], check=True
    )
    return library
