"""A lock between processes and threads: bounded to wait for, and it says who holds it.

`flock` on a file that is opened anew for each use: threads of one process exclude each other too, and a killed holder
lets go. Waiting is blocking, in a helper thread that is left behind on timeout: polling starves (with four writers its
p99 is seconds). Everyone passes a gate first, so a writer that waits is not overtaken by reader after reader.
"""

import errno
import fcntl
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from core.errors import WorkbenchError


class Busy(WorkbenchError):
    """The lock could not be had in time."""


@contextmanager
def hold(path: Path, *, purpose: str, seconds: float, shared: bool = False) -> Iterator[None]:
    """Holds the lock; Busy names the holder if it could not be had within `seconds`."""
    with suppress(OSError):  # a folder that may only be read is read without
        path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + seconds
    gate = _acquire(path.with_suffix(".gate"), fcntl.LOCK_EX, deadline)
    try:
        handle = None if gate is None else _acquire(path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, deadline)
    finally:
        if gate is not None:
            os.close(gate)
    if handle is None:
        raise Busy(
            f"The store was busy for {seconds:g} s: {holder(path)}.",
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


def holder(path: Path) -> str:
    """Who took the lock last, in words (of several readers, the latest)."""
    try:
        note = json.loads(path.read_text("utf-8"))
        return f"process {note['pid']} ({note['program']}) is {note['purpose']} since {note['since']}"
    except (OSError, ValueError, KeyError):
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
