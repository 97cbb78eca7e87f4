"""Files that are whole or absent, that show when they are damaged, and a disk's refusals in words.

`write_whole` writes one file beside, syncs and renames it, `made_whole` does it for what a library writes, folders too; both
say what a disk refused, and nothing else renames. Who reads a file to write it anew does so within `changing`. `disk_error`
says what the system refused, how much room there is, and what to do; `read_sealed` reads back only what `sealed` wrote. What
was found damaged and made again stands in `notices`: pages and command line tell it. Texts that others wrote are read by
`texts.py`.
"""

import errno
import fcntl
import json
import os
import re
import shutil
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from core.errors import WorkbenchError
from core.files.texts import contents, path_of, read_json, read_text, read_value, read_yaml, regular

__all__ = ["contents", "path_of", "read_json", "read_text", "read_value", "read_yaml", "regular"]  # besides what stands here

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
TAKEN = (errno.EEXIST, errno.ENOTEMPTY)  # somebody made it meanwhile: no refusal
REFUSALS = (*FULL, *FORBIDDEN, errno.EIO)
CHECKSUMS = ".checksums.json"
MOST_NOTICES = 100
notices: list[str] = []  # what people should hear of: of this process, oldest first, each once


class DiskError(WorkbenchError):
    """The disk refused. `number` is the system's errno, 0 where an engine told only that it failed."""

    number = 0

    @property
    def forbidden(self) -> bool:
        """Nothing may be written there; room would not help."""
        return self.number in FORBIDDEN


def home() -> Path:
    """The data folder of this process: all that is kept is looked for here, and nobody else says where that is."""
    named = os.environ.get("GROUNDWORK_HOME")
    try:
        return (Path(named).expanduser() if named else Path(__file__).parents[2] / "data").resolve()
    except (RuntimeError, OSError, ValueError) as error:
        raise WorkbenchError(
            f"The data folder cannot be found: {error}.", where="GROUNDWORK_HOME", todo="Set it to a folder that may be written."
        ) from None


def make_home() -> Path:
    """The data folder, made where there is none yet: for its owner alone, whatever else may be read on this machine."""
    place = home()
    if not place.exists():
        with suppress(OSError):  # who writes there says so, or nobody has to
            place.parent.mkdir(parents=True, exist_ok=True)
            place.mkdir(mode=0o700)
    return place


def models() -> Path:
    """The folder of the copies of models that engines read: of the data folder, or one that several data folders share."""
    named = os.environ.get("GROUNDWORK_MODELS")
    return path_of(named, "GROUNDWORK_MODELS").resolve() if named else home() / "cache" / "models"


def use_home(folder: Path | str) -> Path:
    """Makes it the data folder of this process and of those that it starts; of several, the one made so last."""
    os.environ["GROUNDWORK_HOME"] = str(folder)
    os.environ["GROUNDWORK_HOME"] = str(home())
    return home()


def write_whole(
    path: Path, data: bytes | str | Callable[[BinaryIO], object], what: str = "The file", sync: bool = True, private: bool = False
) -> None:
    """Writes a file that is either the whole new one or what was there before, also after a power cut.

    data: bytes, text, or a function that writes to the open file. what: begins the error ("The job's state").
    sync False: for what can be made again and is small, many times a second, or carries a checksum.
    private: only this user of the system may read it.
    """
    data = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    with made_whole(path, what, 0 if callable(data) else len(data), sync) as temporary:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666), "wb") as file:
            data(file) if callable(data) else file.write(data)
        if sync:
            synced(temporary)


@contextmanager
def made_whole(path: Path, what: str = "The file", needed: int = 0, sync: bool = True) -> Iterator[Path]:
    """A name beside, to make a file or folder at: it takes its place in the end, or is gone after an error.

    A file is replaced; a folder that is there is not: OSError. what, needed: as `disk_error` takes them.
    """
    temporary = path.with_name(f".{uuid4().hex}.tmp")
    try:
        with disk_reported(what, path, needed):
            yield temporary
            take_place(temporary, path, sync)
    finally:
        discard(temporary)  # gone after the rename


def take_place(made: Path, path: Path, sync: bool = True) -> None:
    """Renames what was made elsewhere on the same disk, and waits until its name is on the disk."""
    os.replace(made, path)
    if sync:
        synced(path.parent)


def remove_whole(path: Path, aside: Path | None = None) -> None:
    """Removes a file or folder, out of sight at once: no reader sees half of it. aside: the folder where it goes meanwhile."""
    trash = (aside or path.parent) / f".{uuid4().hex}.tmp"
    trash.parent.mkdir(parents=True, exist_ok=True)
    os.replace(path, trash)
    discard(trash)


def discard(path: Path) -> None:
    """Removes a file or folder if it is there and may be removed."""
    shutil.rmtree(path, ignore_errors=True)
    with suppress(OSError):  # no file, or none any more
        path.unlink()


def synced(path: Path) -> None:
    """Waits until a file is on the disk; of a folder, that its names are: a rename is only durable once its folder is."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def disk_reported(what: str, path: Path, needed: int = 0) -> Iterator[None]:
    """Turns a refusal of the disk, also one that an engine wraps in an error of its own, into a DiskError."""
    try:
        yield
    except WorkbenchError:
        raise
    except Exception as error:
        if errno_of(error) and errno_of(error) not in TAKEN:
            raise disk_error(error, what, path, needed) from error
        raise


def disk_error(error: Exception, what: str, path: Path, needed: int = 0) -> DiskError:
    """what: the sentence's beginning, of what "could not be written". needed: bytes, where they are known."""
    number = errno_of(error)
    words = os.strerror(number) if number else str(error).splitlines()[0] if str(error) else type(error).__name__
    todo = {
        **dict.fromkeys(FORBIDDEN, "Get permission to write there, or set GROUNDWORK_HOME to a folder that may be written."),
        errno.ENOTDIR: "A file is in the place of a folder: move it away, or set GROUNDWORK_HOME to another folder.",
        errno.EIO: "The disk itself fails: look at the system's log, and move the data folder to another disk.",
    }.get(number, "Free some space, or set GROUNDWORK_HOME to another disk; then do it again.")
    if number not in (*FORBIDDEN, errno.ENOTDIR) and (free := free_bytes(path)) is not None:
        words += f" ({size(free)} free{f', {size(needed)} needed' if needed else ''})"
    problem = DiskError(f"{what} could not be written: {words}.", where=str(path), todo=todo)
    problem.number = number
    return problem


def errno_of(error: BaseException | str) -> int:
    """The system's errno, 0 for an error that is none of its; engines written in other languages only repeat its words, which do too."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    words = str(error)
    if "database or disk is full" in words or re.fullmatch(r"\d+ requested and \d+ written", words):  # SQLite; numpy
        return errno.ENOSPC
    return next((number for number in REFUSALS if os.strerror(number) in words), 0)


def remedy_of(error: BaseException | str) -> str:
    """What to do where the disk refused to write."""
    return "get permission to write there" if errno_of(error) in FORBIDDEN else "free some space"


def free_bytes(path: Path) -> int | None:
    """Free on the disk of a path that need not exist yet; None where the system does not say."""
    for place in (path, *path.parents):
        with suppress(OSError):
            return shutil.disk_usage(place).free
    return None


def size(number: int) -> str:
    """Bytes for people: 512 B, 1.2 MB."""
    if number < 1000:
        return f"{number} B"
    step = next(step for step in (1, 2, 3, 4) if number < 1000 ** (step + 1) or step == 4)
    return f"{number / 1000**step:,.1f} {('kB', 'MB', 'GB', 'TB')[step - 1]}"


# Locks -------------------------------------------------------------------------------------------------------------

# `flock` on a file that is opened anew for each use: threads of one process exclude each other too, and a killed holder
# lets go. Waiting is blocking, in a helper thread that is left behind on timeout: polling starves (with four writers its
# p99 is seconds). Everyone passes a gate first, so a writer that waits is not overtaken by reader after reader.


class Busy(WorkbenchError):
    """The lock could not be had in time."""


@contextmanager
def changing(path: Path, seconds: float = 10) -> Iterator[None]:
    """Who reads a file and writes it anew does so within this, one at a time: no change of another is lost."""
    lock = path.with_name(f".{path.name}.lock")
    with hold(lock, purpose=f"changing {path.name}", seconds=seconds, what=f"file {path.name}"):
        yield


@contextmanager
def hold(path: Path, *, purpose: str, seconds: float, shared: bool = False, what: str = "store") -> Iterator[None]:
    """Holds a lock between processes and threads; Busy names the holder if it could not be had within `seconds`."""
    _make_folder(path.parent, what)
    deadline = time.monotonic() + seconds
    gate = _acquire(path.with_suffix(".gate"), fcntl.LOCK_EX, deadline)
    try:
        handle = None if gate is None else _acquire(path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, deadline)
    finally:
        if gate is not None:
            os.close(gate)
    if handle is None:
        raise Busy(
            f"The {what} was busy for {seconds:g} s: {holder(path)}.",
            where=str(path),
            todo="Try again; if that process hangs, end it.",
        )
    try:
        note = {
            "pid": os.getpid(),
            "program": Path(sys.argv[0] or "python").name,
            "purpose": purpose,
            "since": datetime.now().strftime("%H:%M:%S"),
        }
        with suppress(OSError):  # a full disk must not stop a reader
            os.pwrite(handle, json.dumps(note).ljust(200).encode(), 0)
        yield
    finally:
        os.close(handle)


def _make_folder(folder: Path, what: str) -> None:
    """What is refused matters only where there is no such folder: one that may only be read is read without a lock."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        lacking = next((place for place in (*reversed(folder.parents), folder) if not os.path.isdir(place)), None)
        if lacking is not None:
            taken = os.path.lexists(lacking)
            raise WorkbenchError(
                f"The folder of the {what} cannot be made: {'a file is in its place' if taken else error.strerror}.",
                where=str(lacking),
                todo=f"{'Move that file away' if taken else 'Get permission to write there'}, or set GROUNDWORK_HOME to a folder "
                "that may be written.",
            ) from error


def holder(path: Path) -> str:
    """Who took the lock last, in words (of several readers, the latest)."""
    try:
        note = read_json(path)
        return f"process {note['pid']} ({note['program']}) is {note['purpose']} since {note['since']}"
    except (WorkbenchError, KeyError, TypeError):
        return "another process holds it"


def _acquire(path: Path, mode: int, deadline: float) -> int | None:
    """A handle that holds the lock until closed, or None at the deadline."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Busy(f"The lock cannot be made: {error.strerror}.", where=str(path), todo="Free some space.") from error
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise WorkbenchError(f"The lock cannot be made: {error.strerror}.", where=str(path)) from error
        try:
            handle = os.open(path, os.O_RDONLY)  # enough to lock with
        except FileNotFoundError:
            return os.open(os.devnull, os.O_RDONLY)  # no lock can be made here, so no writer of ours is there
    try:
        fcntl.flock(handle, mode | fcntl.LOCK_NB)
        return handle
    except BlockingIOError:
        pass
    settled, mutex, given_up = threading.Event(), threading.Lock(), []

    def wait() -> None:
        fcntl.flock(handle, mode)
        with mutex:
            if given_up:
                os.close(handle)
            else:
                settled.set()

    threading.Thread(target=wait, name="lock", daemon=True).start()
    settled.wait(max(0.0, deadline - time.monotonic()))
    with mutex:
        if settled.is_set():
            return handle
        given_up.append(True)
        return None


# Damage ------------------------------------------------------------------------------------------------------------


def tell(notice: str) -> None:
    if notice not in notices:
        notices.append(notice)
        del notices[:-MOST_NOTICES]


class Unsealed(ValueError):
    """Written without a checksum, as earlier versions did."""


def sealed(value: dict[str, Any]) -> str:
    """JSON that carries a checksum of itself."""
    return json.dumps({**value, "crc32": _checksum(value)})


def read_sealed(path: Path) -> dict[str, Any]:
    """What `sealed` wrote. ValueError where the file is damaged, Unsealed where it has no checksum."""
    try:
        value = read_json(contents(path), of=dict)
    except WorkbenchError as error:
        raise ValueError(error.what) from None
    if "crc32" not in value:
        raise Unsealed("it has no checksum")
    if value.pop("crc32") != _checksum(value):
        raise ValueError("its checksum does not match its contents")
    return value


def seal_folder(folder: Path) -> None:
    """Writes beside the files of a folder their checksums, and waits until all are on the disk."""
    inside = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != CHECKSUMS)
    checksums = {path.relative_to(folder).as_posix(): file_checksum(path) for path in inside}
    (folder / CHECKSUMS).write_text(sealed({"files": checksums}), "utf-8")
    for path in (*inside, folder / CHECKSUMS, folder):
        synced(path)


def damage_in(folder: Path) -> str:
    """Which file of a sealed folder is not as it was written; "" where all are, or where the folder was never sealed."""
    try:
        sums = read_sealed(folder / CHECKSUMS)["files"]
        return next(
            (name for name, value in sums.items() if not (folder / name).is_file() or file_checksum(folder / name) != value), ""
        )
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return CHECKSUMS


def file_checksum(path: Path) -> int:
    """CRC-32: against accidents, not against people; several GB a second."""
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            checksum = zlib.crc32(block, checksum)
    return checksum


def _checksum(value: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(value, sort_keys=True).encode())
