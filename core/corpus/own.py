"""Own documents: a collection is a folder with, for each file, its source, its status and its parsed text.

No name that came from outside is ever a path: files are stored under a hash of their name. Every file stands for
itself, so an ingestion that is stopped keeps what it has, and two at once do not meet.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unicodedata
import uuid
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from core import files as disk
from core.config import code_version
from core.corpus.files import Files, read_parsed, read_status
from core.corpus.parse import NO_ROOM, PARSERS, parse
from core.corpus.questions import FORMATS
from core.corpus.reading import hidden, shape_reported
from core.errors import WorkbenchError
from core.progress import counted
from core.records import Progress

MAX_FILE = 500 << 20  # bytes
WALL_S, CPU_S = 180, 120  # seconds for one file
VIEW_S = 10  # seconds of processor time for the picture of a page
MEMORY_MB = 2048  # of address space for its parser; the largest test document needs 400
ROOT = Path(__file__).resolve().parents[2]
LONGEST_NAME = 60  # characters of a collection's
EMPTY = "is empty"
COUNTS = ("documents", "pages", "characters")  # of a file
SHA256 = 64  # digits with which a record's `content` begins
WORKING = (".work", ".result", ".verdict", ".errors")  # a copy that is being read, and what its parser leaves
OUTSIDE = "is a link that leads out of the folder, not read"
# all that a parser of other people's files gets of our environment: no keys, no proxies
ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME")


@dataclass(frozen=True)
class Received:
    """A file that a browser sent, kept under a name of ours until it is read."""

    name: str  # the client's, for reading only
    path: Path


Upload = Path | tuple[str, bytes] | Received


class FileStatus(NamedTuple):
    """What became of one file. status: "ok", "skipped" (no text to be had) or "failed"; message says why, or warns."""

    name: str
    status: str
    pages: int
    characters: int
    message: str = ""


class Unread(NamedTuple):
    """What is not read of a folder. kept: it stands among the files of the collection."""

    status: str
    message: str
    kept: bool = True


class PageView(NamedTuple):
    """A page of a document as it looks. marked: "passage" and "sentence" -> how much of it was found there, 0 to 1; top: where
    the mark begins, 0 to 1 of the page's height."""

    png: bytes
    page: int
    pages: int
    top: float
    marked: dict[str, float]


class Origin(NamedTuple):
    """A file on this machine as it was when it was read."""

    path: str
    mtime_ns: int
    bytes: int
    sha256: str


class Collection(NamedTuple):
    name: str
    title: str
    folder: Path
    documents: int
    questions: int | None
    note: str


def safe_name(name: str) -> str:
    """A collection's name as people write it, as the one folder name that it stands for."""
    if re.search(r"[/\\]", name):
        todo = "Give a name, as `python -m core corpus list` lists them."
        raise WorkbenchError("A path is no name of a collection.", where=repr(name), todo=todo)
    text = re.sub(r"[^\w.-]+", "-", unicodedata.normalize("NFC", name).strip().lower()).strip("-._")
    if len(text) > LONGEST_NAME:  # cut, two names would be one
        todo = f"Give one of {LONGEST_NAME} at most."
        raise WorkbenchError(f"The name of the collection has {len(text):,} characters.", where=repr(name), todo=todo)
    if not text:
        raise WorkbenchError("The collection needs a name with at least one letter or digit.", where=repr(name))
    return text


def folder(home: Path, name: str) -> Path:
    return Path(home) / "corpora" / safe_name(name)


def collections(home: Path) -> Iterator[Collection]:
    for place in sorted((Path(home) / "corpora").glob("[!.]*/collection.json")):  # with a dot: being removed
        about = _read(place) or {}
        records = _records(place.parent)
        bad = sum(record["status"] != "ok" for record in records)
        yield Collection(
            place.parent.name,
            about.get("title", place.parent.name),
            place.parent,
            sum(record["documents"] for record in records),
            about.get("questions"),
            f"{bad} of {len(records)} files not readable" if bad else "",
        )


def statuses(place: Path) -> list[FileStatus]:
    return [_status(record) for record in _records(place)]


def ingest(home: Path, name: str, files: list[Upload], questions: Upload | None) -> Generator[Progress, None, list[FileStatus]]:
    """Adds or replaces files, each parsed in a limited child process; then the questions, if any."""
    place = folder(home, name)
    with disk.disk_reported(f"The collection '{place.name}'", place):
        return (yield from _ingest(place, name, files, questions))


def _ingest(place: Path, name: str, files: list[Upload], questions: Upload | None) -> Generator[Progress, None, list[FileStatus]]:
    (place / "files").mkdir(parents=True, exist_ok=True)
    about = place / "collection.json"
    if not about.exists():
        _write(about, {"title": name.strip()[:200]})
    for stray in _strays(place / "files"):  # of a process that was killed
        with suppress(FileNotFoundError):  # another ingestion is done with it
            if time.time() - stray.stat().st_mtime > 3600:
                stray.unlink()
    uploads = list(_expand(files))
    statuses = []
    for done, (display, upload) in enumerate(uploads):
        yield Progress(done, len(uploads), f"Reading {display}")
        if isinstance(upload, Unread) and not upload.kept:
            statuses.append(FileStatus(display, upload.status, 0, 0, upload.message))
        else:
            statuses.append((yield from _ingest_one(place, display, upload, done, len(uploads))))
    if questions is not None:
        yield Progress(len(uploads), len(uploads), "Matching the questions with the documents")
        statuses.append((yield from _ingest_questions(place, questions)))
    return statuses


def _strays(files: Path) -> list[Path]:
    return [path for pattern in (*(f"*{suffix}" for suffix in WORKING), ".*.tmp") for path in files.glob(pattern)]


def has_pages(home: Path, name: str, document_id: str) -> bool:
    """Whether the document is an ingested PDF whose file is there, so that its pages can be seen."""
    with suppress(WorkbenchError):  # a data set may be called what no collection is
        return _source(home, name, document_id).is_file()
    return False


def page_view(home: Path, name: str, document_id: str, page: int, texts: dict[str, str]) -> PageView:
    """A page of an ingested PDF, drawn in a limited child process, with {"passage", "sentence"} marked on it."""
    source = _source(home, name, document_id)
    with tempfile.TemporaryDirectory() as work:
        picture = Path(work) / "page.png"
        command = [sys.executable, "-m", "core.corpus.pdf_page", str(source), str(picture), str(MEMORY_MB), str(VIEW_S)]
        environment = {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
        asked = json.dumps({"page": page, "texts": texts})
        try:
            child = subprocess.run(
                command, input=asked.encode(), capture_output=True, env=environment, cwd=ROOT, timeout=2 * VIEW_S
            )
            if child.returncode == 0:
                told = disk.read_json(child.stdout, "The page", of=dict, where=document_id)
                return PageView(picture.read_bytes(), page, told["pages"], told["top"], told["marked"])
            lines = child.stderr.decode("utf-8", "replace").strip().splitlines()
            why = lines[-1][:200] if lines else f"its reader was stopped ({child.returncode})"
        except subprocess.TimeoutExpired:
            why = f"it took more than {2 * VIEW_S} s"
    raise WorkbenchError(f"Page {page} cannot be drawn: {why}.", where=document_id, todo="Read its text instead.")


def _source(home: Path, name: str, document_id: str) -> Path:
    return folder(home, name) / "files" / f"{_key(document_id)}.source.pdf"


def read_from(home: Path, name: str, source: str) -> Origin | None:
    """The file that a document of this source was read from; None where that was not noted: a browser sent it, or it is no own one."""
    try:
        record = read_status(folder(home, name) / "files" / f"{_key(source)}.status.json")
        about = record["origin"]
        return Origin(str(about["path"]), int(about["mtime_ns"]), int(about["bytes"]), record["content"][:SHA256])
    except (WorkbenchError, KeyError, TypeError, ValueError):
        return None


def remove(home: Path, name: str, file: str = "") -> None:
    place = folder(home, name)
    if not place.is_dir():
        raise WorkbenchError(f"There is no collection '{name}'.")
    if not file:
        return disk.remove_whole(place)
    if not any(record["name"] == file for record in _records(place)):
        raise WorkbenchError(f"There is no file '{file}' in '{name}'.")
    _drop(place, _key(file))


def display_name(name: str) -> str:
    """What a client calls its file, for reading only: no way upwards, no drive, no control characters."""
    text = "".join(c if c.isprintable() else " " for c in name).replace("\\", "/")
    parts = [part.strip() for part in text.split("/") if part.strip() not in ("", ".", "..") and not part.endswith(":")]
    return "/".join(parts)[-200:] or "unnamed"


def _expand(files: list[Upload]) -> Iterator[tuple[str, Upload | Unread]]:
    """Folders become their files, Unread in place of what is not read; two different files of one name in the same call get numbers."""
    seen: dict[str, int] = {}
    for upload in files:
        if not isinstance(upload, Path):
            pairs: Iterable[tuple[str, Upload | Unread]] = [(_name_of(upload), upload)]
        elif os.path.isdir(upload):
            pairs = _inside(upload)
        else:
            pairs = [(upload.name, upload)]
        for name, content in pairs:
            shown = name = display_name(name)
            while shown in seen:
                seen[name] += 1
                path = PurePosixPath(name)
                shown = str(path.with_name(f"{path.stem} ({seen[name]}){path.suffix}"))
            seen[shown] = 1
            yield shown, content


def _inside(folder: Path) -> Iterator[tuple[str, Path | Unread]]:
    """The files of a folder, and what is not read of it."""
    refused: list[OSError] = []
    inside = []
    for here, folders, names in os.walk(folder, onerror=refused.append):
        inside += (Path(here, name) for name in names)
        inside += (path for name in folders if (path := Path(here, name)).is_symlink() and not _within(path, folder))
    names = {path: path.relative_to(folder).as_posix() for path in sorted(inside)}
    for path, name in names.items():
        if not hidden(name):
            yield name, path if _within(path, folder) else Unread("skipped", OUTSIDE)
    for error in refused:
        yield os.path.relpath(error.filename, folder), Unread("failed", f"cannot be listed: {error.strerror}")
    if number := sum(map(hidden, names.values())):
        yield (
            Path(os.path.realpath(folder)).name,
            Unread("skipped", f"{number:,} hidden file{'s'[: number - 1]} left out", kept=False),
        )


def _name_of(upload: Upload) -> str:
    return upload[0] if isinstance(upload, tuple) else upload.name


def _within(path: Path, folder: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(Path(folder).resolve())  # where a link leads to itself, it is there


def _ingest_one(place: Path, name: str, upload: Upload | Unread, done: int, total: int) -> Generator[Progress, None, FileStatus]:
    key, kind = _key(name), PurePosixPath(name).suffix.lower()
    files = place / "files"
    work, status = files / f"{uuid.uuid4().hex}.work", files / f"{key}.status.json"
    old, digest = _record(status), ""
    origin = _origin(upload)  # before it is copied: what is written meanwhile came later
    try:
        if isinstance(upload, Unread):
            result = {"status": upload.status, "message": upload.message}
        elif kind not in PARSERS:
            types = ", ".join(sorted(PARSERS))
            result = {"status": "skipped", "message": f"files of type '{kind or 'none'}' are not read ({types} are)"}
        elif problem := _copy(upload, work):
            result = {"status": "skipped" if problem == EMPTY else "failed", "message": problem}
        else:
            digest = _digest(work)
            if old and old["status"] == "ok" and old["content"] == digest + code_version(parse):
                with suppress(WorkbenchError):  # damaged: read anew
                    read_parsed(files / f"{key}.parsed.json", old)
                    if origin and old.get("origin", {}).get("path") != origin["path"]:
                        _write_status(status, old | {"origin": origin})
                    return _status(old)
            result = yield from _parse(work, kind, name, Progress(done, total, f"Reading {name}"))
            result |= {"content": digest + code_version(parse), "origin": origin}
        _keep(place, key, kind, name, work, result)
    finally:
        for suffix in WORKING:
            with suppress(OSError):
                work.with_suffix(suffix).unlink()
    return _replaced(_status(read_status(status)), old, digest)


def _replaced(status: FileStatus, old: dict | None, digest: str) -> FileStatus:
    """It says so where it took the place of other text."""
    if not old or not old["documents"] or old["content"][:SHA256] == digest:
        return status
    before = old.get("origin", {}).get("path", "")
    said = f"takes the place of the file of this name that was added before{f' ({before})' if before else ''}"
    return status._replace(message="; ".join(filter(None, (said, status.message))))


def _parse(work: Path, kind: str, name: str, progress: Progress) -> Generator[Progress, None, dict]:
    """What became of the file; its documents stand beside the copy that was read, as the collection keeps them."""
    verdict, errors = work.with_suffix(".verdict"), work.with_suffix(".errors")
    # one thread: numeric libraries would reserve address space for each
    inherited = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    environment = {**inherited, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [
        sys.executable,
        "-m",
        "core.corpus.parse",
        str(work.resolve()),
        kind,
        json.dumps(name),
        str(_documents(work).resolve()),
        str(verdict.resolve()),
        str(MEMORY_MB),
        str(CPU_S),
    ]
    with errors.open("wb") as log:
        child = subprocess.Popen(command, env=environment, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + WALL_S
        while True:
            try:
                child.wait(0.2)
                break
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline:
                    return {"status": "failed", "message": f"not read within {WALL_S} s"}
                yield progress
        if child.returncode == NO_ROOM:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        outcome = _read(verdict) if child.returncode == 0 else None
        if outcome is None:
            lines = errors.read_text("utf-8", "replace").strip().splitlines()
            killed = f"stopped at the limit of {CPU_S} s or {MEMORY_MB} MB"
            return {"status": "failed", "message": f"its reader gave up: {lines[-1][:200] if lines else killed}"}
        return outcome
    finally:
        child.kill()
        child.wait()


def _documents(work: Path) -> Path:
    """Where the parser leaves the documents of a copy."""
    return work.with_suffix(".result")


def _origin(upload: Upload | Unread) -> dict | None:
    """The file on this machine that is read, as it is now; None of what a browser sent, or where it cannot be looked at."""
    if not isinstance(upload, Path):
        return None
    try:
        state = upload.stat()
    except OSError:  # the copy says why
        return None
    return {"path": str(upload.absolute()), "mtime_ns": state.st_mtime_ns, "bytes": state.st_size}


def _write_status(file: Path, status: dict) -> None:
    disk.write_whole(file, disk.sealed(status))


def _keep(place: Path, key: str, kind: str, name: str, work: Path, result: dict) -> None:
    """The parsed text first, the status last: a status is there only when all else is."""
    _drop(place, key)
    files, checksum = place / "files", 0
    if result.get("documents"):
        checksum = disk.file_checksum(_documents(work))
        disk.synced(_documents(work))
        disk.take_place(_documents(work), files / f"{key}.parsed.json")
        disk.take_place(work, files / f"{key}.source{kind}")
    _write_status(
        files / f"{key}.status.json",
        {
            "name": name,
            "status": result["status"],
            "message": result["message"],
            **{count: result.get(count, 0) for count in COUNTS},
            "content": result.get("content", ""),
            "parsed_crc32": checksum,
            **({"origin": result["origin"]} if result.get("origin") else {}),
        },
    )


def _drop(place: Path, key: str) -> None:
    for file in sorted((place / "files").glob(f"{key}.*.json"), reverse=True):  # status before parsed
        file.unlink(missing_ok=True)
    for file in (place / "files").glob(f"{key}.source.*"):
        file.unlink(missing_ok=True)


def _ingest_questions(place: Path, upload: Upload) -> Generator[Progress, None, FileStatus]:
    """Kept as they came, and matched with the documents at every opening: documents may join later."""
    name = display_name(_name_of(upload))

    def failed(why: str) -> FileStatus:
        return FileStatus(name, "failed", 0, 0, why)

    def told(text: str) -> str:
        """Without the folder of the copy, which is gone by then."""
        return text.replace(f"{new}/", "").replace(str(new), name)

    new, current = place / f"questions.{uuid.uuid4().hex}.new", place / "questions"
    beir = _beir_folder(upload)
    new.mkdir()
    try:
        if beir:
            wanted = [*beir.glob("queries.jsonl*"), *(beir.glob("qrels/*.tsv") if upload == beir else [upload])]
            if outside := [path.name for path in wanted if not _within(path, beir)]:
                return failed(f"{outside[0]} {OUTSIDE}")
            pairs = [(path, new / path.relative_to(beir)) for path in wanted]
        else:
            kind = PurePosixPath(name).suffix.lower()
            if kind not in FORMATS:
                return failed(f"questions come as {', '.join(FORMATS)} or a BEIR folder")
            pairs = [(upload, new / f"questions{kind}")]
        for source, target in pairs:
            target.parent.mkdir(exist_ok=True)
            if problem := _copy(source, target):
                return failed(problem)
        try:
            with shape_reported(name, "questions"):
                corpus = yield from Files(questions=new.name).load(place, place.name)
        except WorkbenchError as error:
            return failed(told(str(error)))
        notes = told(" ".join(note for note in corpus.notes if not note.startswith("File ")))  # which tell of the documents
        if not corpus.queries:
            return failed(notes or "holds no question")
        disk.seal_folder(new)
        if current.exists():
            disk.remove_whole(current)
        disk.take_place(new, current)
        about = _read(place / "collection.json") or {}
        before = about.get("questions")
        _write(place / "collection.json", {**about, "questions": len(corpus.queries)})
        replaced = f" They replace the {before} before." if before else ""
        evident = f"evidence found for {corpus.measurable:,}"
        if corpus.measurable < len(corpus.queries):
            evident += ": metrics of retrieval are over these alone"
        message = f"{counted(len(corpus.queries), 'question')}, {evident}.{replaced} {notes}"
        return FileStatus(name, "ok", 0, sum(len(query.text) for query in corpus.queries), message.strip())
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _beir_folder(upload: Upload) -> Path | None:
    """The folder that is given, or that a file of judgements in it stands for."""
    if not isinstance(upload, Path) or upload.is_dir():
        return upload if isinstance(upload, Path) else None
    folder = upload.parent.parent
    return folder if upload.match("qrels/*.tsv") and any(folder.glob("queries.jsonl*")) else None


def _copy(upload: Upload, target: Path) -> str:
    """Copies, or says why not."""
    source = upload.path if isinstance(upload, Received) else upload
    size = 0
    try:
        size = len(source[1]) if isinstance(source, tuple) else source.stat().st_size
        if size > MAX_FILE:
            return f"larger than {MAX_FILE >> 20} MB"
        if isinstance(source, tuple):
            target.write_bytes(source[1])
        elif isinstance(upload, Received):
            os.link(source, target)  # ours, and nobody writes to it
        else:
            shutil.copyfile(disk.regular(source), target)
    except WorkbenchError as error:
        return f"cannot be copied: {error.what}"
    except OSError as error:
        if error.errno in disk.FULL:
            target.unlink(missing_ok=True)
            raise disk.disk_error(error, "The copy of a file", target.parent, size) from error
        return f"cannot be copied: {error.strerror or error}"
    return "" if target.stat().st_size else EMPTY


def _records(place: Path) -> list[dict]:
    records = [record for file in (place / "files").glob("*.status.json") if (record := _record(file))]
    return sorted(records, key=lambda record: record["name"])


def _record(file: Path) -> dict | None:
    """`read_status` for lists, which show a damaged record as a file that failed."""
    try:
        return read_status(file)
    except WorkbenchError as error:
        return {"name": file.name, "status": "failed", "message": str(error), "content": "", **dict.fromkeys(COUNTS, 0)}


def _status(record: dict) -> FileStatus:
    return FileStatus(record["name"], record["status"], record["pages"], record["characters"], record["message"])


def _key(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read(path: Path) -> dict | None:
    try:
        return disk.read_json(path, of=dict)
    except WorkbenchError:
        return None


def _write(path: Path, value: object) -> None:
    disk.write_whole(path, json.dumps(value))
