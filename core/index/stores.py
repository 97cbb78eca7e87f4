"""Stores that keep a folder instead of one file: whole or absent, and never changed under another reader.

A saved store belongs to the vectors it was built from, so changes go to a private copy that is removed at exit.
"""

import atexit
import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import numpy as np

from core import files
from core.config import PartConfig, fingerprint
from core.errors import WorkbenchError
from core.index.common import build_settings, vectors_identity


def temporary_folder() -> Path:
    path = Path(tempfile.mkdtemp(prefix="groundwork-index-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def private_copy(store: Path) -> Path:
    return Path(shutil.copytree(store, temporary_folder() / uuid4().hex))


def bytes_below(store: Path, pattern: str = "*") -> int:
    return sum(path.stat().st_size for path in store.rglob(pattern) if path.is_file())


def stored(folder: Path, part: PartConfig, vectors: np.ndarray, engine: str, steady: str, fill: Callable[[Path], None]) -> Path:
    """The store's folder, filled when it is absent, damaged, or made of other vectors, settings or by another engine.

    steady: pattern of the files that searching never touches; their checksum is kept.
    """
    home = folder / f"{part.part}-{fingerprint(build_settings(part))}"
    of = {"vectors": vectors_identity(vectors), "engine": engine}
    try:
        note = files.read_sealed(home / "ready.json")
        store, digest = home / note.pop("store"), note.pop("digest")
        if note == of and _digest(store, steady) == digest:
            return store
        if note == of:
            _damaged(home)
    except FileNotFoundError:  # never built here
        pass
    except (OSError, ValueError, KeyError, AttributeError, TypeError, WorkbenchError):
        _damaged(home)
    # a fresh name each time: Chroma keeps state about paths in the process, and a killed build stays unusable
    store = home / uuid4().hex
    try:
        with files.disk_reported("The index", home, vectors.nbytes):
            store.mkdir(parents=True)
            fill(store)
            note = files.sealed({**of, "store": store.name, "digest": _digest(store, steady)})
            files.write_whole(home / "ready.json", note, sync=False)
    except BaseException:
        files.discard(store)
        raise
    for other in home.iterdir():
        if other.is_dir() and other != store:
            shutil.rmtree(other, ignore_errors=True)
    return store


def _damaged(home: Path) -> None:
    files.tell(f"A saved index was damaged and is built anew: {home}.")


def _digest(store: Path, pattern: str) -> str:
    whole = hashlib.blake2b(digest_size=20)
    for path in sorted(store.rglob(pattern)):
        if path.is_file():
            with path.open("rb") as file:
                whole.update(str(path.relative_to(store)).encode() + hashlib.file_digest(file, "blake2b").digest())
    return whole.hexdigest()
