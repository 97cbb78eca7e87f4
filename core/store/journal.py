"""What was measured, kept for ever: one immutable file a record, the only truth the store has.

A file holds two lines, gzipped: a header `{"schema", "kind", "id", "sha256"}` and the payload as JSON. It is written to
a temporary name, synced, renamed, and its folder synced: an id that was handed out survives a kill or a power cut and a
half-written record never carries a record's name. Writers share no lock. Two people merge their journals by copying
files. Records live in one folder a day, so that a folder stays quick to list.
"""

import gzip
import hashlib
import json
import os
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from core.errors import WorkbenchError
from core.files import FORBIDDEN, contents, read_json, synced, take_place
from core.files.ids import id_time, new_id, well_formed
from core.records import Progress
from core.store.batch_tables import BATCH_TABLES

SCHEMA = 1
KINDS = ("trial", "trial_note", "questions", "answer", "index", "samples", "study", "experiment", "decision", *BATCH_TABLES)
SEGMENT = ".label.jsonl"  # labels share a file, see core/store/segments.py
SEGMENT_END = ".label.end"  # how far such a file goes
SUFFIX = ".jsonl.gz"
OPENING_BYTES = 4096
LARGEST_BYTES = 1 << 30  # of a record, unpacked: a few KB of foreign zeros must not fill the memory
# (kind, schema) -> payload of the next schema. Records are never rewritten: old ones are upgraded as they are read.
UPGRADES: dict[tuple[str, int], Callable[[dict], dict]] = {}


class Record(NamedTuple):
    id: str
    kind: str
    payload: dict[str, Any]


class Damage(NamedTuple):
    path: str
    reason: str


class JournalReport(NamedTuple):
    """`counts`: whole records per kind. `leftovers`: temporary files of writers that were killed; they hold nothing
    that was ever acknowledged."""

    counts: dict[str, int]
    damaged: tuple[Damage, ...]
    leftovers: tuple[str, ...]


class Entry(NamedTuple):
    kind: str
    path: Path


def remedy(error: OSError) -> str:
    """What to do about a file that cannot be read or written."""
    if error.errno in FORBIDDEN:
        return "Ask for permission to this folder, or set GROUNDWORK_HOME to a copy of it"
    return "Free some space"


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # numpy arrays and scalars
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is not plain JSON")


def plain_json(kind: str, payload: dict) -> bytes:
    try:
        return json.dumps(payload, separators=(",", ":"), allow_nan=False, default=_plain).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise WorkbenchError(
            f"This {kind} cannot be recorded: {error}.", todo="A value that could not be measured is null."
        ) from None


def _quickly(payload: dict) -> tuple[bytes, dict] | None:
    """The payload as JSON and as that reads back, in a fifth of the time; None where it is not the same then, as with NaN,
    an array or a number beyond 64 bits."""
    try:
        body = orjson.dumps(payload)
        back = orjson.loads(body)
    except (TypeError, ValueError, RecursionError):
        return None
    return (body, back) if body.isascii() and back == payload else None


def encode(record_id: str, kind: str, payload: dict, check: Callable[[Record], None] | None = None) -> bytes:
    """The bytes of a record's file. check: raises ValueError on what shall not be recorded, as it would be read back."""
    body, back = _quickly(payload) or (plain_json(kind, payload), None)
    try:
        if check:
            check(Record(record_id, kind, _payload(body) if back is None else back))
    except ValueError as error:
        raise WorkbenchError(f"This {kind} cannot be recorded: {error}.", todo="Nothing of it was stored.") from None
    if len(body) > LARGEST_BYTES:
        raise WorkbenchError(f"This {kind} cannot be recorded: it is larger than {LARGEST_BYTES >> 20} MiB.")
    header = json.dumps({"schema": SCHEMA, "kind": kind, "id": record_id, "sha256": checksum(SCHEMA, kind, record_id, body)})
    # level 1: rankings are mostly random digits, which level 6 shrinks by 7% more in six times the time
    return gzip.compress(header.encode("ascii") + b"\n" + body + b"\n", 1, mtime=0)


def decode(data: bytes, name: str) -> Record:
    """The record in a file's bytes; ValueError says what is wrong with it."""
    try:
        unpacking = zlib.decompressobj(wbits=31)  # gzip
        text = unpacking.decompress(data, LARGEST_BYTES)
        if not unpacking.eof or unpacking.unused_data:
            raise ValueError("the file is cut off, or longer than its record")
        head, body = text.split(b"\n")[:2]
        header = read_json(head, "its header")
        schema, kind, record_id, expected = (header[key] for key in ("schema", "kind", "id", "sha256"))
    except (zlib.error, ValueError, KeyError, TypeError, WorkbenchError) as error:
        raise ValueError(f"unreadable: {error}") from None
    if expected != checksum(schema, kind, record_id, body):
        raise ValueError("its checksum does not match its contents")
    if name != f"{record_id}.{kind}{SUFFIX}":
        raise ValueError(f"it holds {kind} {record_id}")
    if not well_formed(record_id):
        raise ValueError("its name is no id")
    payload = upgraded(schema, kind, body)
    if kind not in KINDS:
        raise ValueError(f"this version knows no kind of record '{kind}'")
    return Record(record_id, kind, payload)


def upgraded(schema: Any, kind: str, body: bytes) -> dict[str, Any]:
    """The payload as this version writes it; ValueError says why it cannot be read."""
    if type(schema) is not int or schema < 1:
        raise ValueError(f"its schema {str(schema)[:40]!r} is no number")
    if schema > SCHEMA:
        raise ValueError(f"it was written by a newer version (schema {schema}, this version reads up to {SCHEMA})")
    payload = _payload(body)
    for version in range(schema, SCHEMA):
        payload = UPGRADES.get((kind, version), lambda same: same)(payload)
    return payload


def _payload(body: bytes) -> dict[str, Any]:
    try:
        return read_json(body, "its payload", of=dict, most=LARGEST_BYTES, numbers="any")
    except WorkbenchError as error:
        raise ValueError(error.what) from None


def unpacked_bytes(path: Path) -> int:
    """Of a whole record's file, as gzip notes it at the end: `decode` has held it against what it unpacked."""
    with open(path, "rb") as file:
        file.seek(-4, os.SEEK_END)
        return int.from_bytes(file.read(), "little")


def checksum(schema: int, kind: str, record_id: str, body: bytes) -> str:
    return hashlib.sha256(f"{schema} {kind} {record_id}\n".encode() + body).hexdigest()


class Journal:
    """Records below one folder. Any number of processes and threads may add, list and read at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.damaged: dict[str, str] = {}  # path -> reason, of the files skipped so far
        self._days: dict[Path, tuple[int, dict[str, Entry]]] = {}  # day -> (change time when listed, its entries)
        self._listing: dict[str, Entry] = {}
        self._lock = threading.Lock()

    def add(self, kind: str, payload: dict, after: str = "", check: Callable[[Record], None] | None = None) -> str:
        """Writes one record; returns its id, which follows that of `after`, once it is on disk to stay. check: see `encode`."""
        if kind not in KINDS:
            raise WorkbenchError(f"There is no kind of record '{kind}'.", todo=f"Kinds: {', '.join(KINDS)}.")
        record_id = new_id(after)
        self.put(record_id, kind, encode(record_id, kind, payload, check))
        return record_id

    def put(self, record_id: str, kind: str, data: bytes) -> None:
        """Keeps the bytes of a record's file under its id, as they come from another journal."""
        day = self._day(record_id)
        temporary = day / f".{new_id()}.tmp"
        try:
            if not day.is_dir():
                day.mkdir(parents=True, exist_ok=True)
                synced(self.folder)
            with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            take_place(temporary, day / f"{record_id}.{kind}{SUFFIX}")
        except OSError as error:
            raise WorkbenchError(
                f"This {kind} could not be recorded: {error.strerror}.",
                where=str(day),
                todo=f"{remedy(error)}, then run it again.",
            ) from error
        finally:
            with suppress(OSError):  # gone after the rename
                temporary.unlink()

    def listing(self) -> dict[str, Entry]:
        """id -> entry of every record that is here, unread. The same object as before if nothing changed."""
        with self._lock:
            days = _days(self.folder)
            changed = [day for day in days if self._list_day(day)]
            if changed or len(days) != len(self._days):
                gone = self._days.keys() - set(days)
                self._days = {day: self._days[day] for day in days}
                self._listing = self._relisted([self._days[day][1] for day in changed], bool(gone))
            return self._listing

    def mark(self) -> str:
        """Another one after each change. Not by the newest id alone: records of others that are merged may be older."""
        listing = self.listing()
        return f"{len(listing)} {next(reversed(listing), '')}"

    def _relisted(self, changed: list[dict[str, Entry]], gone: bool) -> dict[str, Entry]:
        """The listing anew. Where records were only added behind the last, as they are, what is old need not be sorted again."""
        new = {record_id: entry for entries in changed for record_id, entry in entries.items() if record_id not in self._listing}
        count = sum(len(entries) for _, entries in self._days.values())
        if not gone and new and count == len(self._listing) + len(new) and min(new) > next(reversed(self._listing), ""):
            return self._listing | dict(sorted(new.items()))
        return dict(sorted(pair for _, entries in self._days.values() for pair in entries.items()))

    def read(self, record_id: str) -> Record:
        """One record by its id; WorkbenchError if it is not here or damaged."""
        places = (self._day(record_id) / f"{record_id}.{kind}{SUFFIX}" for kind in KINDS)
        path = next((path for path in places if path.exists()), None)
        if path is None and record_id in (entries := self.listing()):  # copied into a folder of another name
            path = entries[record_id].path
        if path is None:
            raise WorkbenchError(f"There is no record '{record_id}'.", where=str(self.folder))
        record = self.load(path)
        if record is None:
            raise WorkbenchError(
                f"Record {record_id} cannot be read: {self.damaged[str(path)]}.",
                where=str(path),
                todo="Copy the file back from a backup.",
            )
        return record

    def opening(self, path: Path, field: str) -> dict[str, Any] | None:
        """What stands in a payload before `field`, without unpacking the rest; the checksum is not looked at. None if the
        file cannot be read."""
        try:
            text = zlib.decompressobj(wbits=31).decompress(contents(path), OPENING_BYTES)
            start, mark, _ = text.partition(b"\n")[2].partition(f',"{field}":'.encode())
            return read_json(start + b"}", of=dict) if mark else self.load(path).payload
        except (OSError, zlib.error, ValueError, WorkbenchError) as error:
            self.damaged[str(path)] = f"unreadable: {error}"
            return None
        except AttributeError:  # `load` has said why
            return None

    def records(self, since: str = "") -> Iterator[Record]:
        """Every whole record whose id is larger than `since`, oldest first. Damaged ones are noted and skipped."""
        for record_id, entry in self.listing().items():
            if record_id > since and (record := self.load(entry.path)):
                yield record

    def load(self, path: Path) -> Record | None:
        """The record in a file; None, with the reason in `damaged`, if it is not whole."""
        try:
            record = decode(contents(path), path.name)
        except OSError as error:
            self.damaged[str(path)] = f"it cannot be read: {error.strerror}"
            return None
        except ValueError as error:
            self.damaged[str(path)] = str(error)
            return None
        self.damaged.pop(str(path), None)
        return record

    def verify(self, each: Callable[[Record], None] = lambda _: None) -> Generator[Progress, None, JournalReport]:
        """Reads every record and checks its checksum; `each` is given the whole ones."""
        entries, counts, damaged = self.listing(), Counter(), []
        for done, entry in enumerate(entries.values()):
            if done % 100 == 0:
                yield Progress(done, len(entries), "Checking records")
            if record := self.load(entry.path):
                counts[entry.kind] += 1
                each(record)
            else:
                damaged.append(Damage(str(entry.path), self.damaged[str(entry.path)]))
        strangers = [path for path in self._others() if path.suffix != ".tmp"]
        damaged += [Damage(str(path), "not the name of a record") for path in strangers]
        damaged += [Damage(str(day), self.damaged[str(day)]) for day in _days(self.folder) if str(day) in self.damaged]
        return JournalReport(dict(counts), tuple(damaged), tuple(map(str, self.leftovers())))

    def leftovers(self, age_s: float = 60) -> list[Path]:
        """Temporary files that no writer can still be writing."""
        temporary = [path for path in self._others() if path.suffix == ".tmp"]
        return [path for path in temporary if time.time() - _modified(path) > age_s]

    def _others(self) -> list[Path]:
        readable = (day for day in _days(self.folder) if str(day) not in self.damaged)
        return sorted(
            Path(item.path)
            for day in readable
            for item in _scan(day)
            if not item.name.endswith((SEGMENT, SEGMENT_END)) and (not item.name.endswith(SUFFIX) or item.name.count(".") != 3)
        )

    def _list_day(self, day: Path) -> bool:
        """Lists a day's folder again if it may have changed. The change time, unlike the modification time, cannot be
        set by a copying tool; within a second of it the clock's grain could hide a record, so it is listed again."""
        known_ns, entries = self._days.get(day, (0, {}))
        try:
            changed_ns = day.stat().st_ctime_ns
            if changed_ns == known_ns:
                return False
            self.damaged.pop(str(day), None)
            names = [item.name for item in _scan(day) if item.name.endswith(SUFFIX) and item.name.count(".") == 3]
        except OSError as error:  # one folder that cannot be read must not hide the others
            self.damaged[str(day)] = f"the folder cannot be read: {error.strerror}"
            changed_ns, names = 0, []
        listed = {}
        for name in names:  # a day may hold thousands, of which a few are new
            record_id, kind, *_ = name.split(".")
            before = entries.get(record_id)
            listed[record_id] = before if before and before.kind == kind else Entry(kind, day / name)
        settled = time.time_ns() - changed_ns > 1_000_000_000
        self._days[day] = (changed_ns if settled else 0, listed)
        return listed != entries

    def _day(self, record_id: str) -> Path:
        try:
            return self.folder / id_time(record_id).strftime("%Y-%m-%d")
        except (ValueError, OverflowError, OSError):
            return self.folder / "unknown"


def _scan(folder: Path) -> list[os.DirEntry]:
    try:
        with os.scandir(folder) as items:
            return list(items)
    except FileNotFoundError:
        return []


def _days(folder: Path) -> list[Path]:
    try:
        return [Path(item.path) for item in _scan(folder) if _is_folder(item)]
    except OSError as error:
        raise WorkbenchError(
            f"The journal cannot be read: {error.strerror}.", where=str(folder), todo=f"{remedy(error)}."
        ) from None


def _is_folder(item: os.DirEntry) -> bool:
    try:
        return item.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _modified(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except FileNotFoundError:  # just renamed into place
        return time.time()
