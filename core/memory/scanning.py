"""Every byte of every file below a folder is searched for texts, also within what is packed: gzip, zip and what is built on them."""

import gzip
import io
import os
import zipfile
import zlib
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from core.records import Progress

BLOCK = 8 << 20  # bytes that are searched together
DEEPEST = 3  # packed files in one another
LARGEST = 1 << 34  # bytes of one packed file, unpacked: beyond it is told, not searched
FEW = 16  # needles that are sought one by one
WIDEST = 8  # times the length of a form that a copy of it takes, with all its blanks, to be met across two blocks
ANCHOR = 8  # bytes of a needle by which many are sought at once
_PLAIN = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ\t\n\r\v\f", b"abcdefghijklmnopqrstuvwxyz     ")
_LEFT_OUT = b" \t\n\r\v\f\\nrtuaNRTUA0\xc2\xa0"  # all that `normal` may change, but for the case of letters
_MIX = np.uint64(0x9E3779B97F4A7C15)  # spreads anchors over a table of 2^20 places
_SHIFT = np.uint64(44)


class Scan(NamedTuple):
    """What was met. where: name of a needle -> the files that hold it. unread: files of which not every byte could be searched."""

    files: int
    bytes: int  # unpacked
    where: dict[str, set[Path]]
    unread: dict[Path, str]  # -> why


def normal(data: bytes) -> bytes:
    """Bytes as they are compared: ASCII letters small, each run of white space, escaped too, one blank; no backslashes, which stand before
    a quote within JSON, and more of them within JSON in JSON."""
    if b"\\" in data:
        for escape in (rb"\n", rb"\t", rb"\r", rb"\u00a0"):
            data = data.replace(escape, b" ")
    data = data.translate(_PLAIN, b"\\").replace("\N{NO-BREAK SPACE}".encode(), b" ")
    while b"  " in data:
        data = data.replace(b"  ", b" ")
    return data


def comparable(form: bytes) -> bytes:
    """What is sought, as `normal` makes it; as it is, and so in this writing alone, where hardly anything but blanks would be left."""
    same = normal(form)
    return same if len(same) >= ANCHOR else form


class _Forms:
    """Bytes that are sought as they are, `ANCHOR` of them at least."""

    def __init__(self, forms: Iterable[bytes]) -> None:
        self._by_anchor: dict[int, list[bytes]] = {}
        for form in (every := set(forms)):  # texts of one kind begin alike, and end less so
            self._by_anchor.setdefault(int.from_bytes(form[-ANCHOR:], "little"), []).append(form)
        self._few = every if len(every) <= FEW else None
        self._anchors = np.array(sorted(self._by_anchor), np.uint64)
        self._table = np.zeros(1 << 20, bool)
        self._table[(self._anchors * _MIX) >> _SHIFT] = True

    def within(self, block: bytes) -> list[bytes]:
        """By their last eight bytes, as a number, at each place of the block: looked up in a table, then compared whole."""
        if self._few is not None:
            return [form for form in self._few if form in block]
        data, met = np.frombuffer(block, np.uint8), []
        for offset in range(min(ANCHOR, len(block) - ANCHOR + 1)):
            numbers = data[offset : offset + (len(data) - offset) // ANCHOR * ANCHOR].view("<u8")
            places = np.flatnonzero(self._table[(numbers * _MIX) >> _SHIFT])
            places = places[np.isin(numbers[places], self._anchors)]
            for place, number in zip((places * ANCHOR + offset).tolist(), numbers[places].tolist(), strict=True):
                end = place + ANCHOR
                met += [form for form in self._by_anchor[number] if block[max(end - len(form), 0) : end] == form]
        return met


class Needles:
    """What is sought: name -> the forms that its bytes may have, each in any writing that is `normal` as it is."""

    def __init__(self, forms: Mapping[str, Sequence[bytes]]) -> None:
        self.names: dict[bytes, list[str]] = {}
        for name, some in forms.items():
            for form in some:
                if len(form) < ANCHOR:
                    raise ValueError(f"{len(form)} bytes are too few to be told from others")
                self.names.setdefault(comparable(form), []).append(name)
        self.overlap = WIDEST * max(map(len, self.names), default=1)
        self._exact = [form for form in self.names if normal(form) != form]
        self._normal = _Forms(self.names.keys() - set(self._exact))
        rough = {form.translate(_PLAIN, _LEFT_OUT) for form in self.names}
        self._rough = _Forms(rough) if min(map(len, rough), default=ANCHOR) >= ANCHOR else None

    def within(self, block: bytes) -> set[str]:
        """Names of those that stand in a block. Most hold none, which is told by what `normal` changes being left out, in a tenth of the
        time."""
        forms = [form for form in self._exact if form in block]
        if not self._rough or self._rough.within(block.translate(_PLAIN, _LEFT_OUT)):
            forms += self._normal.within(normal(block))
        return {name for form in forms for name in self.names[form]}


def scan(folder: Path, needles: Needles, message: str = "Searching every file") -> Generator[Progress, None, Scan]:
    """Reads all regular files below the folder; links are not followed. A file that goes meanwhile is left out."""
    paths = sorted(Path(place, name) for place, _, names in os.walk(folder) for name in names)
    where, unread, size, read = {}, {}, 0, 0
    for done, path in enumerate(paths):
        if done % 50 == 0:
            yield Progress(done, len(paths), message)
        if path.is_symlink() or not path.is_file():
            continue
        try:
            with path.open("rb") as file:
                for block in _blocks(file, needles.overlap):
                    if isinstance(block, str):
                        unread[path] = block
                        continue
                    size += len(block)
                    for name in needles.within(block):
                        where.setdefault(name, set()).add(path)
                    yield Progress(done, len(paths), message)
            read += 1
        except FileNotFoundError:
            continue
        except OSError as error:
            unread[path] = error.strerror or str(error)
    return Scan(read, size, where, unread)


def _blocks(file: BinaryIO, overlap: int, depth: int = 0) -> Iterator[bytes | str]:
    """Its bytes as they are, then those of what is packed in it; each block begins with the end of the one before. A text says why some
    could not be read."""
    before, left = b"", LARGEST
    while (data := file.read(BLOCK)) and left > 0:
        yield before + data
        before, left = (before + data)[-overlap:] if overlap else b"", left - len(data)
    if left <= 0:
        yield "it is larger than can be searched"
        return
    file.seek(0)
    begin = file.read(4)
    file.seek(0)
    packed = begin[:2] == b"\x1f\x8b" or begin == b"PK\x03\x04"
    if not packed:
        return
    if depth == DEEPEST:
        yield "it is packed too often"
        return
    try:
        if begin[:2] == b"\x1f\x8b":
            yield from _blocks(gzip.GzipFile(fileobj=file), overlap, depth + 1)
            return
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                with archive.open(member) as inner:
                    yield from _blocks(_seekable(inner), overlap, depth + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError) as error:
        yield f"it cannot be unpacked: {error}"


def _seekable(file: BinaryIO) -> BinaryIO:
    return file if file.seekable() else io.BytesIO(file.read())
