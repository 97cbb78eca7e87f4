"""A data set's files from their publisher: resumed, bounded in size and time, checked, then renamed into place."""

import errno
import fcntl
import hashlib
import http.client
import json
import os
import shutil
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from core import files
from core.corpus.cards import Card, DataFile
from core.errors import WorkbenchError
from core.records import Progress

MAX_BYTES = 8 << 30
STALLED_S = 30.0  # without a new byte
SLOWEST = 1000  # bytes a second, over SLOW_S seconds: below, a server only keeps us waiting
SLOW_S = 60.0
AGENT = "Mozilla/5.0 (compatible; Groundwork research workbench)"  # some publishers refuse urllib's own


@dataclass
class Transfer:
    """What the thread that reads the network shares with the generator that watches the clock."""

    done: int = 0
    total: int = 0
    error: BaseException | None = None
    finished: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)


def fetch_card(card: Card, folder: Path) -> Generator[Progress, None, Path]:
    """All files of a card into its folder; those that are there stay as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in card.files:
        target = folder / file.basename
        if not target.exists():
            yield from fetch(file, target)
    return folder


def fetch(file: DataFile, target: Path) -> Generator[Progress, None, Path]:
    """One file. A stopped or failed attempt leaves a .part, from which the next one goes on."""
    if not file.url.startswith(("https://", "http://")):
        raise WorkbenchError("Only http and https addresses are fetched.", where=file.url)
    part = target.with_name(target.name + ".part")
    with _opened(part) as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise WorkbenchError(
                f"{target.name} is being downloaded already.", where=str(part), todo="Wait for it, or cancel it first."
            ) from None
        yield from _transfer(file, part, stream, target)
        yield Progress(0, 0, f"Checking {target.name}")
        _check(file, part, target)
        files.take_place(part, target)
        _etag(part).unlink(missing_ok=True)
    return target


def _transfer(file: DataFile, part: Path, stream: BinaryIO, target: Path) -> Generator[Progress, None, None]:
    """The wall clock is watched here: a socket's own timeout starts anew with every byte of a trickle."""
    state = Transfer()
    threading.Thread(target=_work, args=(file, part, stream, state), daemon=True).start()
    last, last_done = time.monotonic(), 0
    window, window_done = last, 0
    try:
        while not state.finished.wait(0.1):
            now = time.monotonic()
            if state.done > last_done:
                last, last_done = now, state.done
            if now - last > STALLED_S:
                raise _stalled(file, f"sent nothing for {STALLED_S:.0f} s")
            if now - window > SLOW_S:
                if 0 < state.done - window_done < SLOWEST * SLOW_S:
                    raise _stalled(file, f"sends less than {SLOWEST} bytes a second")
                window, window_done = now, state.done
            yield Progress(state.done, state.total, f"Downloading {target.name}")
    finally:
        state.stop.set()
    if state.error is not None:
        raise _explained(state.error, file, target) from state.error


def _work(file: DataFile, part: Path, stream: BinaryIO, state: Transfer) -> None:
    try:
        have = stream.seek(0, os.SEEK_END)
        with _asked(file.url, have, _etag(part).read_text("utf-8") if _etag(part).exists() else "") as reply:
            if reply.status != 206 or not (reply.headers.get("Content-Range") or "").startswith(f"bytes {have}-"):
                have = 0
                stream.truncate(0)
                stream.seek(0)
                _etag(part).write_text(_strong(reply.headers), "utf-8")
            length = reply.headers.get("Content-Length")
            state.done, state.total = have, have + int(length) if length else 0
            _room(state.total - have, part.parent)
            while not state.stop.is_set() and (data := reply.read1(1 << 16)):
                stream.write(data)
                state.done += len(data)
                if max(state.done, state.total) > MAX_BYTES:
                    raise WorkbenchError(f"The file is larger than {MAX_BYTES / 1e9:.0f} GB.", where=file.url)
            stream.flush()
            os.fsync(stream.fileno())
            if state.total and state.done < state.total and not state.stop.is_set():
                raise http.client.IncompleteRead(b"", state.total - state.done)
    except BaseException as error:
        state.error = error
    finally:
        state.finished.set()


def _asked(url: str, have: int, mark: str) -> http.client.HTTPResponse:
    """The reply to a request for what is missing; for all of it where nobody can say that the rest belongs to it."""
    headers = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
    more = {"Range": f"bytes={have}-", "If-Range": mark} if have and mark else {}
    try:
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers | more), timeout=STALLED_S)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not more:
            raise
        return _asked(url, 0, "")  # nothing is missing: a whole .part that was never checked


def _strong(headers: http.client.HTTPMessage) -> str:
    """What the server can compare for If-Range; a weak ETag may not be used for it."""
    etag = headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else headers.get("Last-Modified", "")


def _check(file: DataFile, part: Path, target: Path) -> None:
    """Against the card's checksum; where it has none, against that of the first download."""
    with part.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        stream.seek(0)
        md5 = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest() if file.md5 else None
    remembered = target.with_name("checksums.json")
    wanted = file.sha256 or _remembered(remembered).get(target.name)
    if (wanted and wanted != sha256) or file.md5 != md5:
        part.unlink(missing_ok=True)
        _etag(part).unlink(missing_ok=True)
        raise WorkbenchError(
            f"{target.name} has another checksum than expected: damaged, or changed.",
            where=file.url,
            todo="Download it again. If it comes out the same, the publisher has a new version: "
            f"compare it by hand and put it into {target.parent}.",
        )
    with files.changing(remembered):
        files.write_whole(remembered, json.dumps(_remembered(remembered) | {target.name: sha256}))


def _remembered(checksums: Path) -> dict[str, str]:
    return files.read_json(checksums, "The list of checksums", of=dict) if checksums.exists() else {}


def _room(needed: int, folder: Path) -> None:
    if needed > shutil.disk_usage(folder).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _opened(part: Path) -> BinaryIO:
    return os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT, 0o644), "r+b")


def _etag(part: Path) -> Path:
    return part.with_name(part.name + ".etag")


def _stalled(file: DataFile, what: str) -> WorkbenchError:
    return WorkbenchError(f"The server {what}.", where=file.url, todo="Try again later: it goes on from where it is.")


def _explained(error: BaseException, file: DataFile, target: Path) -> BaseException:
    by_hand = f"Fetch {file.url} elsewhere and put it at {target}."
    if isinstance(error, urllib.error.HTTPError):
        what = "The file is not there any more" if error.code in (404, 410) else "The server refuses the file"
        return WorkbenchError(
            f"{what} ({error.code} {error.reason}).", where=file.url, todo="Look at the data set's page for its new place."
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return WorkbenchError("The disk is full.", where=str(target.parent), todo="Free some space and start again.")
    if isinstance(error, TimeoutError):
        return _stalled(file, f"sent nothing for {STALLED_S:.0f} s")
    if isinstance(error, urllib.error.URLError):
        return WorkbenchError(f"The server cannot be reached: {error.reason}.", where=file.url, todo=by_hand)
    if isinstance(error, (http.client.HTTPException, OSError)):
        return WorkbenchError(
            f"The connection broke: {error or type(error).__name__}.",
            where=file.url,
            todo="Start the download again: it goes on from where it is.",
        )
    return error
