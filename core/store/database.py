"""The one door to DuckDB. The journal is the truth; the database is what it is read and queried from.

Writing a record touches the journal only, so sweeps and jobs write side by side with no lock to wait for. Whoever reads
first folds in what is new. A database that is lost, damaged or older is made again from the journal with the same
contents. DuckDB allows one writer or many readers at a time and refuses the rest, so it is opened for moments only,
under an inter-process lock: shared to read, exclusive to write.

Restoring a backup: unzip it into an empty data folder. Merging two stores: copy the one journal folder into the other.
"""

import os
import re
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import WorkbenchError
from core.records import Progress
from core.store import sql_process, tables
from core.store.journal import Damage, Journal, Record, new_id, sync_folder
from core.store.lock import Busy, hold
from core.store.segments import Line, Segments, read_lines, verify_segments
from core.store.sql_process import SqlResult

FOLD_WAIT_S = 3.0  # a reader waits this long to fold in what is new, then reads what is there
READ_WAIT_S = 10.0
WRITE_WAIT_S = 60.0
BATCH_LABELS = 20_000  # labels a transaction
BATCH_RECORDS, BATCH_BYTES = 512, 16_000_000  # records and their gzipped bytes a transaction: bounds memory, lock time
UNWRITABLE = re.compile(r"No space left|Permission denied|Read-only file system|Disk quota", re.I)
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


class Seen(NamedTuple):
    """What the database held when its file looked like `stamp`."""

    stamp: tuple
    folded: frozenset[str]
    meta: dict[str, str]
    segments: dict[str, int] = {}  # file of labels -> bytes of it that are folded


class Batch(NamedTuple):
    """Records turned into rows, ready to insert."""

    records: list[Record]
    tables: dict[str, Any]  # name -> pyarrow.Table


class StudyRecord(NamedTuple):
    id: str
    study: str
    round: str


class Damaged(WorkbenchError):
    """The database file cannot be read."""


class Stuck(WorkbenchError):
    """The database file is whole, but cannot be written: the disk is full, or the folder may only be read."""


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
        self.notices: list[str] = []  # what people should hear of: repairs, skipped records
        self._derive, self._derive_version = derive, derive_version
        self._seen = Seen((), frozenset(), {})
        self._question_ids: dict[str, str] = {}  # fingerprint -> id of the record
        self._question_records: set[str] = set()  # ids of the records looked into for them
        self._study_records: tuple[dict, list[StudyRecord]] = {}, []  # of which listing, what it holds
        self._recent_questions = lru_cache(8)(self.questions)
        self._unfoldable: dict[str, int] = {}  # id -> change time of the file that could not be folded

    # writing

    def add(self, kind: str, payload: dict, after: str = "") -> str:
        """Records something for ever; returns its id, which follows `after`. Questions are kept once per fingerprint."""
        if kind == "questions" and (known := self._question_record(payload["fingerprint"])):
            return known
        return self.journal.add(kind, payload, after)

    def add_label(self, payload: dict) -> str:
        """Records one label for ever; returns its id."""
        return self.labels.add([payload])[0]

    def fold(self, seconds: float = WRITE_WAIT_S) -> int:
        """Brings the journal's news into the database; returns how many records that were."""
        if not self._outdated() and not self._news() and not self._new_segments():
            return 0
        import duckdb  # noqa: F401  # loaded before others wait for us
        import pyarrow  # noqa: F401

        with self._folding(seconds):
            if reason := self._outdated():
                return self._remake(reason)
            folded = 0
            for batch, _ in self._batches(self._news()):  # of now: what comes meanwhile could keep it here for ever
                try:
                    with self._locked("folding in what is new", seconds):
                        with self._connected(read_only=False) as connection:
                            self._insert(connection, batch)
                        new = {record.id for record in batch.records}
                        self._seen = self._seen._replace(stamp=self._stamp(), folded=self._seen.folded | new)
                except Damaged as error:
                    return self._remake(f"it was damaged ({error.what})")
                folded += len(batch.records)
            try:
                return folded + self._fold_labels(seconds)
            except Damaged as error:
                return self._remake(f"it was damaged ({error.what})")

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
                if entry.kind == "study" and id in known:
                    records.append(known[id])
                elif entry.kind == "study" and (found := self.journal.opening(entry.path, "design")):
                    records.append(StudyRecord(id, found["study"], found["round"]))
            self._study_records = listing, records
        return records

    # looking after it

    def verify(self) -> Generator[Progress, None, StoreReport]:
        """Checks every record's checksum, that the database reads whole, and that the two hold the same records."""
        here = set(self.journal.listing())  # what comes meanwhile is neither missing nor too much
        labels, damaged = verify_segments(self.labels.paths())
        self.fold()
        report = yield from self.journal.verify()
        report = report._replace(damaged=(*report.damaged, *damaged), leftovers=(*report.leftovers, *self.labels.torn()),
                                 counts={**report.counts, **({"label": len(labels)} if labels else {})})  # fmt: skip
        bad = {Path(damage.path).name.split(".")[0] for damage in report.damaged}
        problems = [f"{damage.path}: {damage.reason}" for damage in report.damaged]
        inside: dict[str, str] = {}
        try:
            with self._reader() as connection:
                _read_all(connection)
                inside = dict(connection.execute("SELECT id, kind FROM folded").fetchall())
                inside |= dict.fromkeys(
                    (id for (id,) in connection.execute("SELECT id FROM labels").fetchall()), "label"
                )
        except Damaged as error:
            problems.append(f"The database cannot be read: {error.what} Run rebuild.")
        now = self.journal.listing().keys() | labels | self.labels.known(inside)
        missing = tuple(sorted(((here | labels) & now) - bad - inside.keys()))
        extra = tuple(sorted(inside.keys() - now - bad))
        if missing:
            problems.append(f"{len(missing)} records are not in the database. Run rebuild.")
        if extra:
            problems.append(f"{len(extra)} records are only in the database. Copy their files back from a backup.")
        counts = dict(Counter(inside.values()))
        return StoreReport(not problems, report.counts, counts, missing, extra, report.damaged, report.leftovers,
                           tuple(problems))  # fmt: skip

    def backup(self, path: Path | str) -> Generator[Progress, None, Path]:
        """Journal and database in one zip, read back before it gets its name."""
        path = Path(path)
        if path.exists():
            raise WorkbenchError("There is already a file of this name.", where=str(path), todo="Choose another name.")
        self.fold()
        temporary = path.with_name(f".{path.name}.{new_id()}.tmp")
        try:
            yield Progress(0, 0, "Copying the database")
            with zipfile.ZipFile(temporary, "x", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
                with self._locked("copying the database", READ_WAIT_S, shared=True):
                    for part in self._files():
                        file.write(part, part.name)
                entries = list(self.journal.listing().values())  # after the database, which then holds nothing more
                for done, entry in enumerate(entries):
                    if done % 100 == 0:
                        yield Progress(done, len(entries), "Copying records")
                    file.write(entry.path, entry.path.relative_to(self.home), zipfile.ZIP_STORED)
                for segment in self.labels.paths():
                    file.write(segment, segment.relative_to(self.home))
            yield Progress(len(entries), len(entries), "Reading it back")
            with zipfile.ZipFile(temporary) as file:
                if damaged := file.testzip():
                    raise WorkbenchError("The backup does not read back whole.", where=damaged, todo="Run it again.")
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            os.rename(temporary, path)
            sync_folder(path.parent)
        except OSError as error:
            raise WorkbenchError(f"The backup could not be written: {error.strerror}.", where=str(path)) from error
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
        except (Busy, Stuck) as error:
            notice = f"The latest records are not in every answer yet: {error.what}"
            self.notices += [notice] if notice not in self.notices else []
        try:
            with self._reader(connect) as connection:
                return fetch(connection)
        except Damaged as error:
            self._repair(error.what)
        with self._reader(connect) as connection:
            return fetch(connection)

    @contextmanager
    def _reader(self, connect: bool = True) -> Iterator[Any]:
        with self._locked("reading the store", READ_WAIT_S, shared=True), self._connected(True, connect) as connection:
            yield connection

    @contextmanager
    def _connected(self, read_only: bool, connect: bool = True) -> Iterator[Any]:
        """A connection, under the lock. Whatever means that the file is not whole comes out as Damaged."""
        import duckdb

        connection = self._connect(read_only) if connect else None
        try:
            yield connection
        except (duckdb.IOException, duckdb.SerializationException, duckdb.FatalException, duckdb.InternalException,
                duckdb.TransactionException) as error:  # fmt: skip
            if UNWRITABLE.search(str(error)):
                raise _stuck(error, self.path) from error
            if isinstance(error, duckdb.TransactionException):
                raise
            raise Damaged(_first_line(error)) from error
        finally:
            with suppress(duckdb.Error):  # it tries to write once more
                if connection:
                    connection.close()

    def _connect(self, read_only: bool):
        import duckdb

        deadline = time.monotonic() + FOLD_WAIT_S
        while True:
            try:
                return duckdb.connect(str(self.path), read_only=read_only, config=READER if read_only else {})
            except duckdb.Error as error:
                message = _first_line(error)
            # a program that does not know our lock, such as DuckDB's own shell
            foreign = re.search(r"\block\b|different configuration", message)
            if foreign and time.monotonic() < deadline:
                time.sleep(0.05)
            elif foreign:
                raise WorkbenchError(f"Another program has the database open: {message}", where=str(self.path),
                                     todo="Close it there.")  # fmt: skip
            elif self.path.exists() and (not os.access(self.path, os.R_OK | os.W_OK) or UNWRITABLE.search(message)):
                raise _stuck(message, self.path)
            else:
                raise Damaged(message)

    def _locked(self, purpose: str, seconds: float, shared: bool = False):
        """For the moments in which the database file is open."""
        return hold(self.home / "locks" / "database", purpose=purpose, seconds=seconds, shared=shared)

    def _folding(self, seconds: float):
        """One process and thread at a time derives and folds; readers go on meanwhile."""
        return hold(self.home / "locks" / "fold", purpose="folding in what is new", seconds=seconds)

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
        if self._seen.stamp != self._stamp():
            try:
                with self._reader() as connection:
                    meta = dict(connection.execute("SELECT key, value FROM meta").fetchall())
                    folded = frozenset(id for (id,) in connection.execute("SELECT id FROM folded").fetchall())
                    segments = {}
                    if int(meta["schema"]) == tables.SCHEMA:
                        segments = dict(connection.execute("SELECT name, bytes FROM segments").fetchall())
                    self._seen = Seen(self._stamp(), folded, meta, segments)
            except (Damaged, duckdb.CatalogException) as error:
                return f"it was damaged ({_first_line(error)})"
        schema, derived = int(self._seen.meta["schema"]), self._seen.meta["derive_version"]
        if schema > tables.SCHEMA:
            raise WorkbenchError("The database was made by a newer version of Groundwork.", where=str(self.path),
                                 todo="Update; or delete the file, it is made again from the journal.")  # fmt: skip
        if schema < tables.SCHEMA:
            return "it was made by an older version"
        return "its scores were derived by other code" if self._derive and derived != self._derive_version else ""

    def _repair(self, reason: str) -> None:
        with self._folding(WRITE_WAIT_S):
            try:
                with self._reader() as connection:  # it may be repaired already, or only the query at fault
                    _read_all(connection)
            except Damaged:
                self._remake(f"it was damaged ({reason})")

    def _remake(self, reason: str) -> int:
        count = _drained(self._made_anew())
        if reason != "it was missing":
            self.notices.append(f"The database was made again from the journal: {reason}.")
        return count

    def _made_anew(self) -> Generator[Progress, None, int]:
        import duckdb

        self.home.mkdir(parents=True, exist_ok=True)
        for stale in [*self.home.glob(f"{self.path.name}.*.rebuild*"), *self.journal.leftovers()]:
            stale.unlink(missing_ok=True)
        temporary = self.home / f"{self.path.name}.{new_id()}.rebuild"
        meta = {"schema": str(tables.SCHEMA), "derive_version": self._derive_version if self._derive else ""}
        self._unfoldable.clear()
        ids, folded = list(self.journal.listing()), set()
        try:
            with duckdb.connect(str(temporary)) as connection:
                for statement in tables.creation(meta):
                    connection.execute(statement)
                for batch, done in self._batches(ids):
                    self._insert(connection, batch)
                    folded |= {record.id for record in batch.records}
                    yield Progress(done, len(ids), "Rebuilding the database")
                segments, labels = {}, 0
                for files in self._label_batches({}):
                    labels += self._insert_labels(connection, files)
                    segments |= {name: lines[-1].end for name, lines in files.items()}
                    yield Progress(len(ids), len(ids), f"Rebuilding the database: {labels:,} labels")
            with self._locked("swapping in a new database", WRITE_WAIT_S):
                for part in self._files()[1:]:  # the old log first: it does not belong to the new file
                    part.unlink()
                os.replace(temporary, self.path)
                sync_folder(self.home)
                self._seen = Seen(self._stamp(), frozenset(folded), meta, segments)
        except (OSError, duckdb.Error) as error:
            raise WorkbenchError(f"The database could not be made: {_first_line(error)}.", where=str(self.home),
                                 todo="Nothing is lost: free some space and run rebuild.") from error  # fmt: skip
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
        return [id for id, entry in self.journal.listing().items()
                if id not in folded and not (id in bad and bad[id] == _changed_ns(entry.path))]  # fmt: skip

    def _batches(self, ids: Sequence[str]) -> Iterator[tuple[Batch, int]]:
        """These records, as many at once as make one transaction, each with how many of the ids are dealt with."""
        records, size, listing = [], 0, self.journal.listing()
        for done, path in enumerate((listing[id].path for id in ids), 1):
            if record := self.journal.load(path):
                records.append(record)
                size += path.stat().st_size
            else:
                self._skip(path, self.journal.damaged[str(path)])
            if len(records) >= BATCH_RECORDS or size >= BATCH_BYTES or done == len(ids):
                yield from ((batch, done) for batch in self._prepare(records))
                records, size = [], 0

    def _skip(self, path: Path, reason: str) -> None:
        id = path.name.split(".")[0]
        self._unfoldable[id] = _changed_ns(path)
        self.notices.append(f"Record {id} was left out: {reason}. Run verify.")

    def _prepare(self, records: list[Record]) -> list[Batch]:
        """Rows of these records in one batch; a payload among them that does not hold together is left out."""
        import pyarrow

        if not records:
            return []
        columns: tables.Rows = {name: [] for name in tables.TABLES}
        try:
            for record in records:
                for name, rows in tables.rows(record, self._scores(record)).items():
                    columns[name] += rows
            return [Batch(records, {name: tables.arrow(name, rows) for name, rows in columns.items() if rows})]
        except (KeyError, ValueError, TypeError, IndexError, AttributeError, pyarrow.ArrowException) as error:
            if len(records) > 1:  # find it
                return [batch for record in records for batch in self._prepare([record])]
            path = self.journal.listing()[records[0].id].path
            self._skip(path, f"its payload is not as expected ({type(error).__name__}: {error})")
            return []

    def _insert(self, connection, batch: Batch) -> None:
        """One transaction. Trials that came before their questions are scored now."""

        def insert(name: str, rows) -> None:
            connection.register("news", rows)
            connection.execute(f"INSERT INTO {name} SELECT DISTINCT * FROM news {tables.UNLESS}"
                               if name in tables.ONCE else f"INSERT INTO {name} SELECT * FROM news")  # fmt: skip
            connection.unregister("news")

        connection.execute("BEGIN")
        for name in batch.tables:
            insert(name, batch.tables[name])
        trials = [record.payload["trial"] if record.kind == "trial_note" else record.id
                  for record in batch.records if record.kind in ("trial", "trial_note")]  # fmt: skip
        connection.execute(tables.NAMED, [trials])
        arrived = [record.payload["fingerprint"] for record in batch.records if record.kind == "questions"]
        waiting = connection.execute(
            "SELECT id FROM trials WHERE NOT scored AND list_contains(?::VARCHAR[], questions_fingerprint)", [arrived]
        )
        for (id,) in waiting.fetchall():
            if rows := self._scores(self.journal.read(id)):
                insert("scores", tables.arrow("scores", rows))
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
        lines = (
            (path.name, line) for path in self.labels.paths() for line in read_lines(path, folded.get(path.name, 0))
        )
        while batch := list(islice(lines, BATCH_LABELS)):
            files: dict[str, list[Line]] = {}
            for name, line in batch:
                files.setdefault(name, []).append(line)
            yield files

    def _fold_labels(self, seconds: float) -> int:
        folded = 0
        for files in self._label_batches(self._seen.segments):
            with self._locked("folding in labels", seconds):
                with self._connected(read_only=False) as connection:
                    folded += self._insert_labels(connection, files)
                segments = self._seen.segments | {name: lines[-1].end for name, lines in files.items()}
                self._seen = self._seen._replace(stamp=self._stamp(), segments=segments)
        self._note_torn()
        return folded

    def _note_torn(self) -> None:
        for path in self.labels.torn():
            note = (
                f"The last line of {path} was cut off and is left out. A kill does that before a label is acknowledged, "
                "a failing disk perhaps after."
            )
            if note not in self.notices:
                self.notices.append(note)

    def _insert_labels(self, connection, files: dict[str, list[Line]]) -> int:
        """One transaction; returns how many labels are new. What merged journals hold twice is kept once."""
        rows = {}
        for name, lines in files.items():
            for line in lines:
                try:
                    if line.payload is None:
                        raise ValueError(line.reason)
                    rows[line.id] = tables.label_row(line.id, line.payload)
                except (KeyError, ValueError, TypeError, AttributeError) as error:
                    self.notices.append(f"A label in {name} at byte {line.start} was left out: {error}. Run verify.")
        connection.execute("BEGIN")
        count = 0
        if rows:
            connection.register("news", tables.arrow("labels", list(rows.values())))
            count = connection.execute(
                "INSERT INTO labels SELECT * FROM news WHERE id NOT IN (SELECT id FROM labels)"
            ).fetchone()[0]
            connection.unregister("news")
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
                self._question_ids.setdefault(record.payload["fingerprint"], id)
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
            self.notices.append(f"Trial {record.id} could not be scored: {type(error).__name__}: {error}.")
            return None


def _read_all(connection) -> None:
    """Reads every block, so that DuckDB compares its checksum."""
    for table in tables.TABLES:
        connection.execute(f"SELECT bit_xor(hash(t)) FROM {table} t").fetchall()


def _drained(progress: Generator[Progress, None, int]) -> int:
    while True:
        try:
            next(progress)
        except StopIteration as end:
            return end.value


def _stuck(error: Exception | str, path: Path) -> Stuck:
    return Stuck(f"The database cannot be written: {_first_line(error)}", where=str(path),
                 todo="Free some space, or set GROUNDWORK_HOME to a folder that may be written.")  # fmt: skip


def _first_line(error: Exception | str) -> str:
    return error.what if isinstance(error, WorkbenchError) else str(error).split("\n")[0]


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_ctime_ns
    except FileNotFoundError:
        return 0
