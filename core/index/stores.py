"""Stores that keep a folder instead of one file: whole or absent, and never changed under another reader.

A saved store belongs to the vectors it was built from, so changes go to a private copy that is removed at exit.
"""

import atexit
import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from core.config import PartConfig
from core.index.common import SavedIndex


def temporary_folder() -> Path:
    path = Path(tempfile.mkdtemp(prefix="groundwork-index-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def private_copy(store: Path) -> Path:
    return Path(shutil.copytree(store, temporary_folder() / uuid4().hex))


def bytes_below(store: Path, pattern: str = "*") -> int:
    return sum(path.stat().st_size for path in store.rglob(pattern) if path.is_file())


class _SavedStore(SavedIndex):
    kind = "store", ""

    def __init__(self, *about: Any, steady: str) -> None:
        super().__init__(*about)
        self._steady = steady

    def digest(self, path: Path) -> str:
        whole = hashlib.blake2b(digest_size=20)
        for part in sorted(path.rglob(self._steady)):
            if part.is_file():
                with part.open("rb") as file:
                    whole.update(str(part.relative_to(path)).encode() + hashlib.file_digest(file, "blake2b").digest())
        return whole.hexdigest()


def stored(folder: Path, part: PartConfig, vectors: np.ndarray, engine: str, steady: str, fill: Callable[[Path], None]) -> Path:
    """The store's folder, filled when it is absent, damaged, or made of other vectors, settings or by another engine.

    steady: pattern of the files that searching never touches; their checksum is kept.
    """
    saved = _SavedStore(folder, part, vectors, engine, steady=steady)

    def write(store: Path) -> None:
        store.mkdir()
        fill(store)

    return saved.file() or saved.write(write)
