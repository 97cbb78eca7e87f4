"""What every store under test is: vectors with a number by which one filters, and the memory of agents beside them.

An object of these holds where the store is, and may be sent to another process; it connects where it is used first.
"""

import fcntl
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from core.index.postgres_server import INSTALL

BUCKETS = 1000  # a row's number is drawn below it: bucket < 100 leaves 10%


class Absent(NamedTuple):
    """Why a store is left out, and what would bring it in."""

    reason: str
    command: str


class RunningStore(NamedTuple):
    """A store that runs: where, and the process that holds its data, where killing it is ours to do."""

    place: str
    kill: Callable[[], None] | None = None  # ends the server at once, as kill -9
    again: Callable[[], str] | None = None  # starts it again; where it is then


class BenchStore(ABC):
    """Base of the stores under test."""

    name: ClassVar[str]
    title: ClassVar[str]
    family: ClassVar[str] = ""  # that shares a server; "": its own
    writes_alike: ClassVar[str] = ""  # the store that writes in the same way, and is tried in its place
    several: ClassVar[bool] = True  # several processes may write to it at once
    lasts: ClassVar[bool] = True  # what it acknowledged is meant to outlive its process
    serves: ClassVar[bool] = False  # a server of its own holds the data
    durable_setting: ClassVar[str] = ""  # in words
    relaxed_setting: ClassVar[str] = ""  # what is tried beside it; "": it has no such setting
    effort: ClassVar[str] = "ef_search"  # the setting that decides recall
    efforts: ClassVar[tuple[int, ...]] = (8, 16, 32, 64, 128, 256, 512)  # narrow first
    usual_effort: ClassVar[int] = 64
    effort_is_built: ClassVar[bool] = False  # another effort is another load; the first of them is the usual one

    def __init__(self, place: str, durable: bool = True) -> None:
        self.place, self.durable = place, durable

    def __getstate__(self) -> dict[str, Any]:
        return {"place": self.place, "durable": self.durable}

    def anew(self) -> Self:
        """The same store by a connection of its own."""
        return type(self)(self.place, self.durable)

    @classmethod
    def absent(cls, servers: dict[str, str]) -> Absent | None:
        """None where it can be tried. servers: store -> environment variable that holds the address of the user's own."""
        return None

    @classmethod
    @contextmanager
    def running(cls, folder: Path, servers: dict[str, str]) -> Iterator[RunningStore]:
        """The store, empty, until the end of the block."""
        folder.mkdir(parents=True, exist_ok=True)
        yield RunningStore(str(folder))

    @classmethod
    @abstractmethod
    def version(cls) -> str: ...

    @abstractmethod
    def create(self, dim: int, effort: int = 0) -> None:
        """An empty table; one that was made before is gone. effort: of a store that builds it in; 0: the usual one."""

    @abstractmethod
    def load(self, ids: np.ndarray, vectors: np.ndarray, buckets: np.ndarray) -> None:
        """Rows [n], [n, dim] float32 of length 1, [n], as fast as the store takes them."""

    def index(self) -> None:  # noqa: B027, most build while they load
        """Builds what is searched, where that comes after loading."""

    def insert(self, row: int, vector: np.ndarray, bucket: int) -> None:
        """One row, acknowledged when this returns."""
        self.load(np.array([row]), vector[None], np.array([bucket]))

    @abstractmethod
    def update(self, row: int, vector: np.ndarray, bucket: int) -> None: ...

    @abstractmethod
    def delete(self, row: int) -> None: ...

    @abstractmethod
    def search(self, query: np.ndarray, k: int, effort: int, below: int | None = None) -> list[int]:
        """Rows, nearest first, by the inner product; below: only those with a smaller bucket."""

    @abstractmethod
    def ids(self) -> set[int]: ...

    def plan(self, query: np.ndarray, k: int, effort: int, below: int | None = None) -> str:
        """By which way a search goes, where the store tells it."""
        return ""

    @abstractmethod
    def size(self) -> int:
        """Bytes on the disk; of a library without files those in memory."""

    def close(self) -> None:  # noqa: B027, most hold nothing
        """Lets go of files and connections."""

    # the memory of agents: a text by key, which every store can hold

    def remember(self, keys: list[str], value: str) -> None:
        """Makes the memory anew, with this value under each key."""
        raise NotImplementedError

    def read(self, key: str) -> str:
        raise NotImplementedError

    def write(self, key: str, value: str) -> None:
        raise NotImplementedError

    exclusive_setting: ClassVar[str] = "a lock of our own around reading and writing"

    def exclusively(self, work: Callable[[], Any]) -> tuple[Any, int]:
        """What `work` returns, done so that no other agent comes between; and how often it was tried again."""
        with open(self._lock_file, "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return work(), 0

    @cached_property
    def _lock_file(self) -> Path:
        import hashlib
        import tempfile

        return Path(tempfile.gettempdir()) / f"groundwork-agents-{hashlib.sha256(self.place.encode()).hexdigest()[:16]}"


def missing_module(title: str, module: str) -> Absent | None:
    from importlib.util import find_spec

    return None if find_spec(module) else Absent(f"{title}'s package is not installed.", INSTALL)
