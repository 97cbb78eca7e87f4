"""The database's file: opened for moments under locks, replaced as a whole, and what is wrong with it in words.

DuckDB allows one writer or many readers at a time and refuses the rest, so the file is opened for moments only, under an
inter-process lock: shared to read, exclusive to write. Where somebody goes on reading, or another program has the file
open, what is new goes into a copy, which then takes the file's place; whoever has the old one keeps it. DuckDB's log is
never replayed: its damage is not noticed there, and what it holds is in the journal.
"""

import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from core.errors import WorkbenchError
from core.files import Busy, hold, take_place
from core.store.journal import new_id

FOLD_WAIT_S = 3.0  # a reader waits this long to fold in what is new, then reads what is there
READ_WAIT_S = 10.0
WRITE_WAIT_S = 60.0
IN_PLACE_WAIT_S = 0.5  # a writer waits so long for readers and other programs, then folds into a copy
UNWRITABLE = re.compile(r"No space left|Permission denied|Read-only file system|Disk quota|Could not write file", re.I)
# The same for all readers: DuckDB refuses connections of one process that differ. No file, setting, extension or Python
# variable can be reached from SQL, and nothing is spilled to disk.
READER = {
    "enable_external_access": "false", "autoinstall_known_extensions": "false", "autoload_known_extensions": "false",
    "python_enable_replacements": "false", "temp_directory": "", "memory_limit": "2GB", "lock_configuration": "true",
}  # fmt: skip


class Damaged(WorkbenchError):
    """The database file cannot be read."""


class Stuck(WorkbenchError):
    """The database file is whole, but cannot be written: the disk is full, or the folder may only be read."""


class InUse(WorkbenchError):
    """Another program has the database file open."""


class DatabaseFile:
    """note: is told what people should hear of."""

    def __init__(self, home: Path, note: Callable[[str], None]) -> None:
        self.home, self.path, self._note = home, home / "groundwork.duckdb", note
        self._mine = threading.local()  # whether this thread folds just now

    @contextmanager
    def reader(self, connect: bool = True) -> Iterator[Any]:
        with ExitStack() as stack:
            stack.enter_context(self.locked("reading the store", READ_WAIT_S, shared=True))
            self.drop_logs()
            try:
                connection = stack.enter_context(self._connected(True, connect))
            except InUse as error:  # it writes there, so that nobody else can even read
                with self.folding(FOLD_WAIT_S), suppress(InUse):
                    self._own_copy(error)
                connection = stack.enter_context(self._connected(True, connect))
            yield connection

    @contextmanager
    def writer(self, purpose: str) -> Iterator[Any]:
        """A connection to fold with, under the lock for folding. Where the file is in use, it leads to a copy, which takes
        the file's place."""
        with ExitStack() as stack:
            copy = None
            try:
                stack.enter_context(self.locked(purpose, IN_PLACE_WAIT_S))
                self.drop_logs()
                connection = stack.enter_context(self._connected(False))
            except (Busy, InUse):
                stack.close()
                copy = self._copied()
                connection = stack.enter_context(self._connected(False, path=copy))
            try:
                yield connection
            except BaseException:
                if copy:
                    copy.unlink(missing_ok=True)
                raise
        if copy:  # closed by now, with its log in it
            self.put_in_place(copy)

    @contextmanager
    def folding(self, seconds: float) -> Iterator[None]:
        """One process and thread at a time derives and folds; readers go on meanwhile."""
        if getattr(self._mine, "folding", False):
            yield
            return
        with hold(self.home / "locks" / "fold", purpose="folding in what is new", seconds=seconds):
            self._mine.folding = True
            try:
                yield
            finally:
                self._mine.folding = False

    def locked(self, purpose: str, seconds: float, shared: bool = False):
        """For the moments in which the database file is open."""
        return hold(self.home / "locks" / "database", purpose=purpose, seconds=seconds, shared=shared)

    def stamp(self) -> tuple:
        with suppress(FileNotFoundError):  # the log went between the two looks
            return tuple((s.st_ino, s.st_size, s.st_mtime_ns) for s in map(os.stat, self.files()))
        return ("changing",)

    def files(self) -> list[Path]:
        return [file for file in (self.path, self.home / f"{self.path.name}.wal") if file.exists()]

    def drop_logs(self) -> None:
        """What a writer left that was killed, or another program: the journal holds it, and the file is whole without."""
        for log in self.home.glob(f"{self.path.name}.*wal*"):
            if ".rebuild" not in log.name:
                with suppress(OSError):  # a folder that may only be read keeps it
                    log.unlink()

    def put_in_place(self, copy: Path) -> None:
        try:
            self.drop_logs()
            with open(copy, "rb") as file:
                os.fsync(file.fileno())
            take_place(copy, self.path)
        except OSError as error:
            copy.unlink(missing_ok=True)
            raise stuck(error.strerror, self.path) from error

    def _copied(self) -> Path:
        """A copy of the file as it stands. Nobody of ours writes meanwhile: we fold."""
        for stale in self.home.glob(f"{self.path.name}.*.rebuild*"):
            stale.unlink(missing_ok=True)
        self.drop_logs()
        copy, before = self.home / f"{self.path.name}.{new_id()}.rebuild", self.stamp()
        try:
            shutil.copyfile(self.path, copy)
        except OSError as error:
            copy.unlink(missing_ok=True)
            raise stuck(error.strerror, self.path) from error
        if before != self.stamp():
            copy.unlink(missing_ok=True)
            raise Damaged("another program wrote into it")
        return copy

    def _own_copy(self, error: InUse) -> None:
        try:
            self.put_in_place(self._copied())
        except Stuck:
            raise error from None
        self._note(f"{error.what} The workbench goes on with a copy of it.")

    @contextmanager
    def _connected(self, read_only: bool, connect: bool = True, path: Path | None = None) -> Iterator[Any]:
        """A connection, under the lock. Whatever means that the file is not whole comes out as Damaged."""
        import duckdb

        connection = self._connect(read_only, path or self.path) if connect else None
        try:
            yield connection
        except (
            duckdb.ProgrammingError,
            duckdb.DataError,
            duckdb.IntegrityError,
            duckdb.NotSupportedError,
            duckdb.PermissionException,
            duckdb.InterruptException,
            duckdb.OutOfMemoryException,
        ):
            raise  # what was asked is at fault, not the file
        except duckdb.Error as error:
            if UNWRITABLE.search(str(error)):
                raise stuck(error, self.path) from error
            if isinstance(error, duckdb.TransactionException):
                raise
            raise Damaged(first_line(error)) from error
        finally:
            with suppress(duckdb.Error):  # it tries to write once more
                if connection:
                    connection.close()

    def _connect(self, read_only: bool, path: Path):
        import duckdb

        deadline = time.monotonic() + IN_PLACE_WAIT_S
        while True:
            try:
                if not read_only:
                    return duckdb.connect(str(path))
                # attached, not opened: DuckDB gives all who open one path in one process the file that the first of them
                # opened, also when another has taken its place
                connection = duckdb.connect(
                    ":memory:", config=READER | {"enable_external_access": "true", "lock_configuration": "false"}
                )
                try:
                    connection.execute(f"ATTACH '{str(path).replace(chr(39), chr(39) * 2)}' AS groundwork (READ_ONLY)")
                    for statement in ("USE groundwork", "SET enable_external_access = false", "SET lock_configuration = true"):
                        connection.execute(statement)
                except BaseException:
                    connection.close()
                    raise
                return connection
            except duckdb.Error as error:
                message = first_line(error)
            # a program that does not know our lock, such as DuckDB's own shell
            foreign = re.search(r"\block\b|different configuration", message)
            if foreign and time.monotonic() < deadline:
                time.sleep(0.05)
            elif foreign:
                raise InUse(f"Another program has the database open: {message}", where=str(self.path), todo="Close it there.")
            elif UNWRITABLE.search(message) or (path.exists() and not os.access(path, os.R_OK | os.W_OK)):
                raise stuck(message, self.path)
            else:
                raise Damaged(message)


def stuck(error: Exception | str, path: Path) -> Stuck:
    return Stuck(
        f"The database cannot be written: {first_line(error)}",
        where=str(path),
        todo="Free some space, or set GROUNDWORK_HOME to a folder that may be written.",
    )


def first_line(error: Exception | str) -> str:
    return error.what if isinstance(error, WorkbenchError) else str(error).split("\n")[0]
