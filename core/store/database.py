"""The one door to DuckDB. The journal is the truth; the database is what it is read and queried from.

Writing a record touches the journal only, so sweeps and jobs write side by side with no lock to wait for. Whoever reads
first folds in what is new. A database that is lost, damaged or older is made again from the journal with the same
contents. DuckDB allows one writer or many readers at a time and refuses the rest, so it is opened for moments only,
under an inter-process lock: shared to read, exclusive to write. Where somebody goes on reading, or another program has
the file open, what is new goes into a copy, which then takes the file's place; whoever has the old one keeps it. DuckDB's
log is never replayed: its damage is not noticed there, and what it holds is in the journal.

What the tables cannot hold is refused before it is acknowledged; a record of others that they cannot hold is left out and
named, and the rest is folded.

Restoring a backup: unzip it into an empty data folder. Merging two stores: copy the one journal folder into the other.
"""

import os
import re
import shutil
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import WorkbenchError
from core.files import FORBIDDEN, synced
from core.progress import drain
from core.records import Progress
from core.store import sql_process, tables
from core.store.journal import SEGMENT_END, Damage, Journal, Record, contents, new_id
from core.store.lock import Busy, hold
from core.store.segments import Line, Segments, read_lines, verify_segments
from core.store.sql_process import SqlResult

FOLD_WAIT_S = 3.0  # a reader waits this long to fold in what is new, then reads what is there
READ_WAIT_S = 10.0
WRITE_WAIT_S = 60.0
IN_PLACE_WAIT_S = 0.5  # a writer waits so long for readers and other programs, then folds into a copy
BATCH_LABELS = 20_000  # labels a transaction
BATCH_RECORDS, BATCH_BYTES = 512, 16_000_000  # records and their gzipped bytes a transaction: bounds memory, lock time
UNWRITABLE = re.compile(r"No space left|Permission denied|Read-only file system|Disk quota|Could not write file", re.I)
# The same for all readers: DuckDB refuses connections of one process that differ. No file, setting, extension or Python
# variable can be reached from SQL, and nothing is spilled to disk.
READER = {
    "enable_external_access": "false", "autoinstall_known_extensions": "false", "autoload_known_extensions": "false",
    "python_enable_replacements": "false", "temp_directory": "", "memory_limit": "2GB", "lock_configuration": "true",
}  # fmt: skip


class StoreReport(NamedTuple):
    ok: bool
    journal: dict[str, int]  # whole records per kind
    database: dict[str, int]  # folded records per kind
    missing: tuple[str, ...]  # whole records that are not in the database
    extra: tuple[str, ...]  # in the database, but their record is gone
    damaged: tuple[Damage, ...]
    leftovers: tuple[str, ...]  # temporary files of killed writers; harmless
    problems: tuple[str, ...]  # all of it in words, leftovers left out
    differing: tuple[str, ...] = ()  # records whose rows are not what the journal says


class Seen(NamedTuple):
    """What the database held when its file looked like `stamp`."""

    stamp: tuple
    folded: frozenset[str]
    meta: dict[str, str]
    segments: dict[str, int] = {}  # file of labels -> bytes of it that are folded


class Batch(NamedTuple):
    """Records turned into rows, ready to insert."""

    records: list[Record]
    tables: dict[str, Any]  # name -> pyarrow.Table, of the records that the tables can hold


class StudyRecord(NamedTuple):
    id: str
    study: str
    round: str


class Damaged(WorkbenchError):
    """The database file cannot be read."""


class Stuck(WorkbenchError):
    """The database file is whole, but cannot be written: the disk is full, or the folder may only be read."""


class InUse(WorkbenchError):
    """Another program has the database file open."""


class Store:
    """Journal and database below one folder. One a process; its threads share it.

    derive: scores of a trial, from its payload and its questions' (see `tables.Derive`); `derive_version` names its
    code, so that scores of older code are made again. Whoever folds must be given both.
    """

    examples = tables.EXAMPLES
    describe = staticmethod(tables.describe)

    def __init__(self, home: Path | str, derive: tables.Derive | None = None, derive_version: str = "") -> None:
        self.home = Path(home)
        self.path = self.home / "groundwork.duckdb"
        self.journal = Journal(self.home / "journal")
        self.labels = Segments(self.home / "journal" / "labels")
        self.notices: list[str] = []  # what people should hear of: repairs, records left out
        self.stale = ""  # why the latest records are not in what was read last; "" if they are
        self._derive, self._derive_version = derive, derive_version
        self._seen = Seen((), frozenset(), {})
        self._question_ids: dict[str, str] = {}  # fingerprint -> id of the record
        self._question_records: set[str] = set()  # ids of the records looked into for them
        self._study_records: tuple[dict, list[StudyRecord]] = {}, []  # of which listing, what it holds
        self._recent_questions = lru_cache(8)(self.questions)
        self._unfoldable: dict[str, int] = {}  # id -> change time of the file that could not be folded
        self._mine = threading.local()  # whether this thread folds just now

    # writing

    def add(self, kind: str, payload: dict, after: str = "") -> str:
        """Records something for ever; returns its id, which follows `after`. Questions are kept once per fingerprint."""
        if kind == "questions" and (known := self._question_record(payload["fingerprint"])):
            return known
        return self.journal.add(kind, payload, after, tables.check)

    def add_label(self, payload: dict) -> str:
        """Records one label for ever; returns its id."""
        return self.labels.add([payload])[0]

    def note(self, text: str) -> None:
        """What people should hear of; once, however often it happens."""
        if text not in self.notices:
            self.notices.append(text)

    def told(self) -> list[str]:
        """All that people should hear of now: an answer that is not of the latest, records left out, repairs."""
        unread = [f"A label was left out: {reason} [{place}]. Run verify." for place, reason in self.labels.damaged.items()]
        lost = [f"Labels are missing: {what} [{place}]. Run verify." for place, what in self.labels.gaps.items()]
        return list(filter(None, [self.stale, *self.notices, *unread, *lost]))

    def fold(self, seconds: float = WRITE_WAIT_S) -> int:
        """Brings the journal's news into the database; returns how many records that were."""
        folded = 0
        if self._outdated() or self._news() or self._new_segments():
            import duckdb  # noqa: F401  # loaded before others wait for us
            import pyarrow  # noqa: F401

            with self._folding(seconds):
                try:
                    if reason := self._outdated():
                        folded = self._remake(reason)
                    else:
                        folded = self._fold_records() + self._fold_labels()
                except Damaged as error:
                    folded = self._remake(f"it was damaged ({error.what})")
        self.stale = ""
        return folded

    def rebuild(self) -> Generator[Progress, None, int]:
        """Makes the database anew from the journal and swaps it in at once; returns how many records it holds."""
        with self._folding(WRITE_WAIT_S):
            return (yield from self._made_anew())

    # reading

    def query(self, sql: str, params: Sequence | dict = ()) -> list[dict[str, Any]]:
        """Rows as mappings, news folded in first."""

        def fetch(connection) -> list[dict]:
            result = connection.execute(sql, params)
            names = [column[0] for column in result.description]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

        return self._read(fetch)

    def stored(
        self, kind: str, sql: str, params: Sequence, row: Callable[[Record], dict[str, Any] | None]
    ) -> list[dict[str, Any]]:
        """Rows as `query` gives them, and `row` of each record that the database does not hold, as it does while it cannot
        be written: whoever asks what is stored, so as not to do it twice, must not be given an old answer."""
        try:
            found, known = self.query(sql, params), self._seen.folded
        except (Busy, Stuck, InUse, Damaged) as error:
            self._is_stale(error)
            found, known = [], frozenset()
        listing = self.journal.listing()
        waiting = [id for id, entry in listing.items() if entry.kind == kind and id not in known]
        for id in waiting:
            if id not in self._unfoldable and (record := self.journal.load(listing[id].path)):
                with suppress(Exception):  # of any shape; it was never folded, and `verify` names it
                    found += filter(None, [row(record)])
        return found

    def frame(self, sql: str, params: Sequence | dict = ()):
        """The same as a pandas DataFrame."""
        return self._read(lambda connection: connection.execute(sql, params).df())

    def sql(self, text: str, row_cap: int = 10_000, seconds: float = 10.0) -> SqlResult:
        """One SELECT written by a person: read-only, with no way out of the database, in a process of its own."""
        import duckdb

        def fetch(_) -> SqlResult:
            try:
                return sql_process.ask(self.path, text, READER, row_cap, seconds)
            except sql_process.Failed as error:
                raise getattr(duckdb, error.kind, duckdb.Error)(error.said) from None

        with sql_process.place(seconds):
            try:
                return self._read(fetch, connect=False)
            except duckdb.Error as error:
                raise WorkbenchError(str(error)) from None

    def questions(self, fingerprint: str) -> dict:
        """The payload of a set of questions, as it was recorded."""
        if not (id := self._question_record(fingerprint)):
            raise WorkbenchError(f"There are no questions '{fingerprint}'.", where=str(self.journal.folder))
        return self.journal.read(id).payload

    def studies(self) -> list[StudyRecord]:
        """Every version of every study, oldest first, as the journal has them at this moment: what is decided by them, such
        as whether a round is frozen, must not wait for a fold."""
        listing, (before, records) = self.journal.listing(), self._study_records
        if listing is not before:
            known, records = {one.id: one for one in records}, []
            for id, entry in listing.items():
                if entry.kind != "study":
                    continue
                if id in known:
                    records.append(known[id])
                    continue
                found = self.journal.opening(entry.path, "design") or {}
                one = StudyRecord(id, found.get("study"), found.get("round"))
                if all(isinstance(name, str) for name in one):
                    records.append(one)
                else:
                    why = self.journal.damaged.get(str(entry.path), "it does not say which study it is of")
                    self.note(f"A version of a study was left out: {why} [{entry.path}].")
            self._study_records = listing, records
        return records

    # looking after it

    def verify(self) -> Generator[Progress, None, StoreReport]:
        """Checks every record's checksum, that the database reads whole, and that both hold the same: not only the same
        records, but of each the rows that the journal gives."""
        import duckdb

        here = set(self.journal.listing())  # what comes meanwhile is neither missing nor too much
        labels, damaged = verify_segments(self.labels)
        problems, inside, digests, strays, differing = [], {}, {}, [], []
        try:
            self.fold()
            with self._reader() as connection:
                digests = tables.digests(connection, bool(self._derive))
                inside = dict(connection.execute("SELECT id, kind FROM folded").fetchall())
            strays = [
                name for name, found in digests.items() if name not in (*tables.ONCE, "labels") and found.keys() - inside.keys()
            ]
            inside |= dict.fromkeys(digests["labels"], "label")
        except (Damaged, Busy, Stuck, InUse) as error:
            problems.append(f"The database cannot be read: {error.what} Run rebuild.")
        with duckdb.connect(":memory:") as scratch:
            for statement in tables.creation({}):
                scratch.execute(statement)
            batch: list[Record] = []

            def compare() -> None:
                """Folds the batch once more, beside, and looks for rows that the database has otherwise."""
                made, bad = tables.gathered(batch, lambda one: tables.rows(one, self._scores(one)))
                damaged.extend(Damage(str(self.journal.listing()[one.id].path), f"left out: {reason}") for one, reason in bad)
                scratch.execute("BEGIN")
                _insert(scratch, made)
                for name, found in tables.digests(scratch, bool(self._derive)).items():
                    theirs = digests.get(name, {})
                    # what was folded since the database was looked into is in neither; sets of questions go by another key
                    there = digests.get("question_sets", {}) if name in tables.ONCE else inside
                    differing.extend(key for key in found if key in there and theirs.get(key) != found[key])
                    differing.extend(theirs.keys() & {one.id for one in batch} - found.keys())
                scratch.execute("ROLLBACK")
                batch.clear()

            def each(record: Record) -> None:
                batch.append(record)
                if len(batch) == BATCH_RECORDS:
                    compare()

            report = yield from self.journal.verify(each)
            compare()
            for files in self._label_batches({}):
                rows, _ = self._label_rows(files)
                scratch.execute("BEGIN")
                _insert(scratch, rows)
                found = tables.digests(scratch, bool(self._derive))["labels"]
                differing += [id for id in found if digests and digests["labels"].get(id, found[id]) != found[id]]
                scratch.execute("ROLLBACK")
        report = report._replace(
            damaged=(*report.damaged, *damaged),
            leftovers=(*report.leftovers, *self.labels.torn()),
            counts={**report.counts, **({"label": len(labels)} if labels else {})},
        )
        bad = {Path(damage.path).name.split(".")[0] for damage in report.damaged}
        problems = [f"{damage.path}: {damage.reason}" for damage in report.damaged] + problems
        now = self.journal.listing().keys() | labels | self.labels.known(inside)
        missing = tuple(sorted(((here | labels) & now) - bad - inside.keys()))
        extra = tuple(sorted(inside.keys() - now - bad))
        differing = sorted(set(differing))
        if missing:
            problems.append(f"{len(missing)} records are not in the database. Run rebuild.")
        if extra:
            problems.append(f"{len(extra)} records are only in the database. Copy their files back from a backup.")
        if differing:
            problems.append(
                f"{len(differing)} records read otherwise in the database than in the journal, the first of them "
                f"{differing[0]}. Run rebuild."
            )
        if strays:
            problems.append(f"The database has rows of no record, in {' and '.join(strays)}. Run rebuild.")
        counts = dict(Counter(inside.values()))
        return StoreReport(
            not problems,
            report.counts,
            counts,
            missing,
            extra,
            report.damaged,
            report.leftovers,
            tuple(problems),
            tuple(differing),
        )

    def backup(self, path: Path | str) -> Generator[Progress, None, Path]:
        """Journal and database in one zip, read back before it gets its name."""
        path = Path(path)
        if path.exists():
            raise WorkbenchError("There is already a file of this name.", where=str(path), todo="Choose another name.")
        with suppress(Busy, Stuck, InUse):  # a full disk is a reason to make one; the database is made again where it is read
            self.fold()
        temporary = path.with_name(f".{path.name}.{new_id()}.tmp")
        needed = free = 0
        try:
            parts = self._files()[:1]
            entries = [entry.path for entry in self.journal.listing().values()]
            labels = [*self.labels.paths(), *self.labels.folder.glob(f"*{SEGMENT_END}")]
            needed = sum(part.lstat().st_size for part in (*parts, *entries, *labels))
            free = shutil.disk_usage(path.parent).free
            if free < needed:
                raise WorkbenchError(
                    f"The backup needs up to {_size(needed)}, and {_size(free)} are free there.",
                    where=str(path),
                    todo="Name a file on another disk.",
                )
            yield Progress(0, len(entries), f"Copying the database; {_size(needed)} in all, {_size(free)} free there")
            with zipfile.ZipFile(temporary, "x", zipfile.ZIP_DEFLATED, compresslevel=1, strict_timestamps=False) as file:
                with suppress(Busy), self._locked("copying the database", READ_WAIT_S, shared=True):
                    for part in parts:
                        file.write(part, part.name)
                listed = self.journal.listing().values()  # after the database, which then holds nothing more
                entries = [entry.path for entry in listed]
                for done, entry in enumerate(entries):
                    if done % 100 == 0:
                        yield Progress(done, len(entries), "Copying records")
                    try:
                        data = contents(entry)
                    except (OSError, ValueError) as error:  # one record that cannot be read must not cost the others
                        self.note(f"The backup is without {entry}: {getattr(error, 'strerror', None) or error}.")
                        continue
                    about = zipfile.ZipInfo.from_file(entry, entry.relative_to(self.home), strict_timestamps=False)
                    file.writestr(about, data, zipfile.ZIP_STORED)
                for segment in labels:
                    file.write(segment, segment.relative_to(self.home))
            yield Progress(len(entries), len(entries), "Reading it back")
            with zipfile.ZipFile(temporary) as file:
                if damaged := file.testzip():
                    raise WorkbenchError("The backup does not read back whole.", where=damaged, todo="Run it again.")
            synced(temporary)
            os.rename(temporary, path)
            synced(path.parent)
        except OSError as error:
            forbidden = error.errno in FORBIDDEN
            sizes = f" It needs up to {_size(needed)}, and {_size(free)} were free there." if needed and not forbidden else ""
            raise WorkbenchError(
                f"The backup could not be written: {error.strerror}.{sizes}",
                where=str(path),
                todo="Name a file in a folder that may be written."
                if forbidden
                else "Name a file on a disk with more space, in a folder that is there.",
            ) from error
        finally:
            with suppress(OSError):
                temporary.unlink()
        return path

    # the database file

    def _read(self, fetch: Callable[[Any], Any], connect: bool = True) -> Any:
        """Runs `fetch` on a read-only connection. A database that proves damaged is made anew, once.

        connect: False where `fetch` has another process open the database; it is given None.
        """
        try:
            self.fold(FOLD_WAIT_S)
        except (Busy, Stuck, InUse) as error:
            self._is_stale(error)
        try:
            with self._reader(connect) as connection:
                return fetch(connection)
        except Damaged as error:
            self._repair(error.what)
        with self._reader(connect) as connection:
            return fetch(connection)

    def _is_stale(self, error: WorkbenchError) -> None:
        self.stale = f"The latest records are not in every answer yet: {error.what}"

    @contextmanager
    def _reader(self, connect: bool = True) -> Iterator[Any]:
        with ExitStack() as stack:
            stack.enter_context(self._locked("reading the store", READ_WAIT_S, shared=True))
            self._drop_logs()
            try:
                connection = stack.enter_context(self._connected(True, connect))
            except InUse as error:  # it writes there, so that nobody else can even read
                with self._folding(FOLD_WAIT_S), suppress(InUse):
                    self._own_copy(error)
                connection = stack.enter_context(self._connected(True, connect))
            yield connection

    @contextmanager
    def _writer(self, purpose: str) -> Iterator[Any]:
        """A connection to fold with, under the lock for folding. Where the file is in use, it leads to a copy, which takes
        the file's place."""
        with ExitStack() as stack:
            copy = None
            try:
                stack.enter_context(self._locked(purpose, IN_PLACE_WAIT_S))
                self._drop_logs()
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
            self._put_in_place(copy)

    def _copied(self) -> Path:
        """A copy of the file as it stands. Nobody of ours writes meanwhile: we fold."""
        for stale in self.home.glob(f"{self.path.name}.*.rebuild*"):
            stale.unlink(missing_ok=True)
        self._drop_logs()
        copy, before = self.home / f"{self.path.name}.{new_id()}.rebuild", self._stamp()
        try:
            shutil.copyfile(self.path, copy)
        except OSError as error:
            copy.unlink(missing_ok=True)
            raise _stuck(error.strerror, self.path) from error
        if before != self._stamp():
            copy.unlink(missing_ok=True)
            raise Damaged("another program wrote into it")
        return copy

    def _put_in_place(self, copy: Path) -> None:
        try:
            self._drop_logs()
            with open(copy, "rb") as file:
                os.fsync(file.fileno())
            os.replace(copy, self.path)
            synced(self.home)
        except OSError as error:
            copy.unlink(missing_ok=True)
            raise _stuck(error.strerror, self.path) from error

    def _own_copy(self, error: InUse) -> None:
        try:
            self._put_in_place(self._copied())
        except Stuck:
            raise error from None
        except Damaged as damaged:
            self._remake(f"it was damaged ({damaged.what})")
        self.note(f"{error.what} The workbench goes on with a copy of it.")

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
                raise _stuck(error, self.path) from error
            if isinstance(error, duckdb.TransactionException):
                raise
            raise Damaged(_first_line(error)) from error
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
                message = _first_line(error)
            # a program that does not know our lock, such as DuckDB's own shell
            foreign = re.search(r"\block\b|different configuration", message)
            if foreign and time.monotonic() < deadline:
                time.sleep(0.05)
            elif foreign:
                raise InUse(f"Another program has the database open: {message}", where=str(self.path), todo="Close it there.")
            elif UNWRITABLE.search(message) or (path.exists() and not os.access(path, os.R_OK | os.W_OK)):
                raise _stuck(message, self.path)
            else:
                raise Damaged(message)

    def _drop_logs(self) -> None:
        """What a writer left that was killed, or another program: the journal holds it, and the file is whole without."""
        for log in self.home.glob(f"{self.path.name}.*wal*"):
            if ".rebuild" not in log.name:
                with suppress(OSError):  # a folder that may only be read keeps it
                    log.unlink()

    def _locked(self, purpose: str, seconds: float, shared: bool = False):
        """For the moments in which the database file is open."""
        return hold(self.home / "locks" / "database", purpose=purpose, seconds=seconds, shared=shared)

    @contextmanager
    def _folding(self, seconds: float) -> Iterator[None]:
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

    def _files(self) -> list[Path]:
        return [file for file in (self.path, self.home / f"{self.path.name}.wal") if file.exists()]

    def _stamp(self) -> tuple:
        with suppress(FileNotFoundError):  # the log went between the two looks
            return tuple((s.st_ino, s.st_size, s.st_mtime_ns) for s in map(os.stat, self._files()))
        return ("changing",)

    def _outdated(self) -> str:
        """Why the database has to be made anew, "" if it need not. Looks into the file only if it has changed."""
        import duckdb

        if not self.path.exists():
            return "it was missing"
        if self._seen.stamp != (stamp := self._stamp()):
            try:
                with self._reader() as connection:
                    meta = dict(connection.execute("SELECT key, value FROM meta").fetchall())
                    folded = frozenset(id for (id,) in connection.execute("SELECT id FROM folded").fetchall())
                    segments = {}
                    if int(meta["schema"]) == tables.SCHEMA:
                        segments = dict(connection.execute("SELECT name, bytes FROM segments").fetchall())
                    int(meta["schema"]), meta["derive_version"]
                    self._seen = Seen(stamp, folded, meta, segments)
            except (Damaged, duckdb.ProgrammingError, duckdb.DataError, KeyError, ValueError) as error:
                return f"it was damaged ({_first_line(error)})"
        schema, derived = int(self._seen.meta["schema"]), self._seen.meta["derive_version"]
        if schema > tables.SCHEMA:
            raise WorkbenchError(
                "The database was made by a newer version of Groundwork.",
                where=str(self.path),
                todo="Update; or delete the file, it is made again from the journal.",
            )
        if schema < tables.SCHEMA:
            return "it was made by an older version"
        return "its scores were derived by other code" if self._derive and derived != self._derive_version else ""

    def _repair(self, reason: str) -> None:
        import duckdb

        with self._folding(WRITE_WAIT_S):
            try:
                with self._reader() as connection:  # it may be repaired already, or only the query at fault
                    tables.digests(connection, True)
            except (Damaged, duckdb.ProgrammingError, duckdb.DataError):
                self._remake(f"it was damaged ({reason})")

    def _remake(self, reason: str) -> int:
        count = drain(self._made_anew())
        if reason != "it was missing":
            self.note(f"The database was made again from the journal: {reason}.")
        return count

    def _made_anew(self) -> Generator[Progress, None, int]:
        import duckdb

        self.home.mkdir(parents=True, exist_ok=True)
        for stale in [*self.home.glob(f"{self.path.name}.*.rebuild*"), *self.journal.leftovers()]:
            stale.unlink(missing_ok=True)
        temporary = self.home / f"{self.path.name}.{new_id()}.rebuild"
        meta = {"schema": str(tables.SCHEMA), "derive_version": self._derive_version if self._derive else ""}
        self._unfoldable.clear()
        ids, folded, segments, labels = list(self.journal.listing()), set(), {}, 0
        try:
            with duckdb.connect(str(temporary)) as connection:
                for statement in tables.creation(meta):
                    connection.execute(statement)
                for batch, done in self._batches(ids):
                    folded |= self._insert_all(connection, batch)
                    yield Progress(done, len(ids), "Rebuilding the database")
                for files in self._label_batches({}):
                    labels += self._insert_labels(connection, files)
                    segments |= {name: lines[-1].end for name, lines in files.items()}
                    yield Progress(len(ids), len(ids), f"Rebuilding the database: {labels:,} labels")
                connection.execute("CHECKPOINT")  # closing writes it too, and tells nobody where that fails
            self._drop_logs()  # they do not belong to the new file
            os.replace(temporary, self.path)  # who reads the old one keeps it
            synced(self.home)
            self._seen = Seen(self._stamp(), frozenset(folded), meta, segments)
        except (OSError, duckdb.Error) as error:
            raise Stuck(
                f"The database could not be made: {_first_line(error)}.",
                where=str(self.home),
                todo="Nothing is lost: free some space and run rebuild.",
            ) from error
        finally:
            for part in self.home.glob(f"{temporary.name}*"):
                part.unlink()
        self._note_torn()
        yield Progress(len(ids), len(ids), "Rebuilding the database")
        return len(folded) + labels

    # folding

    def _news(self) -> list[str]:
        """Ids of the journal that are not in the database, oldest first; a damaged file again once it has changed."""
        folded, bad = self._seen.folded, self._unfoldable
        return [
            id
            for id, entry in self.journal.listing().items()
            if id not in folded and not (id in bad and bad[id] == _changed_ns(entry.path))
        ]

    def _batches(self, ids: Sequence[str]) -> Iterator[tuple[Batch, int]]:
        """These records, as many at once as make one transaction, each with how many of the ids are dealt with."""
        records, size, listing = [], 0, self.journal.listing()
        for done, path in enumerate((listing[id].path for id in ids), 1):
            if record := self.journal.load(path):
                records.append(record)
                size += path.stat().st_size
            else:
                self._skip(path, self.journal.damaged[str(path)])
            if records and (len(records) >= BATCH_RECORDS or size >= BATCH_BYTES or done == len(ids)):
                yield self._prepared(records), done
                records, size = [], 0

    def _skip(self, path: Path, reason: str) -> None:
        id = path.name.split(".")[0]
        self._unfoldable[id] = _changed_ns(path)
        self.note(f"Record {id} was left out: {reason} [{path}]. Run verify.")

    def _prepared(self, records: list[Record]) -> Batch:
        """Rows of these records; what the tables cannot hold is left out."""
        made, bad = tables.gathered(records, lambda one: tables.rows(one, self._scores(one)))
        for record, reason in bad:
            self._skip(self.journal.listing()[record.id].path, reason)
        out = {record.id for record, _ in bad}
        return Batch([record for record in records if record.id not in out], made)

    def _fold_records(self) -> int:
        count = 0
        for batch, _ in self._batches(self._news()):  # of now: what comes meanwhile could keep it here for ever
            if batch.records:
                with self._writer("folding in what is new") as connection:
                    new = self._insert_all(connection, batch)
                self._seen = self._seen._replace(stamp=self._stamp(), folded=self._seen.folded | new)
                count += len(new)
        return count

    def _insert_all(self, connection, batch: Batch) -> set[str]:
        """Inserts a batch, and where DuckDB refuses one of its records the others; returns the ids that are in."""
        import duckdb

        if not batch.records:
            return set()
        try:
            self._insert(connection, batch)
            return {record.id for record in batch.records}
        except (duckdb.ProgrammingError, duckdb.DataError, duckdb.IntegrityError, duckdb.NotSupportedError) as error:
            connection.execute("ROLLBACK")
            if len(batch.records) == 1:
                self._skip(self.journal.listing()[batch.records[0].id].path, _first_line(error))
                return set()
        half = len(batch.records) // 2
        return set().union(
            *(self._insert_all(connection, self._prepared(some)) for some in (batch.records[:half], batch.records[half:]))
        )

    def _insert(self, connection, batch: Batch) -> None:
        """One transaction. Trials that came before their questions are scored now."""
        connection.execute("BEGIN")
        _insert(connection, batch.tables)
        trials = [
            record.payload["trial"] if record.kind == "trial_note" else record.id
            for record in batch.records
            if record.kind in ("trial", "trial_note")
        ]
        connection.execute(tables.NAMED, [tables.encodable(trials)])
        arrived = [record.payload["fingerprint"] for record in batch.records if record.kind == "questions"]
        waiting = connection.execute(
            "SELECT id FROM trials WHERE NOT scored AND list_contains(?::VARCHAR[], questions_fingerprint)",
            [tables.encodable(arrived)],
        )
        for (id,) in waiting.fetchall():
            if rows := self._scores(self.journal.read(id)):
                _insert(connection, {"scores": tables.arrow("scores", rows)})
                connection.execute("UPDATE trials SET scored = true WHERE id = ?", [id])
        connection.execute("COMMIT")

    # labels

    def _new_segments(self) -> list[Path]:
        """Files of labels that have grown since they were folded."""
        grown = []
        for path in self.labels.paths():
            with suppress(FileNotFoundError):
                if path.stat().st_size > self._seen.segments.get(path.name, 0):
                    grown.append(path)
        return grown

    def _label_batches(self, folded: dict[str, int]) -> Iterator[dict[str, list[Line]]]:
        """File -> its new lines, as many at once as make one transaction."""
        lines = ((path.name, line) for path in self.labels.paths() for line in read_lines(path, folded.get(path.name, 0)))
        while batch := list(islice(lines, BATCH_LABELS)):
            files: dict[str, list[Line]] = {}
            for name, line in batch:
                files.setdefault(name, []).append(line)
            yield files

    def _fold_labels(self) -> int:
        folded = 0
        for files in self._label_batches(self._seen.segments):
            with self._writer("folding in labels") as connection:
                folded += self._insert_labels(connection, files)
            segments = self._seen.segments | {name: lines[-1].end for name, lines in files.items()}
            self._seen = self._seen._replace(stamp=self._stamp(), segments=segments)
        self._note_torn()
        return folded

    def _note_torn(self) -> None:
        for path in self.labels.torn():
            self.note(
                f"The last line of {path} was cut off and is left out. A kill does that before a label is acknowledged, "
                "a failing disk perhaps after."
            )

    def _label_rows(self, files: dict[str, list[Line]]) -> tuple[dict[str, Any], list[str]]:
        """(the rows of these lines as `_insert` takes them, what is left out in words)."""
        lines, left = {}, []
        for name, found in files.items():
            for line in found:
                if line.payload is None:
                    self.labels.damaged[f"{self.labels.folder / name}:{line.start}"] = line.reason
                else:
                    lines[line.id] = line
        made, bad = tables.gathered(list(lines.values()), lambda one: {"labels": [tables.label_row(one.id, one.payload)]})
        return made, left + [f"Label {line.id} was left out: {reason}. Run verify." for line, reason in bad]

    def _insert_labels(self, connection, files: dict[str, list[Line]]) -> int:
        """One transaction; returns how many labels are new. What merged journals hold twice is kept once."""
        import duckdb

        rows, left = self._label_rows(files)
        for text in left:
            self.note(text)
        connection.execute("BEGIN")
        count = 0
        for labels in rows.values():
            try:
                connection.register("news", labels)
                count = connection.execute(
                    "INSERT INTO labels SELECT * FROM news WHERE id NOT IN (SELECT id FROM labels)"
                ).fetchone()[0]
                connection.unregister("news")
            except (duckdb.ProgrammingError, duckdb.DataError) as error:
                connection.execute("ROLLBACK")
                if sum(map(len, files.values())) > 1:
                    return sum(self._insert_labels(connection, some) for some in _halves(files))
                self.note(f"A label in {next(iter(files))} was left out: {_first_line(error)}. Run verify.")
                connection.execute("BEGIN")
        for name, lines in files.items():
            connection.execute("DELETE FROM segments WHERE name = ?", [name])
            connection.execute("INSERT INTO segments VALUES (?, ?)", [name, lines[-1].end])
        connection.execute("COMMIT")
        return count

    # questions and scores

    def _question_record(self, fingerprint: str) -> str:
        """Id of the record with these questions, "" if the journal has none."""
        for id, entry in self.journal.listing().items():
            new = entry.kind == "questions" and id not in self._question_records
            if new and (record := self.journal.load(entry.path)):
                if isinstance(of := record.payload.get("fingerprint"), str):
                    self._question_ids.setdefault(of, id)
                self._question_records.add(id)
        return self._question_ids.get(fingerprint, "")

    def _scores(self, record: Record) -> list[tuple] | None:
        """Score rows of a trial; None where there are none to be had (yet)."""
        if record.kind != "trial" or not self._derive or not record.payload.get("rankings"):
            return None
        try:
            questions = self._recent_questions(record.payload.get("questions_fingerprint", ""))
        except WorkbenchError:
            return None
        try:
            return tables.score_rows(record.id, record.payload, questions, self._derive)
        except Exception as error:  # derive is given from outside: whatever goes wrong in it must not stop the store
            self.note(f"Trial {record.id} could not be scored: {type(error).__name__}: {error}.")
            return None


def _insert(connection, made: dict[str, Any]) -> None:
    for name, rows in made.items():
        connection.register("news", rows)
        connection.execute(
            f"INSERT INTO {name} SELECT DISTINCT * FROM news {tables.UNLESS}"
            if name in tables.ONCE
            else f"INSERT INTO {name} SELECT * FROM news"
        )
        connection.unregister("news")


def _halves(files: dict[str, list[Line]]) -> list[dict[str, list[Line]]]:
    lines = [(name, line) for name, found in files.items() for line in found]
    halves: list[dict[str, list[Line]]] = [{}, {}]
    for place, (name, line) in enumerate(lines):
        halves[2 * place // len(lines)].setdefault(name, []).append(line)
    return halves


def _size(count: float) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


def _stuck(error: Exception | str, path: Path) -> Stuck:
    return Stuck(
        f"The database cannot be written: {_first_line(error)}",
        where=str(path),
        todo="Free some space, or set GROUNDWORK_HOME to a folder that may be written.",
    )


def _first_line(error: Exception | str) -> str:
    return error.what if isinstance(error, WorkbenchError) else str(error).split("\n")[0]


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_ctime_ns
    except OSError:
        return 0
