"""Records of the journal and lines of labels, turned into rows and put into a connection, as many at once as pay."""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import WorkbenchError
from core.store import rows, tables
from core.store.database_file import first_line
from core.store.journal import Damage, Entry, Journal, Record, unpacked_bytes
from core.store.segments import Line, Segments, read_lines

BATCH_LABELS = 20_000  # labels a transaction
BATCH_RECORDS, BATCH_BYTES = 512, 64_000_000  # records and their bytes, unpacked, a transaction: bounds memory, lock time
SELDOM = 50_000  # objects more, before those without a use are looked for


class FoldBatch(NamedTuple):
    """Records turned into rows, ready to insert."""

    records: list[Record]
    tables: dict[str, Any]  # name -> pyarrow.Table, of the records that the tables can hold


class Folding:
    """What the tables cannot hold is left out, and `note` is told. derive: see `rows.Derive`, words: `rows.Words`."""

    def __init__(
        self,
        journal: Journal,
        labels: Segments,
        derive: rows.Derive | None,
        note: Callable[[str], None],
        words: rows.Words | None = None,
    ) -> None:
        self.journal, self.labels, self.derive, self.note, self._words = journal, labels, derive, note, words
        self.unfoldable: dict[str, int] = {}  # id -> change time of the file that could not be folded
        self._question_ids: dict[str, str] = {}  # fingerprint -> id of the record
        self._question_records: set[str] = set()  # ids of the records looked into for them
        self._looked_through: dict[str, Entry] | None = None  # the listing in which there is nothing more of them
        self._recent_questions = lru_cache(8)(self.questions)
        # (listing, what of it was folded, the rest of it) as `news` found it last: a page asks a dozen times while nothing changes
        self._waiting: tuple[dict[str, Entry], frozenset[str], list[str]] = ({}, frozenset(), [])

    def news(self, folded: frozenset[str]) -> list[str]:
        """Ids of the journal that are not in the database, oldest first; a damaged file again once it has changed."""
        listing, bad = self.journal.listing(), self.unfoldable
        before, then, waiting = self._waiting
        if listing is not before or folded is not then:
            waiting = sorted(listing.keys() - folded)
            self._waiting = listing, folded, waiting
        return [
            record_id
            for record_id in waiting
            if not (record_id in bad and bad[record_id] == _changed_ns(listing[record_id].path))
        ]

    def batches(self, ids: Sequence[str]) -> Iterator[tuple[FoldBatch, int]]:
        """These records, as many at once as make one transaction, each with how many of the ids are dealt with."""
        records, size, listing = [], 0, self.journal.listing()
        for done, path in enumerate((listing[record_id].path for record_id in ids), 1):
            if record := self.journal.load(path):
                records.append(record)
                size += unpacked_bytes(path)
            else:
                self._skip(path, self.journal.damaged[str(path)])
            if records and (len(records) >= BATCH_RECORDS or size >= BATCH_BYTES or done == len(ids)):
                yield self.prepared(records), done
                records, size = [], 0

    def _skip(self, path: Path, reason: str) -> None:
        record_id = path.name.split(".")[0]
        self.unfoldable[record_id] = _changed_ns(path)
        self.note(f"Record {record_id} was left out: {reason} [{path}]. Run verify.")

    def prepared(self, records: list[Record]) -> FoldBatch:
        """Rows of these records; what the tables cannot hold is left out."""
        made, bad = rows.gathered(records, self.rows)
        for record, reason in bad:
            self._skip(self.journal.listing()[record.id].path, reason)
        out = {record.id for record, _ in bad}
        return FoldBatch([record for record in records if record.id not in out], made)

    def rows(self, record: Record) -> rows.Rows:
        """The rows of a record, with what is derived from it."""
        return rows.rows(record, self.scores(record), self.words(record))

    def words(self, record: Record) -> dict[str, str]:
        """What the recipe of a trial is called; {} where it cannot be told."""
        if record.kind == "trial" and self._words:
            with suppress(Exception):  # a recipe of any shape
                return self._words(record.payload)
        return {}

    def insert_all(self, connection, batch: FoldBatch) -> set[str]:
        """Inserts a batch, and where DuckDB refuses one of its records the others; returns the ids that are in."""
        import duckdb

        if not batch.records:
            return set()
        try:
            self._insert_batch(connection, batch)
            return {record.id for record in batch.records}
        except (duckdb.ProgrammingError, duckdb.DataError, duckdb.IntegrityError, duckdb.NotSupportedError) as error:
            connection.execute("ROLLBACK")
            if len(batch.records) == 1:
                self._skip(self.journal.listing()[batch.records[0].id].path, first_line(error))
                return set()
        half = len(batch.records) // 2
        return set().union(
            *(self.insert_all(connection, self.prepared(some)) for some in (batch.records[:half], batch.records[half:]))
        )

    def _insert_batch(self, connection, batch: FoldBatch) -> None:
        """One transaction. Trials that came before their questions are scored now."""
        connection.execute("BEGIN")
        insert(connection, batch.tables)
        trials = [
            record.payload["trial"] if record.kind == "trial_note" else record.id
            for record in batch.records
            if record.kind in ("trial", "trial_note")
        ]
        connection.execute(tables.NAMED, [rows.encodable(trials)])
        arrived = [record.payload["fingerprint"] for record in batch.records if record.kind == "questions"]
        waiting = connection.execute(
            "SELECT id FROM trials WHERE NOT scored AND list_contains(?::VARCHAR[], questions_fingerprint)",
            [rows.encodable(arrived)],
        )
        for (trial_id,) in waiting.fetchall():
            if scored := self.scores(self.journal.read(trial_id)):
                derived = rows.scored(scored)
                insert(connection, {name: rows.arrow(name, made) for name, made in derived.items()})
                connection.execute(
                    "UPDATE trials SET scored = true, measured = ? WHERE id = ?", [rows.measured(derived), trial_id]
                )
        connection.execute("COMMIT")

    def label_batches(self, folded: dict[str, int]) -> Iterator[dict[str, list[Line]]]:
        """File -> its new lines, as many at once as make one transaction."""
        lines = ((path.name, line) for path in self.labels.paths() for line in read_lines(path, folded.get(path.name, 0)))
        while batch := list(islice(lines, BATCH_LABELS)):
            files: dict[str, list[Line]] = {}
            for name, line in batch:
                files.setdefault(name, []).append(line)
            yield files

    def note_torn(self) -> None:
        for path in self.labels.torn():
            self.note(
                f"The last line of {path} was cut off and is left out. A kill does that before a label is acknowledged, "
                "a failing disk perhaps after."
            )

    def label_rows(self, files: dict[str, list[Line]]) -> tuple[dict[str, Any], dict[str, Damage]]:
        """(rows of these lines as `insert` takes them, the labels that no table can hold by id)."""
        lines, places = {}, {}
        for name, segment in files.items():
            for line in segment:
                place = f"{self.labels.folder / name}:{line.start}"
                if line.payload is None:
                    self.labels.damaged[place] = line.reason
                else:
                    lines[line.id], places[line.id] = line, place
        made, bad = rows.gathered(list(lines.values()), lambda line: {"labels": [rows.label_row(line.id, line.payload)]})
        left = {line.id: Damage(places[line.id], reason) for line, reason in bad}
        self.labels.damaged.update(left.values())
        return made, left

    def insert_labels(self, connection, files: dict[str, list[Line]]) -> int:
        """One transaction; returns how many labels are new. What merged journals hold twice is kept once."""
        import duckdb

        made, _ = self.label_rows(files)
        connection.execute("BEGIN")
        count = 0
        for labels in made.values():
            try:
                connection.register("news", labels)
                count = connection.execute(
                    "INSERT INTO labels SELECT * FROM news WHERE id NOT IN (SELECT id FROM labels)"
                ).fetchone()[0]
                connection.unregister("news")
            except (duckdb.ProgrammingError, duckdb.DataError) as error:
                connection.execute("ROLLBACK")
                if sum(map(len, files.values())) > 1:
                    return sum(self.insert_labels(connection, some) for some in _halves(files))
                self.note(f"A label in {next(iter(files))} was left out: {first_line(error)}. Run verify.")
                connection.execute("BEGIN")
        for name, lines in files.items():
            connection.execute("DELETE FROM segments WHERE name = ?", [name])
            connection.execute("INSERT INTO segments VALUES (?, ?)", [name, lines[-1].end])
        connection.execute("COMMIT")
        return count

    def question_record(self, fingerprint: str) -> str:
        """Id of the record with these questions, "" if the journal has none."""
        listing = self.journal.listing()
        if fingerprint not in self._question_ids and listing is not self._looked_through:
            listed = [record_id for record_id, entry in listing.items() if entry.kind == "questions"]
            for record_id in listed:
                if record_id not in self._question_records and (record := self.journal.load(listing[record_id].path)):
                    if isinstance(of := record.payload.get("fingerprint"), str):
                        self._question_ids.setdefault(of, record_id)
                    self._question_records.add(record_id)
            self._looked_through = listing if self._question_records.issuperset(listed) else None
        return self._question_ids.get(fingerprint, "")

    def questions(self, fingerprint: str) -> dict:
        """The payload of a set of questions, as it was recorded."""
        if not (record_id := self.question_record(fingerprint)):
            raise WorkbenchError(f"There are no questions '{fingerprint}'.", where=str(self.journal.folder))
        return self.journal.read(record_id).payload

    def scores(self, record: Record) -> list[tuple] | None:
        """Score rows of a trial; None where there are none to be had (yet)."""
        if record.kind != "trial" or not self.derive or not record.payload.get("rankings"):
            return None
        try:
            questions = self._recent_questions(record.payload.get("questions_fingerprint", ""))
        except WorkbenchError:
            return None
        try:
            return rows.score_rows(record.id, record.payload, questions, self.derive)
        except Exception as error:  # derive is given from outside: whatever goes wrong in it must not stop the store
            self.note(f"Trial {record.id} could not be scored: {type(error).__name__}: {error}.")
            return None


@contextmanager
def seldom_collected(more: int = SELDOM) -> Iterator[None]:
    """Rows and records are many small objects without cycles: to look through them for some takes a quarter of the time of
    making them. more: objects, before it is done."""
    before = gc.get_threshold()
    gc.set_threshold(max(more, before[0]), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def insert(connection, made: dict[str, Any]) -> None:
    for name, table in made.items():
        connection.register("news", table)
        connection.execute(
            f"INSERT INTO {name} SELECT DISTINCT * FROM news {tables.UNLESS}"
            if name in tables.ONCE
            else f"INSERT INTO {name} SELECT * FROM news"
        )
        connection.unregister("news")


def _halves(files: dict[str, list[Line]]) -> list[dict[str, list[Line]]]:
    lines = [(name, line) for name, segment in files.items() for line in segment]
    halves: list[dict[str, list[Line]]] = [{}, {}]
    for place, (name, line) in enumerate(lines):
        halves[2 * place // len(lines)].setdefault(name, []).append(line)
    return halves


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_ctime_ns
    except OSError:
        return 0
