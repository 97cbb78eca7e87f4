"""What stores of vectors share: a searcher over one, and folders of files, whole or absent.

A saved store belongs to the vectors it was built from and is never changed under another reader: changes go to a private copy.
"""

import atexit
import hashlib
import shutil
import tempfile
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import uuid4

import numpy as np

from core import files
from core.config import PartConfig
from core.index.common import SavedIndex, asked, checked, confirmed, ordered, permitted
from core.index.protocol import Index, Searcher
from core.records import Candidates

PREFIX = "groundwork_"  # of our tables and collections in a server
Nearest = Iterable[tuple[Sequence[int], Any]]  # of each question: ids, and their scores


class StoreSearcher(Searcher):
    """Searcher over a store, which keeps each row under its id and deletes what is removed.

    settings: the part it was built with. private: the store is this searcher's own, and may be changed.
    """

    def __init__(self, settings: Index, num_chunks: int, dim: int, private: bool) -> None:
        self._settings, self._private, self.dim = settings, private, dim
        self._live = np.ones(num_chunks, bool)  # [ids given out]
        self._one_change = Lock()

    @abstractmethod
    def _nearest(self, queries: np.ndarray, depth: int, part: Any, may: np.ndarray | None) -> Nearest:
        """Of each query [num_queries, dim] its nearest, as many as `depth` or fewer, with the scores of `exact`.

        may [ids given out] bool: which alone may be found, one at least; None: all that are there.
        """

    @abstractmethod
    def _put(self, ids: np.ndarray, vectors: np.ndarray) -> None: ...

    @abstractmethod
    def _replace(self, ids: np.ndarray, vectors: np.ndarray) -> None: ...

    @abstractmethod
    def _delete(self, ids: np.ndarray) -> None: ...

    @abstractmethod
    def _copy(self) -> None:
        """Puts a copy of its own in the place of the store."""

    @property
    def size(self) -> int:
        return int(self._live.sum())

    def search(
        self,
        queries: np.ndarray,
        depth: int,
        tie_order: np.ndarray | None = None,
        *,
        settings: Index | None = None,
        among: np.ndarray | None = None,
    ) -> Candidates:
        """The `depth` nearest chunks that the store finds; equal scores are put in order among those found."""
        part, live = settings or self._settings, self._live
        queries = asked(queries, part.metric, self.dim)
        may = live if among is None else live & permitted(among, len(live))
        depth = min(depth, int(live.sum()))
        chunk = np.full((len(queries), depth), -1, np.int32)
        score = np.full((len(queries), depth), np.nan, np.float32)
        if chunk.size and may.any():
            nearest = self._nearest(queries, depth, part, None if among is None else may)
            for row, (ids, scores) in enumerate(nearest):
                chunk[row, : len(ids)], score[row, : len(ids)] = ids, scores
        return ordered(chunk, score, tie_order)

    def add(self, vectors: np.ndarray) -> np.ndarray:
        """Ids [n] int32 of the new vectors [n, dim]."""
        vectors = checked(vectors, self._settings.metric, self.dim)
        with self._changing():
            self._own()
            ids = np.arange(len(self._live), len(self._live) + len(vectors), dtype=np.int32)
            self._put(ids, vectors)
            self._live = np.append(self._live, np.ones(len(vectors), bool))
        return ids

    def remove(self, ids: np.ndarray) -> None:
        with self._changing():
            ids, live = confirmed(ids, self._live), self._live.copy()
            self._own()
            live[ids] = False
            if len(ids):
                self._delete(ids)
            self._live = live

    def update(self, ids: np.ndarray, vectors: np.ndarray) -> None:
        """Puts vectors [n, dim] in the place of those with these ids [n]."""
        vectors = checked(vectors, self._settings.metric, self.dim, len(ids))
        with self._changing():
            ids = confirmed(ids, self._live)
            self._own()
            self._replace(ids, vectors)

    def _changing(self) -> AbstractContextManager[Any]:
        """One change at a time."""
        return self._one_change

    def _own(self) -> None:
        if not self._private:
            self._copy()
            self._private = True


def write_note(folder: Path, note: Mapping[str, Any]) -> None:
    """Says that what the folder stands for is built, where that is kept elsewhere or in parts."""
    with files.disk_reported("The index", folder):
        folder.mkdir(parents=True, exist_ok=True)
        files.write_whole(folder / "ready.json", files.sealed(note), sync=False)


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
