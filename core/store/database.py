"""The one door to DuckDB. The journal is the truth; the database is what it is read and queried from.

Writing a record touches the journal only, so sweeps and jobs write side by side with no lock to wait for. Whoever reads
first folds in what is new. A database that is lost, damaged or older is made again from the journal with the same
contents. `database_file.py` opens it, `folding.py` puts records and labels into it, `verification.py` holds both
against each other.

What the tables cannot hold is refused before it is acknowledged; a record of others that they cannot hold is left out and
named, and the rest is folded.

Merging two stores: copy the one journal folder into the other.
"""

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, TypeVar

from core.errors import WorkbenchError
from core.files import Busy, remedy_of, take_place
from core.files.ids import new_id
from core.progress import drain
from core.records import Progress
from core.store import backup, rows, sql_process, tables, verification
from core.store.batches import batches
from core.store.database_file import FOLD_WAIT_S, READER, WRITE_WAIT_S, Damaged, DatabaseFile, InUse, Stuck, first_line
from core.store.folding import Folding, seldom_collected
from core.store.journal import Journal, Record
from core.store.segments import Segments
from core.store.sql_process import SqlResult
from core.store.verification import StoreReport

BATCH_ASIDE = 256  # records folded at once while others read


class Seen(NamedTuple):
    """What the database held when its file looked like `stamp`."""

    stamp: tuple
    folded: frozenset[str]
    meta: dict[str, str]
    segments: dict[str, int] = {}  # file of labels -> bytes of it that are folded


class StudyRecord(NamedTuple):
    id: str
    study: str
    round: str


class ExperimentRecord(NamedTuple):
    id: str
    experiment: str


Opening = TypeVar("Opening", StudyRecord, ExperimentRecord)


class Store:
    """Journal and database below one folder. One a process; its threads share it.

    derive: scores of a trial, from its payload and its questions' (see `rows.Derive`); words: what its recipe is called
    (`rows.Words`); `derive_version` names the code of both, so that what older code made is made again; asked for when the
    store is first read. Whoever folds must be given all three.
    """

    examples = tables.EXAMPLES
    describe = staticmethod(tables.describe)

    def __init__(
        self,
        home: Path | str,
        derive: rows.Derive | None = None,
        derive_version: str | Callable[[], str] = "",
        words: rows.Words | None = None,
        patience_s: float | None = None,
    ) -> None:
        self.home = Path(home)
        self.journal = Journal(self.home / "journal")
        self.labels = Segments(self.home / "journal" / "labels")
        self.notices: list[str] = []  # what people should hear of: repairs, records left out
        self.stale = ""  # why the latest records are not in what was read last; "" if they are
        self.file = DatabaseFile(self.home, self.note)
        self.folding = Folding(self.journal, self.labels, derive, self.note, words)
        self._version = derive_version if derive else ""
        self._seen = Seen((), frozenset(), {})
        # how long an answer waits for what others are recording; None: until all of it is in. What this process itself recorded
        # is always in
        self.patience_s = patience_s
        self.late = 0  # answers given so far that were not of all that is recorded
        self._own: set[str] = set()  # records of this process that may not be folded yet
        self._own_labels = False
        self._aside: threading.Thread | None = None  # folds while answers are given
        self._aside_lock = threading.Lock()
        self._opened: dict[str, tuple[dict, list]] = {}  # kind -> of which listing, what it holds

    # writing

    def add(self, kind: str, payload: dict, after: str = "") -> str:
        """Records something for ever; returns its id, which follows `after`. Questions are kept once per fingerprint."""
        if kind == "questions" and (record_id := self.folding.question_record(payload["fingerprint"])):
            return record_id
        record_id = self.journal.add(kind, payload, after, rows.check)
        if self.patience_s is not None:
            self._own.add(record_id)
        return record_id

    def add_label(self, payload: dict) -> str:
        """Records one label for ever; returns its id."""
        self._own_labels = True
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

    def fold(self, seconds: float = WRITE_WAIT_S, most: int | None = None) -> int:
        """Brings the journal's news into the database, or so many of its records; returns how many records that were."""
        folded, whole = 0, True
        if self._outdated() or self.folding.news(self._seen.folded) or self._new_segments():
            import duckdb  # noqa: F401  # loaded before others wait for us
            import pyarrow  # noqa: F401

            with self.file.folding(seconds):
                try:
                    if reason := self._outdated():
                        folded = self._remake(reason)
                    else:
                        news = self.folding.news(self._seen.folded)  # of now: what comes meanwhile could keep it here for ever
                        whole = most is None or len(news) <= most
                        folded = self._fold_records(news[:most]) + self._fold_labels()
                except Damaged as error:
                    folded = self._remake(f"it was damaged ({error.what})")
        self.stale = self.stale if not whole else ""
        return folded

    def rebuild(self) -> Generator[Progress, None, int]:
        """Makes the database anew from the journal and swaps it in at once; returns how many records it holds."""
        with self.file.folding(WRITE_WAIT_S):
            return (yield from self._made_anew())

    # reading

    def query(self, sql: str, params: Sequence | dict = ()) -> list[dict[str, Any]]:
        """Rows as mappings, news folded in first."""

        def fetch(connection) -> list[dict]:
            result = connection.execute(sql, _encodable(params))
            names = [column[0] for column in result.description]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

        return self._read(fetch)

    def recorded(self, kind: str, sql: str, params: Sequence | dict = ()) -> list[dict[str, Any]]:
        """A row each of what the query tells, in its order: its columns, of which `key` is one, and the value that is recorded under it;
        of what several records hold under one key, as of merged journals, the first."""
        rows = self.query(sql, params)
        values = batches(self.home).read(kind, [row["key"] for row in rows])
        return [row | values.pop(row["key"]) for row in rows if row["key"] in values]

    def stored(
        self, kind: str, sql: str, params: Sequence, row: Callable[[Record], dict[str, Any] | None]
    ) -> list[dict[str, Any]]:
        """Rows as `query` gives them, and `row` of each record that the database does not hold, as it does while it cannot
        be written: whoever asks what is stored, so as not to do it twice, must not be given an old answer."""
        try:
            table, folded = self.query(sql, params), self._seen.folded
        except (Busy, Stuck, InUse, Damaged) as error:
            self._is_stale(error)
            table, folded = [], frozenset()
        listing = self.journal.listing()
        waiting = [record_id for record_id, entry in listing.items() if entry.kind == kind and record_id not in folded]
        for record_id in waiting:
            if record_id not in self.folding.unfoldable and (record := self.journal.load(listing[record_id].path)):
                with suppress(Exception):  # of any shape; it was never folded, and `verify` names it
                    table += filter(None, [row(record)])
        return table

    def frame(self, sql: str, params: Sequence | dict = ()):
        """The same as a pandas DataFrame."""
        return self._read(lambda connection: connection.execute(sql, params).df())

    def columns(self, sql: str, params: Sequence | dict = ()) -> dict[str, Any]:
        """The same as a numpy array a column, masked where something is NULL; pandas takes longer to load than most queries."""
        return self._read(lambda connection: connection.execute(sql, params).fetchnumpy())

    def sql(self, text: str, row_cap: int = 10_000, seconds: float = 10.0) -> SqlResult:
        """One SELECT written by a person: read-only, with no way out of the database, in a process of its own."""
        import duckdb

        def fetch(_) -> SqlResult:
            try:
                return sql_process.ask(self.file.path, text, READER, row_cap, seconds)
            except sql_process.Failed as error:
                raise getattr(duckdb, error.kind, duckdb.Error)(error.said) from None

        with sql_process.place(seconds):
            try:
                return self._read(fetch, connect=False)
            except duckdb.Error as error:
                raise WorkbenchError(str(error)) from None

    def questions(self, fingerprint: str) -> dict:
        """The payload of a set of questions, as it was recorded."""
        return self.folding.questions(fingerprint)

    def studies(self) -> list[StudyRecord]:
        """Every version of every study, oldest first, as the journal has them at this moment: what is decided by them, such
        as whether a round is frozen, must not wait for a fold."""
        return self._openings("study", "design", StudyRecord)

    def experiments(self) -> list[ExperimentRecord]:
        """Every version of every experiment in the same way."""
        return self._openings("experiment", "document", ExperimentRecord)

    def _openings(self, kind: str, field: str, shape: type[Opening]) -> list[Opening]:
        """What stands before `field` in the records of a kind, oldest first. shape: names of texts, the first the record's id."""
        listing, (before, records) = self.journal.listing(), self._opened.get(kind, ({}, []))
        if listing is not before:
            by_id, records = {record.id: record for record in records}, []
            for record_id, entry in listing.items():
                if entry.kind != kind:
                    continue
                if record_id in by_id:
                    records.append(by_id[record_id])
                    continue
                opening = self.journal.opening(entry.path, field) or {}
                record = shape(record_id, *(opening.get(name) for name in shape._fields[1:]))
                if all(isinstance(name, str) for name in record):
                    records.append(record)
                else:
                    why = self.journal.damaged.get(str(entry.path), f"it does not say which {kind} it is of")
                    article = "an" if kind[0] in "aeiou" else "a"
                    self.note(f"A version of {article} {kind} was left out: {why} [{entry.path}].")
            self._opened[kind] = listing, records
        return records

    # looking after it

    def verify(self) -> Generator[Progress, None, StoreReport]:
        """Checks every record's checksum, that the database reads whole, and that both hold the same."""
        return verification.verify(self.folding, self.file, self.fold)

    def backup(self, path: Path | str) -> Generator[Progress, None, Path]:
        """Journal and database in one zip, read back before it gets its name."""
        return backup.backup(self.folding, self.file, self.fold, path)

    # the database file

    def _read(self, fetch: Callable[[Any], Any], connect: bool = True) -> Any:
        """Runs `fetch` on a read-only connection. A database that proves damaged is made anew, once.

        connect: False where `fetch` has another process open the database; it is given None.
        """
        try:
            self._freshen()
        except (Busy, Stuck, InUse) as error:
            self._is_stale(error)
        try:
            with self.file.reader(connect) as connection:
                return fetch(connection)
        except Damaged as error:
            self._repair(error.what)
        with self.file.reader(connect) as connection:
            return fetch(connection)

    def _freshen(self) -> None:
        """Folds the news in before a read, or has them folded aside where that takes longer than the reader is patient. The
        first read of a process is of all that was recorded, and each of all that this process recorded."""
        if self.patience_s is None or not self._seen.stamp:
            self.fold(FOLD_WAIT_S)
            return
        with self._aside_lock:
            thread = self._aside if self._aside and self._aside.is_alive() else None
            if not thread:
                if self._outdated():
                    self.fold(FOLD_WAIT_S)
                elif not self.folding.news(self._seen.folded) and not self._new_segments():
                    self.stale = ""
                else:
                    thread = self._aside = threading.Thread(target=self._fold_aside, name="fold")
                    thread.start()
                    thread.join(self.patience_s)  # who comes while it folds does not wait
        if self._own_waiting() or self._own_labels:
            with self.file.folding(FOLD_WAIT_S):
                self._own_labels = False
                if not self._outdated():  # another process may have folded them
                    self._fold_records(self._own_waiting())
                    self._fold_labels()
        if thread and thread.is_alive():
            self.late += 1
            self.stale = "The latest records are not in every answer yet: others are recording, and theirs are being folded in."

    def _own_waiting(self) -> list[str]:
        """Records of this process that are not folded yet, oldest first."""
        seen, bad = self._seen.folded, self.folding.unfoldable
        self._own.difference_update([record_id for record_id in list(self._own) if record_id in seen or record_id in bad])
        return sorted(self._own)

    def _fold_aside(self) -> None:
        try:
            while threading.main_thread().is_alive() and self.fold(most=BATCH_ASIDE):
                pass
        except Exception as error:  # who reads is given the last state, and told
            self.stale = f"The latest records are not in every answer yet: {first_line(error)}"

    def _is_stale(self, error: WorkbenchError) -> None:
        self.stale = f"The latest records are not in every answer yet: {error.what}"

    @cached_property
    def _derive_version(self) -> str:
        return self._version() if callable(self._version) else self._version

    def _outdated(self) -> str:
        """Why the database has to be made anew, "" if it need not. Looks into the file only if it has changed."""
        import duckdb

        if not self.file.path.exists():
            return "it was missing"
        if self._seen.stamp != (stamp := self.file.stamp()):
            try:
                with self.file.reader() as connection:
                    meta = dict(connection.execute("SELECT key, value FROM meta").fetchall())
                    folded = frozenset(record_id for (record_id,) in connection.execute("SELECT id FROM folded").fetchall())
                    segments = {}
                    if int(meta["schema"]) == tables.SCHEMA:
                        segments = dict(connection.execute("SELECT name, bytes FROM segments").fetchall())
                    int(meta["schema"]), meta["derive_version"]
                    self._seen = Seen(stamp, folded, meta, segments)
            except (Damaged, duckdb.ProgrammingError, duckdb.DataError, KeyError, ValueError) as error:
                return f"it was damaged ({first_line(error)})"
        schema, derived = int(self._seen.meta["schema"]), self._seen.meta["derive_version"]
        if schema > tables.SCHEMA:
            raise WorkbenchError(
                "The database was made by a newer version of Groundwork.",
                where=str(self.file.path),
                todo="Update; or delete the file, it is made again from the journal.",
            )
        if schema < tables.SCHEMA or self._seen.meta.get("shape") != tables.SHAPE:
            return "it was made by an older version"
        return "its scores were derived by other code" if self.folding.derive and derived != self._derive_version else ""

    def _repair(self, reason: str) -> None:
        import duckdb

        with self.file.folding(WRITE_WAIT_S):
            try:
                with self.file.reader() as connection:  # it may be repaired already, or only the query at fault
                    verification.digests(connection, True)
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
        for stale in [*self.home.glob(f"{self.file.path.name}.*.rebuild*"), *self.journal.leftovers()]:
            with suppress(OSError):  # of a folder that may only be read, say: it is in nobody's way
                stale.unlink()
        temporary = self.home / f"{self.file.path.name}.{new_id()}.rebuild"
        meta = {"schema": str(tables.SCHEMA), "shape": tables.SHAPE, "derive_version": self._derive_version}
        self.folding.unfoldable.clear()
        ids, folded, segments, labels = list(self.journal.listing()), set(), {}, 0
        try:
            temporary.write_bytes(_empty(tuple(meta.items())))
            with seldom_collected(), duckdb.connect(str(temporary)) as connection:
                for batch, done in self.folding.batches(ids):
                    folded |= self.folding.insert_all(connection, batch)
                    yield Progress(done, len(ids), "Rebuilding the database")
                for files in self.folding.label_batches({}):
                    labels += self.folding.insert_labels(connection, files)
                    segments |= {name: lines[-1].end for name, lines in files.items()}
                    yield Progress(len(ids), len(ids), f"Rebuilding the database: {labels:,} labels")
                connection.execute("CHECKPOINT")  # closing writes it too, and tells nobody where that fails
            self.file.drop_logs()  # they do not belong to the new file
            take_place(temporary, self.file.path)  # who reads the old one keeps it
            self._seen = Seen(self.file.stamp(), frozenset(folded), meta, segments)
        except (OSError, duckdb.Error) as error:
            raise Stuck(
                f"The database could not be made: {first_line(error)}.",
                where=str(self.home),
                todo=f"Nothing is lost: {remedy_of(error)} and run rebuild.",
            ) from error
        finally:
            for part in self.home.glob(f"{temporary.name}*"):
                part.unlink()
        self.folding.note_torn()
        yield Progress(len(ids), len(ids), "Rebuilding the database")
        return len(folded) + labels

    def _fold_records(self, news: Sequence[str]) -> int:
        count = 0
        for batch, _ in self.folding.batches(news):
            if batch.records:
                with self.file.writer("folding in what is new") as connection:
                    new = self.folding.insert_all(connection, batch)
                self._seen = self._seen._replace(stamp=self.file.stamp(), folded=self._seen.folded | new)
                count += len(new)
        return count

    def _new_segments(self) -> list[Path]:
        """Files of labels that have grown since they were folded."""
        grown = []
        for path in self.labels.paths():
            with suppress(FileNotFoundError):
                if path.stat().st_size > self._seen.segments.get(path.name, 0):
                    grown.append(path)
        return grown

    def _fold_labels(self) -> int:
        folded = 0
        for files in self.folding.label_batches(self._seen.segments):
            with self.file.writer("folding in labels") as connection:
                folded += self.folding.insert_labels(connection, files)
            segments = self._seen.segments | {name: lines[-1].end for name, lines in files.items()}
            self._seen = self._seen._replace(stamp=self.file.stamp(), segments=segments)
        self.folding.note_torn()
        return folded


@cache
def _empty(meta: tuple[tuple[str, str], ...]) -> bytes:
    """The file of a database without rows: its hundreds of statements take longer than to fold in a small journal."""
    import duckdb

    with TemporaryDirectory(prefix="groundwork-empty-") as folder:
        path = Path(folder) / "empty.duckdb"
        with duckdb.connect(str(path)) as connection:
            connection.execute(tables.creation(dict(meta)))
        return path.read_bytes()


def _encodable(value: Any) -> Any:
    """Parameters without halves of characters, which DuckDB refuses; they are in nothing that is stored."""
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case list() | tuple():
            return list(map(_encodable, value))
        case dict():
            return {name: _encodable(each) for name, each in value.items()}
    return value
