"""An index is trained and built in a process of its own and opened here from its folder, so that a library that aborts in
the middle of the work ends that process, and the work can be cancelled. The process is kept for the next build."""

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np

from core import files
from core.config import PartConfig, fingerprint
from core.index.common import build_settings
from core.jobs import child
from core.models import probes
from core.records import Progress

TODO = (
    "The app goes on. `python -m core doctor` tries the library on this machine; otherwise choose other build settings, "
    "another index, or exact."
)


class Built(NamedTuple):
    searcher: Any
    seconds: float | None  # that building took; None where nothing was to be built


def speed_name(part: PartConfig) -> str:
    """By which builds are timed: query settings build nothing."""
    return fingerprint("build", build_settings(part))


def built(part: PartConfig, vectors: np.ndarray, folder: Path, there: bool) -> Generator[Progress, None, Built]:
    """The searcher of the vectors [num_chunks, dim] float32 saved in the folder; built first unless `there`."""
    if not part.engine:  # numpy alone
        started = time.perf_counter()
        return Built(part.build(vectors, folder), None if there else time.perf_counter() - started)
    probes.refuse(part.engine)
    seconds = None if there else (yield from _in_child(part, vectors, folder))
    part.import_engine()
    return Built(part.build(vectors, folder), seconds)


def _in_child(part: PartConfig, vectors: np.ndarray, folder: Path) -> Generator[Progress, None, float]:
    words = child.Words(f"The process that builds the index {part.part}", "index", TODO)
    with _file(vectors, folder) as file, child.asked(("index", ""), words, _Work(part, file, folder), "seconds") as answers:
        try:
            while not answers.poll(0.1):
                yield Progress(0, 0, "Building the index")
        except GeneratorExit:
            if child.alone(answers.child):  # nothing else stops a library in the middle of its work
                answers.child.process.kill()
            raise
        return answers.recv()[1]


class _Work(NamedTuple):
    """What the child does."""

    part: PartConfig
    vectors: Path
    folder: Path

    def seconds(self) -> float:
        self.part.import_engine()  # no part of the time to build
        vectors = np.load(self.vectors, mmap_mode="r")
        started = time.perf_counter()
        self.part.build(vectors, self.folder)
        return time.perf_counter() - started


@contextmanager
def _file(vectors: np.ndarray, folder: Path) -> Iterator[Path]:
    """A .npy file of the vectors: the one they are mapped from, or one for the time of the build."""
    if isinstance(vectors, np.memmap) and str(vectors.filename).endswith(".npy"):
        whole = np.load(vectors.filename, mmap_mode="r")
        if (whole.shape, whole.dtype, whole.offset) == (vectors.shape, vectors.dtype, vectors.offset):
            yield Path(vectors.filename)
            return
    file = folder.parent / f".vectors-{uuid4().hex}.npy"
    try:
        with files.disk_reported("The index", folder, vectors.nbytes):
            folder.parent.mkdir(parents=True, exist_ok=True)
            np.save(file, vectors)
        yield file
    finally:
        with suppress(OSError):
            file.unlink()
