"""Whether the file that an own document was read from is still as it was: what is searched is a copy of that time.

A file is looked at by its time and length; only where the time is another one and the length the same are its contents compared, once.
A file that is gone is told only while its folder is there: a drive that is not mounted says nothing.
"""

import hashlib
import os
import stat
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from core.corpus import own
from core.corpus.own import Origin
from core.records import Document

CHANGED = "the document changed after this was indexed (file of {when})"
GONE = "the document's file was removed after this was indexed"


def notice(origin: Origin | None) -> str:
    """What is to be said of a document from there; "" where its file is as it was, or nobody knows."""
    if origin is None:
        return ""
    try:
        state = os.stat(origin.path)
    except FileNotFoundError:
        return GONE if os.path.isdir(os.path.dirname(origin.path)) else ""
    except OSError:
        return ""
    if not stat.S_ISREG(state.st_mode) or (state.st_mtime_ns, state.st_size) == (origin.mtime_ns, origin.bytes):
        return ""
    if state.st_size == origin.bytes and _digest(origin.path, state.st_mtime_ns) in (origin.sha256, ""):
        return ""
    return CHANGED.format(when=datetime.fromtimestamp(state.st_mtime).strftime("%Y-%m-%d %H:%M"))


@lru_cache(1024)
def _digest(path: str, mtime_ns: int) -> str:
    """Of the file as it is at this time; "" where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def origins(home: Path, name: str, documents: Iterable[Document]) -> dict[str, Origin | None]:
    """Document id -> the file that it was read from; None where that is not known."""
    read = lru_cache(None)(own.read_from)
    return {document.id: read(home, name, document.source) for document in documents}
