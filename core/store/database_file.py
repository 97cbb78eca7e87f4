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
from functools import partial
from pathlib import Path
from typing import Any

from core.errors import WorkbenchError
from core.files import Busy, hold, remedy_of, take_place
from core.files.ids import new_id

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


class Attached:
    """A DuckDB in memory that stays, to which the file is attached while somebody reads: to make one anew takes longer than
    most queries. Nothing but the file can be reached from it."""

    def __init__(self, path: Path) -> None:
        self._path, self._quoted = path, _quoted(path)
        self._instance = _in_memory(f"SET allowed_paths = ['{self._quoted}', '{self._quoted}.wal']")
        self._lock, self._readers, self._inode = threading.Lock(), 0, 0

    def cursor(self) -> Any:
        """One more reader; None where others still read a file whose place this one has taken."""
        with self._lock:
            inode = self._path.stat().st_ino if self._path.exists() else 0
            if self._readers and inode != self._inode:
                return None
            cursor = self._instance.cursor()
            try:
                if not self._readers:
                    cursor.execute(f"ATTACH '{self._quoted}' AS groundwork (READ_ONLY)")
                cursor.execute("USE groundwork")
            except BaseException:
                cursor.close()
                raise
            self._readers, self._inode = self._readers + 1, inode
            return cursor

    def release(self, cursor: Any) -> None:
        with self._lock:
            cursor.close()
            self._readers -= 1
            if not self._readers:
                self._instance.execute("DETACH groundwork")


class DatabaseFile:
    """note: is told what people should hear of."""

    def __init__(self, home: Path, note: Callable[[str], None]) -> None:
        self.home, self.path, self._note = home, home / "groundwork.duckdb", note
        self._mine = threading.local()  # whether this thread folds just now
        self._lending = threading.Condition()
        self._opening = False  # whether a thread of this process is about to open the file to fold, or to close it
        self._lent: Any = None  # its connection: threads of this process read by it what was committed last
        self._borrowers = 0
        self._attached: Attached | None = None

    @contextmanager
    def reader(self, connect: bool = True) -> Iterator[Any]:
        if connect and (cursor := self._borrowed()):
            try:
                with self._told(), cursor:
                    yield cursor
            finally:
                with self._lending:
                    self._borrowers -= 1
                    self._lending.notify_all()
            return
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
        import duckdb

        with ExitStack() as stack:
            copy = None
            stack.callback(self._lend, None, False)
            self._lend(None, True)
            try:
                stack.enter_context(self.locked(purpose, IN_PLACE_WAIT_S))
                self.drop_logs()
                connection = stack.enter_context(self._connected(False))
                stack.callback(self._lend, None, True)  # before it is closed
                self._lend(connection, True)
            except (Busy, InUse):
                stack.close()
                copy = self._copied()
                connection = stack.enter_context(self._connected(False, path=copy))
            try:
                yield connection
                if not copy:
                    with suppress(duckdb.TransactionException):  # somebody reads just now: closing does it
                        connection.execute("CHECKPOINT")  # while it is lent: closing then takes no time
            except BaseException:
                if copy:
                    copy.unlink(missing_ok=True)
                raise
        if copy:  # closed by now, with its log in it
            self.put_in_place(copy)

    def _borrowed(self) -> Any:
        """A cursor of the connection that another thread of this process folds with, so that nobody waits for it; or None."""
        with self._lending:
            self._lending.wait_for(lambda: self._lent or not self._opening, READ_WAIT_S)
            if not self._lent:
                return None
            self._borrowers += 1
            return self._lent.cursor()

    def _lend(self, connection: Any, opening: bool) -> None:
        """Lends a connection, or takes it back once nobody reads by it any more."""
        with self._lending:
            self._lent, self._opening = connection, opening
            self._lending.notify_all()
            if connection is None:
                self._lending.wait_for(lambda: not self._borrowers)

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
            with suppress(OSError):
                stale.unlink()
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
        """A connection, under the lock."""
        import duckdb

        connection, close = self._connect(read_only, path or self.path) if connect else (None, None)
        try:
            with self._told():
                yield connection
        except Damaged:
            self._attached = None  # it may be invalid from now on
            raise
        finally:
            with suppress(duckdb.Error):  # it tries to write once more
                if close:
                    close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Whatever means that the file is not whole comes out as Damaged."""
        import duckdb

        try:
            yield
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

    def _connect(self, read_only: bool, path: Path) -> tuple[Any, Callable[[], None]]:
        """A connection, and what closes it."""
        import duckdb

        deadline = time.monotonic() + IN_PLACE_WAIT_S
        while True:
            try:
                if not read_only:
                    connection = duckdb.connect(str(path))
                    return connection, connection.close
                self._attached = attached = self._attached or Attached(path)
                if cursor := attached.cursor():
                    return cursor, partial(attached.release, cursor)
                # attached, not opened: DuckDB gives all who open one path in one process the file that the first of them
                # opened, also when another has taken its place
                connection = _in_memory(f"ATTACH '{_quoted(path)}' AS groundwork (READ_ONLY)", "USE groundwork")
                return connection, connection.close
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


def _in_memory(*first: str) -> Any:
    """A DuckDB in memory, from which nothing can be reached but what these statements open."""
    import duckdb

    connection = duckdb.connect(":memory:", config=READER | {"enable_external_access": "true", "lock_configuration": "false"})
    try:
        for statement in (*first, "SET enable_external_access = false", "SET lock_configuration = true"):
            connection.execute(statement)
    except BaseException:
        connection.close()
        raise
    return connection


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def stuck(error: Exception | str, path: Path) -> Stuck:
    return Stuck(
        f"The database cannot be written: {first_line(error)}",
        where=str(path),
        todo=f"{remedy_of(error).capitalize()}, or set GROUNDWORK_HOME to a folder that may be written.",
    )


def first_line(error: Exception | str) -> str:
    return error.what if isinstance(error, WorkbenchError) else str(error).split("\n")[0]
