"""What stores of vectors share: a searcher over one, servers that hold some, and folders of files, whole or absent.

A saved store belongs to the vectors it was built from and is never changed under another reader: changes go to a private copy.
"""

import atexit
import hashlib
import shutil
import tempfile
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar
from uuid import uuid4

import numpy as np

from core import files
from core.config import PartConfig, fingerprint
from core.errors import WorkbenchError
from core.index.common import SavedIndex, asked, build_settings, checked, confirmed, ordered, permitted, vectors_identity
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


class StoreServer(ABC):
    """A server that holds tables of vectors, or collections, each named with PREFIX. Those of one's own are gone at the end of this
    process at the latest."""

    noun: ClassVar[str]  # what it holds

    def __init__(self) -> None:
        self._own: set[str] = set()

    @abstractmethod
    def holds(self, name: str, of: str, rows: int) -> bool:
        """Whether the table is there, whole; what is left of a build that was killed is removed. WorkbenchError where one of this name
        is not ours."""

    @abstractmethod
    def fill(self, name: str, part: Any, vectors: np.ndarray, of: str) -> None:
        """Makes the table with its index; `of` is said where it is whole."""

    @abstractmethod
    def copy(self, name: str, new: str, part: Any, rows: int, dim: int) -> None: ...

    @abstractmethod
    def _remove(self, name: str) -> None:
        """Of one's own, where it is there."""

    def building(self, folder: Path) -> AbstractContextManager[Any]:
        """Who builds alone, where the server itself does not see to that."""
        return nullcontext()

    def table(self, part: Any, vectors: np.ndarray, folder: Path | None) -> str:
        """Name of the table of these vectors [num_chunks, dim] float32, built where it is not there. What is saved is in the server, not
        in the folder; without a folder it is a table of one's own."""
        if folder is None:
            self.fill(name := self.temporary(), part, vectors, "of its own")
            return name
        of = f"{vectors_identity(vectors)} {fingerprint(build_settings(part))}"
        name = PREFIX + fingerprint(of)
        with self.building(folder):
            if not self.holds(name, of, len(vectors)):
                self.fill(name, part, vectors, of)
            write_note(folder / name, {self.noun: name})
        return name

    def temporary(self) -> str:
        """The name of a table of one's own."""
        if not self._own:  # else it would be held, with its connections, until the end
            atexit.register(self._drop_own)  # before a bundled server stops: what is registered later is called earlier
        self._own.add(name := f"{PREFIX}own_{uuid4().hex}")
        return name

    def drop(self, name: str) -> None:
        if name in self._own:
            self._own.discard(name)
            with suppress(WorkbenchError):  # nobody is left to be told
                self._remove(name)
            if not self._own:
                atexit.unregister(self._drop_own)

    def _drop_own(self) -> None:
        for name in tuple(self._own):
            self.drop(name)


class ServerSearcher(StoreSearcher):
    """Over a table of a server; one of its own is dropped with it."""

    def __init__(self, settings: Any, server: Any, name: str, num_chunks: int, dim: int, private: bool) -> None:
        super().__init__(settings, num_chunks, dim, private)
        self._server, self._name = server, name
        if private:
            self._dropped_with_it()

    def _copy(self) -> None:
        name = self._server.temporary()
        self._server.copy(self._name, name, self._settings, len(self._live), self.dim)
        self._name = name
        self._dropped_with_it()

    def _dropped_with_it(self) -> None:
        weakref.finalize(self, self._server.drop, self._name).atexit = False


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
