"""Labels, kept for ever in append-only segments: small, frequent records share one file for each writing process.

A line is a header `{"schema", "kind", "id", "sha256"}`, a tab, the payload as JSON, and a newline; all of it is ASCII, so
neither tab nor newline occurs inside. It is written by one call and synced before its id is handed out. Whoever is killed
leaves at most one line without an end, which was never acknowledged; the next process opens a segment of its own, so
nothing is ever written behind it. Segments stand in the journal's folder and merge by copying, like all records.

A line's header names the checksum of the line before (`prev`), so lines that were taken out are missed; a small file beside
each segment says how far it went, so an end that was cut off is. Segments of older versions have neither.
"""

import json
import os
import stat
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import WorkbenchError
from core.files import read_json, synced
from core.files.ids import new_id
from core.store import rows
from core.store.journal import SCHEMA, SEGMENT, SEGMENT_END, Damage, checksum, plain_json, remedy, upgraded

KIND = "label"
END_BYTES = 64
TORN_S = 2.0  # a line without an end in a file untouched for so long has no writer any more


class Line(NamedTuple):
    """One line as it was read. `payload` None: it is not whole, `reason` says why."""

    id: str
    payload: dict[str, Any] | None
    start: int  # bytes [start, end) of the segment
    end: int
    reason: str = ""
    sha256: str = ""
    prev: str | None = None  # checksum of the line before, "" for the first; None: written before lines were chained


class LinePlace(NamedTuple):
    path: Path
    start: int
    end: int


class OwnLabels(NamedTuple):
    """Labels of one annotator in one round of a study. arrived: of the same number nothing has changed."""

    by_item: dict[str, dict[str, Any]]  # item -> the latest label
    arrived: int  # labels read so far, those that were replaced too


def encode_line(label_id: str, payload: dict, prev: str = "") -> bytes:
    body = plain_json(KIND, payload)
    header = {"schema": SCHEMA, "kind": KIND, "id": label_id, "sha256": checksum(SCHEMA, KIND, label_id, body), "prev": prev}
    return json.dumps(header, separators=(",", ":")).encode("ascii") + b"\t" + body + b"\n"


def decode_line(data: bytes, start: int = 0) -> Line:
    end, line = start + len(data), Line("", None, start, start + len(data))
    try:
        head, body = data.rstrip(b"\n").split(b"\t", 1)
        header = read_json(head, "its header")
        schema, kind, label_id, expected = (header[key] for key in ("schema", "kind", "id", "sha256"))
        line = Line(str(label_id), None, start, end, "", expected, header.get("prev"))
        if expected != checksum(schema, kind, label_id, body):
            return line._replace(reason="its checksum does not match its contents")
        if kind != KIND:
            return line._replace(reason=f"it is no label but {str(kind)[:40]!r}")
        return line._replace(payload=upgraded(schema, kind, body))
    except (ValueError, KeyError, TypeError, AttributeError, WorkbenchError) as error:
        return line._replace(reason=f"unreadable: {error}")


def read_lines(path: Path, start: int = 0) -> Iterator[Line]:
    """The lines from that byte on; one without an end only where it is whole and nobody can be writing it any more."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    with open(handle, "rb") as file:
        file.seek(start)
        for data in file:
            if data == b"\n":  # the end of a line that was read without it
                start += 1
                continue
            line = decode_line(data, start)
            if not data.endswith(b"\n") and (line.payload is None or _age_s(file.fileno()) < TORN_S):
                return
            if line.payload is not None and (fault := rows.label_fault(line.id, line.payload)):
                line = line._replace(payload=None, reason=f"it is no label: {fault}")
            yield line
            start += len(data)


def gap(before: Line | None, line: Line) -> str:
    """Whether lines are missing before this one, in words; "" if none are, or nobody can know."""
    if line.prev is None or (before is not None and not before.sha256) or line.prev == (before.sha256 if before else ""):
        return ""
    return "lines that stood before it are missing"


class Segments:
    """The labels below one folder. Any number of processes and threads add and read at once.

    What was read is remembered: of each label the place, of each annotator and item the latest. So a page that asks
    again reads only what was written meanwhile, by whichever process.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.damaged: dict[str, str] = {}  # "path:byte" -> reason
        self.gaps: dict[str, str] = {}  # "path:byte" -> what is missing there
        self._read: dict[str, Line] = {}  # the line of each segment that was read last
        self._places: dict[str, LinePlace] = {}
        self._current: dict[str, dict[tuple[str, str, str], dict]] = {}  # study -> (round, item, annotator) -> label
        self._own: dict[tuple[str, str, str], dict[str, dict]] = {}  # (study, round, annotator) -> item -> label
        self._arrived: Counter[tuple[str, str, str]] = Counter()  # the same -> labels read, whatever became of them
        self._ids: dict[str, list[str]] = {}  # study -> ids of all its labels
        self._looks = 0  # of `looking` that are under way
        self.lock = threading.RLock()  # for whoever reads a label and replaces it
        self._file: int | None = None
        self._end_file: int | None = None
        self._last, self._count = "", 0  # checksum of our latest line, and how many they are
        self._path = Path()
        self._pid = 0

    def add(self, payloads: Sequence[dict], ids: Sequence[str] = ()) -> list[str]:
        """Appends labels, all of them with one sync; returns their ids once they are on disk to stay.

        ids: those that labels of another store bring along, "" for a new one. A new one follows that of the label it
        replaces: the largest id is the label that stands, and a clock that was set back must not undo an answer.
        """
        with self.lock:
            fresh = (new_id(payload.get("replaces") or "") for payload in payloads)
            made = [label_id or new for label_id, new in zip(ids or [""] * len(payloads), fresh, strict=True)]
            try:
                rows.check_labels(list(zip(made, payloads, strict=True)))
            except ValueError as error:
                raise WorkbenchError(
                    f"This label cannot be recorded: {error}.",
                    where=str(self.folder),
                    todo="Correct it; none of the labels that came with it was kept.",
                ) from None
            ours = self._file is not None and self._pid == os.getpid()
            end = os.fstat(self._file).st_size if ours else 0
            if not ours:
                self._last, self._count = "", 0
            lines, last = [], self._last
            for label_id, payload in zip(made, payloads, strict=True):
                lines.append(encode_line(label_id, payload, last))
                last = checksum(SCHEMA, KIND, label_id, plain_json(KIND, payload))
            try:
                self._append(b"".join(lines))
            except OSError as error:
                self._close(end)  # half a line may stand there: the next one goes to another file
                raise WorkbenchError(
                    f"The label could not be recorded: {error.strerror}.",
                    where=str(self.folder),
                    todo=f"{remedy(error)}, then choose it again.",
                ) from error
            self._take(end, lines)
            self._last, self._count = last, self._count + len(lines)
            self._mark_end()
            return made

    def paths(self) -> list[Path]:
        """All segments, the oldest first."""
        return sorted(self.folder / name for name in self._sizes())

    def current(self, study: str) -> dict[tuple[str, str, str], dict[str, Any]]:
        """(round, item, annotator) -> the latest label there, with its id."""
        with self.looking():
            return dict(self._current.get(study, {}))

    def own(self, study: str, round_name: str, annotator: str) -> OwnLabels:
        with self.looking():
            place = study, round_name, annotator
            return OwnLabels(dict(self._own.get(place, {})), self._arrived[place])

    @contextmanager
    def looking(self) -> Iterator[None]:
        """One look at the folder for all that is read inside; what is added there is known without another."""
        with self.lock:
            self._refresh()
            self._looks += 1
            try:
                yield
            finally:
                self._looks -= 1

    def latest_label(self, study: str, round_name: str, item: str, annotator: str) -> dict[str, Any] | None:
        with self.looking():
            return self._current.get(study, {}).get((round_name, item, annotator))

    def get(self, label_id: str) -> dict[str, Any]:
        """One label by its id, also one that was replaced."""
        with self.looking():
            place = self._places.get(label_id)
        if place is None:
            raise WorkbenchError(f"There is no label '{label_id}'.", where=str(self.folder))
        try:
            with open(place.path, "rb") as file:
                file.seek(place.start)
                line = decode_line(file.read(place.end - place.start), place.start)
        except OSError as error:
            line = Line(label_id, None, *place[1:], error.strerror)
        if line.payload is None:
            raise WorkbenchError(
                f"Label {label_id} cannot be read: {line.reason}.",
                where=f"{place.path}:{place.start}",
                todo="Copy the file back from a backup.",
            )
        return {**line.payload, "id": label_id}

    def present(self, ids: Iterable[str]) -> set[str]:
        """Those of the ids that are here."""
        with self.looking():
            return {label_id for label_id in ids if label_id in self._places}

    def all(self, study: str) -> list[dict[str, Any]]:
        """The whole history, oldest first."""
        with self.looking():
            ids = sorted(self._ids.get(study, []))
        return [self.get(label_id) for label_id in ids]

    def torn(self) -> list[str]:
        """Segments whose last line is not whole and has no writer: it was cut off by a kill or a power cut."""
        return [str(path) for path in self.paths() if _torn(path)]

    def cut(self) -> dict[str, str]:
        """Segments that end before the place to which they went, with what is missing; those of old do not say."""
        ends = sorted(self.folder.glob(f"*{SEGMENT_END}"))  # before the sizes: who writes now only makes them larger
        marks = [(path, _end(path)) for path in ends]
        sizes, losses = self._sizes(), {}
        for path, (lines, size) in marks:
            name = path.name.removesuffix(SEGMENT_END) + SEGMENT
            if name not in sizes:
                losses[str(self.folder / name)] = f"the file is gone, with {lines:,} labels"
            elif sizes[name] < size and (left := sum(1 for _ in read_lines(self.folder / name))) < lines:
                losses[str(self.folder / name)] = f"its end was cut off: {lines - left:,} of {lines:,} labels are missing"
        return losses

    def _mark_end(self) -> None:
        """Not synced: after a power cut it may say less than there is, never more."""
        with suppress(OSError):  # the label is on disk to stay
            if self._end_file is None:
                path = self._path.with_name(self._path.name.removesuffix(SEGMENT) + SEGMENT_END)
                self._end_file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
            end = {"lines": self._count, "bytes": os.fstat(self._file).st_size}
            os.pwrite(self._end_file, json.dumps(end).ljust(END_BYTES).encode("ascii"), 0)

    def _append(self, data: bytes) -> None:
        if self._file is None or self._pid != os.getpid():
            self._file = self._end_file = None  # a parent's, which is not ours to close
            fresh = not self.folder.is_dir()
            self.folder.mkdir(parents=True, exist_ok=True)
            if fresh:
                synced(self.folder.parent)
            self._path = self.folder / f"{new_id()}{SEGMENT}"
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
            self._pid = os.getpid()
            synced(self.folder)
        while data:
            data = data[os.write(self._file, data) :]
        os.fsync(self._file)

    def _take(self, start: int, lines: Sequence[bytes]) -> None:
        """Lines of ours are known as they are written, where all that stands before them is."""
        before = self._read.get(self._path.name)
        if start != (before.end if before else 0):
            return
        for data in lines:
            line = decode_line(data, start)
            self._read[self._path.name], start = line, line.end
            self._note(self._path, line)

    def _close(self, end: int) -> None:
        """Leaves the segment as it was before what failed: of labels that came together none is kept then."""
        if self._file is not None:
            with suppress(OSError):
                os.ftruncate(self._file, end)
                if not end:  # a full disk must not leave a file for each key
                    self._path.unlink()
            os.close(self._file)
        if self._end_file is not None:
            os.close(self._end_file)
        self._file = self._end_file = None

    def _refresh(self) -> None:
        if self._looks:
            return
        sizes = self._sizes()
        if any(sizes.get(name, 0) < last.end for name, last in self._read.items()):  # a segment is gone, or was cut
            for memory in (self._read, self._places, self._current, self._own, self._ids, self.damaged, self.gaps):
                memory.clear()
            self._arrived.update(self._arrived.keys())  # what is read again is not what was read before
        for name, size in sizes.items():
            last = self._read.get(name)
            if size > (last.end if last else 0):
                path = self.folder / name
                for line in read_lines(path, last.end if last else 0):
                    if missing := gap(last, line):
                        self.gaps[f"{path}:{line.start}"] = missing
                    self._read[name] = last = line
                    if line.payload is None:
                        self.damaged[f"{path}:{line.start}"] = line.reason
                    else:
                        self._note(path, line)

    def _sizes(self) -> dict[str, int]:
        sizes = {}
        try:
            with os.scandir(self.folder) as items:
                for item in items:
                    if item.name.endswith(SEGMENT):
                        try:
                            about = item.stat()
                            if stat.S_ISREG(about.st_mode):  # a pipe would be waited for
                                sizes[item.name] = about.st_size
                            else:
                                self.damaged[f"{item.path}:0"] = "it is no file"
                        except FileNotFoundError:
                            pass
                        except OSError as error:
                            self.damaged[f"{item.path}:0"] = f"it cannot be read: {error.strerror}"
        except FileNotFoundError:
            pass
        except OSError as error:
            raise WorkbenchError(
                f"The labels cannot be read: {error.strerror}.", where=str(self.folder), todo=f"{remedy(error)}."
            ) from None
        return sizes

    def _note(self, path: Path, line: Line) -> None:
        if line.id in self._places:  # two journals that were merged
            return
        self._places[line.id] = LinePlace(path, line.start, line.end)
        study = line.payload.get("study", "")
        self._ids.setdefault(study, []).append(line.id)
        key = round_name, item, annotator = tuple(line.payload.get(name, "") for name in ("round", "item", "annotator"))
        latest, own = self._current.setdefault(study, {}), self._own.setdefault((study, round_name, annotator), {})
        self._arrived[study, round_name, annotator] += 1
        if key not in latest or latest[key]["id"] < line.id:
            latest[key] = own[item] = {**line.payload, "id": line.id}


def verify_segments(segments: Segments) -> tuple[set[str], list[Damage]]:
    """(ids of the whole labels, what is damaged or missing)."""
    ids, damaged = set(), []
    for path in segments.paths():
        before = None
        for number, line in enumerate(read_lines(path), 1):
            reasons = filter(None, (gap(before, line), line.reason))
            damaged += [Damage(str(path), f"line {number}: {reason}") for reason in reasons]
            if line.payload is not None:
                ids.add(line.id)
            before = line
    damaged += [Damage(path, reason) for path, reason in segments.cut().items()]
    strange = (place for place in segments.damaged if place.endswith(":0") and not Path(place[:-2]).is_file())
    return ids, damaged + [Damage(place[:-2], segments.damaged[place]) for place in strange]


def _end(path: Path) -> tuple[int, int]:
    """(lines, bytes) that a segment had; (0, 0) where nothing legible says so."""
    try:
        end = read_json(path)
        return int(end["lines"]), int(end["bytes"])
    except (WorkbenchError, ValueError, KeyError, TypeError):
        return 0, 0


def _torn(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            if not size or _age_s(file.fileno()) < TORN_S:
                return False
            file.seek(size - 1)
            if file.read(1) == b"\n":
                return False
            file.seek(0)
            *_, last = file
            return decode_line(last).payload is None
    except FileNotFoundError:
        return False


def _age_s(file: int) -> float:
    return time.time() - os.fstat(file).st_mtime
