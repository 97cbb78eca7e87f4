"""Reading files that other people wrote: encodings, broken lines, archives that lie. Nothing is unpacked to disk."""

import codecs
import gzip
import re
import stat
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple

from core import files
from core.errors import WorkbenchError

MAX_LINE = 64 << 20  # bytes; a longer line is skipped and counted
MAX_WHOLE = 1 << 30  # bytes of one member that has to be held in memory
MAX_TOTAL = 16 << 30  # bytes of a whole archive, unpacked; MS MARCO has some 3 GB
MAX_RATIO = 200  # text compresses 3 to 20 times; more is made to fill memory
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
SHOWN = 5  # places named in a note
OURS = (files.CHECKSUMS, ".lock", ".gate", ".tmp")  # ends of the hidden files that we keep beside others


class Notes:
    """What was skipped or repaired, counted by kind, with the first few places."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._places: dict[str, list[str]] = {}

    def add(self, what: str, where: str = "") -> None:
        self._counts[what] += 1
        if self._counts[what] <= SHOWN:
            self._places.setdefault(what, []).append(clean(where))

    def count(self, what: str) -> int:
        return self._counts[what]

    def lines(self) -> tuple[str, ...]:
        return tuple(map(self._line, self._places))

    def _line(self, what: str) -> str:
        named, count = list(filter(None, self._places[what])), self._counts[what]
        if not named:
            return f"{what}." if count == 1 else f"{count:,} times: {what}."
        return f"{what}: {count:,} ({', '.join(named)}{', …' if count > SHOWN else ''})."


class SourceRow(NamedTuple):
    """One record of a JSONL file; position and size are bytes, for progress."""

    where: str
    fields: dict
    position: int
    size: int


def clean(text: str) -> str:
    """Lone surrogates (legal in JSON, in no encoding) become U+FFFD; the length, and so every offset, stays."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def decode(data: bytes, notes: Notes, where: str) -> str:
    """UTF-8, UTF-16 and UTF-32 with their marks, else Windows-1252, which is reported."""
    if data[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):  # begins like UTF-16
        return data.decode("utf-32", "replace")
    if data.startswith(UTF_16):
        return clean(data.decode("utf-16", "replace"))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        notes.add("Not valid UTF-8, read as Windows-1252", where)
        return data.decode("cp1252", "replace")


def hidden(name: str) -> bool:
    """Whether it is what a system or an editor keeps for itself (.git, .venv, .DS_Store, __MACOSX), or stands in such a folder."""
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def text_of(fields: dict, *names: str) -> str:
    """The first of the named fields that holds text or a number; "" where none does."""
    for name in names:
        value = fields.get(name)
        if isinstance(value, (str, int, float)) and not isinstance(value, bool) and value != "":
            return clean(str(value))
    return ""


@contextmanager
def damage_reported(where: str) -> Iterator[None]:
    """Turns the many exceptions of truncated or altered archives into one that says what to do."""
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError, OSError) as error:
        raise WorkbenchError(
            f"The file cannot be read: {error or type(error).__name__}.",
            where=where,
            todo="It may be cut short or damaged: download or copy it again.",
        ) from error
    except (RuntimeError, NotImplementedError) as error:  # zipfile's words for encrypted, or an unknown compression
        raise WorkbenchError(
            f"The archive cannot be read: {error}.", where=where, todo="Pack it again as a plain zip without password."
        ) from error


@contextmanager
def shape_reported(where: str, form: str) -> Iterator[None]:
    """Files that parse but hold something else than their format says (a number where a list belongs)."""
    try:
        yield
    except (AttributeError, KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
        raise WorkbenchError(
            f"The file is not in the form that '{form}' reads: {error}.",
            where=where,
            todo="Compare it with the format's description.",
        ) from error


class Source:
    """A folder, a zip or tar archive, or a single file (also .gz), read alike: members by name, as streams."""

    def __init__(self, path: Path, notes: Notes) -> None:
        self.path, self.notes = path, notes
        self.sizes: dict[str, int] = {}  # name -> bytes (0: unknown), in the archive's order
        if not path.is_dir():
            files.regular(path)
        with damage_reported(str(path)):
            if path.is_dir():
                self._index_folder()
            elif zipfile.is_zipfile(path) or path.suffix == ".zip":
                self._index_zip()
            elif tarfile.is_tarfile(path):
                self._index_tar()
            else:
                self.sizes[path.name] = 0 if path.suffix == ".gz" else path.stat().st_size

    def _index_folder(self) -> None:
        for file in sorted(self.path.rglob("*")):
            name = file.relative_to(self.path).as_posix()
            try:
                state = file.stat()
            except OSError as error:
                self.notes.add(f"Not to be read ({error.strerror}), left out", name)
                continue
            if stat.S_ISDIR(state.st_mode) or file.name.startswith(".") and file.name.endswith(OURS) or not self._seen(name):
                continue
            if stat.S_ISREG(state.st_mode):
                self.sizes[name] = state.st_size
            else:
                self.notes.add("No file but a pipe or a device, left out", name)

    def _index_zip(self) -> None:
        self._zip = zipfile.ZipFile(self.path)
        for info in self._zip.infolist():
            if not info.is_dir() and self._safe(info.filename) and self._seen(info.filename):
                # zipfile never yields more than the declared size, so the declared sizes can be judged
                ratio = info.file_size / max(info.compress_size, 1)
                if info.file_size > 10 << 20 and ratio > MAX_RATIO:
                    self._refuse(f"{info.filename} unpacks to {ratio:,.0f} times its size")
                self.sizes[info.filename] = info.file_size
        if sum(self.sizes.values()) > MAX_TOTAL:
            self._refuse(f"it unpacks to {sum(self.sizes.values()) / 1e9:,.0f} GB")

    def _index_tar(self) -> None:
        self._tar, total = tarfile.open(self.path), 0  # noqa: SIM115, kept open for reading its members
        for member in self._tar:
            total += member.size
            if total > MAX_TOTAL:
                self._refuse(f"it unpacks to more than {MAX_TOTAL / 1e9:,.0f} GB")
            if member.isfile() and self._safe(member.name) and self._seen(member.name):
                self.sizes[member.name] = member.size

    def _refuse(self, why: str) -> None:
        raise WorkbenchError(
            f"The archive is refused: {why}.",
            where=str(self.path),
            todo="If you trust it, unpack it yourself and give the folder.",
        )

    def _safe(self, name: str) -> bool:
        inside = not name.startswith(("/", "\\")) and ":" not in name[:2] and ".." not in re.split(r"[/\\]", name)
        if not inside:
            self.notes.add("Archive member with a path that leads outside, skipped", name)
        return inside

    def _seen(self, name: str) -> bool:
        if hidden(name):
            self.notes.add("Hidden file left out", name)
        return not hidden(name)

    def find(self, pattern: str) -> list[str]:
        """Names that match a glob from the right ("qrels/*.tsv"), sorted; a wrapping folder does not matter."""
        return sorted(name for name in self.sizes if PurePosixPath(name).match(pattern))

    def needed(self, *patterns: str, todo: str) -> list[str]:
        """The names that match the first of these globs that any matches; WorkbenchError where none does."""
        if members := next(filter(None, map(self.find, patterns)), None):
            return members
        raise WorkbenchError(f"There is no file {patterns[0]}.", where=str(self.path), todo=todo)

    def place(self, name: str) -> str:
        return str(self.path) if name == self.path.name else f"{self.path}/{name}"

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        with damage_reported(self.place(name)):
            if hasattr(self, "_zip"):
                stream = self._zip.open(name)
            elif hasattr(self, "_tar"):
                stream = self._tar.extractfile(name)
            else:
                file = self.path / name if self.path.is_dir() else self.path
                stream = (gzip.open if file.suffix == ".gz" else open)(file, "rb")
            with stream:
                yield stream

    def read(self, name: str) -> bytes:
        with self.open(name) as stream:
            data = stream.read(MAX_WHOLE + 1)
        if len(data) > MAX_WHOLE:
            raise WorkbenchError(f"The file is larger than {MAX_WHOLE / 1e9:.1f} GB.", where=self.place(name), todo="Split it.")
        return data

    def text(self, name: str) -> str:
        return decode(self.read(name), self.notes, self.place(name))

    def lines(self, name: str) -> Iterator[tuple[int, bytes, int]]:
        """(line number, line without UTF-8's mark, bytes read so far); a line over the limit is skipped and counted."""
        with self.open(name) as stream:
            number = position = 0
            while line := stream.readline(MAX_LINE):
                number += 1
                if number == 1 and line.startswith(UTF_16):
                    raise WorkbenchError("The file is written in UTF-16.", where=self.place(name), todo="Save it as UTF-8.")
                position += len(line)
                too_long = len(line) == MAX_LINE and not line.endswith(b"\n")
                while too_long and line and not line.endswith(b"\n"):
                    line = stream.readline(MAX_LINE)
                    position += len(line)
                if position > MAX_TOTAL:
                    self._refuse(f"{name} unpacks to more than {MAX_TOTAL / 1e9:,.0f} GB")
                if too_long:
                    self.notes.add(f"Line longer than {MAX_LINE >> 20} MB skipped", f"{self.place(name)}:{number}")
                else:
                    yield number, line.removeprefix(codecs.BOM_UTF8) if number == 1 else line, position

    def json_lines(self, name: str) -> Iterator[SourceRow]:
        """The objects of a JSONL file. Broken lines are counted in the notes; a file mostly broken is an error."""
        good, broken = 0, []
        for number, line, position in self.lines(name):
            where = f"{PurePosixPath(name).name}:{number}"
            if not line.strip():
                continue
            try:
                fields = files.read_json(decode(line, self.notes, where), of=dict, most=MAX_LINE, numbers="careless")
            except WorkbenchError:
                broken.append(number)
                self.notes.add("Line is not a JSON object, skipped", where)
            else:
                good += 1
                yield SourceRow(where, fields, position, self.sizes[name])
        if len(broken) > good:
            raise WorkbenchError(
                f"{len(broken):,} of {len(broken) + good:,} lines are not JSON objects.",
                where=f"{self.place(name)}:{broken[0]}",
                todo="Write one JSON object a line.",
            )

    def json(self, name: str, of: Any = dict) -> Any:
        return files.read_json(self.text(name), "The file", of=of, where=self.place(name), most=MAX_WHOLE, numbers="careless")
