"""The file of facts: one SQLite database, in which what is deleted is overwritten. Why not the journal: docs/decisions/memory.md."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core import files
from core.errors import WorkbenchError
from core.memory.later import DUE

NAME = "facts.sqlite"
VERSION = 2
PAGE_BYTES = 8192  # a row of the longest texts stays on one page, so that a search of the bytes sees it whole
WAIT_S = 30.0
CHECKPOINT_PAGES = 4000  # 32 MB of log, brought into the file at once: seldom enough for the 99th percentile of a write
SCHEMA = """
CREATE TABLE facts (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, text TEXT NOT NULL, subject TEXT NOT NULL,
    attribute TEXT NOT NULL, value TEXT NOT NULL, time REAL NOT NULL, source TEXT NOT NULL, confidence REAL NOT NULL,
    importance REAL NOT NULL, uses INTEGER NOT NULL DEFAULT 0, last_use REAL, said INTEGER NOT NULL DEFAULT 1, ended REAL,
    superseded_by TEXT NOT NULL DEFAULT '', stale TEXT NOT NULL DEFAULT '', document TEXT NOT NULL, start INTEGER NOT NULL,
    "end" INTEGER NOT NULL, span TEXT NOT NULL, first REAL NOT NULL, told REAL NOT NULL, held REAL NOT NULL, about TEXT NOT NULL,
    key TEXT NOT NULL, marks BLOB NOT NULL, change INTEGER NOT NULL, corpus TEXT NOT NULL DEFAULT '');
CREATE INDEX facts_key ON facts (key);
CREATE INDEX facts_about ON facts (about);
CREATE INDEX facts_change ON facts (change);
CREATE TABLE edges (child TEXT NOT NULL, parent TEXT NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (child, parent)) WITHOUT ROWID;
CREATE INDEX edges_parent ON edges (parent);
CREATE TABLE words (word TEXT NOT NULL, fact INTEGER NOT NULL, PRIMARY KEY (word, fact)) WITHOUT ROWID;
CREATE TABLE vectors (fact INTEGER PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE uses (fact INTEGER NOT NULL, at REAL NOT NULL);
CREATE INDEX uses_fact ON uses (fact);
CREATE TABLE meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('changes', 0), ('deletions', 0);
"""
# sources that told a fact again, beside its own
HEARD = "CREATE TABLE IF NOT EXISTS heard (fact INTEGER NOT NULL, source TEXT NOT NULL, PRIMARY KEY (fact, source)) WITHOUT ROWID"
ADDED = {1: "ALTER TABLE facts ADD COLUMN corpus TEXT NOT NULL DEFAULT '';"}  # version of the file -> what it lacks


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Turns what SQLite says into words: a full disk, a damaged file, a memory that is busy."""
    try:
        with files.disk_reported("The memory", path):
            yield
    except UnicodeEncodeError as error:
        todo = "Give plain text, in the encoding of this terminal."
        raise WorkbenchError("This is no text that a fact could hold.", where=str(path), todo=todo) from error
    except sqlite3.DatabaseError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise files.Busy(f"The memory was busy for {WAIT_S:g} s.", where=str(path), todo="Try again.") from error
        if "disk I/O error" in str(error):
            raise files.disk_error(error, "The memory", path) from error
        if "readonly" in str(error):
            todo = "Get permission to write there, or set GROUNDWORK_HOME to a folder that may be written."
            raise WorkbenchError("The memory may only be read.", where=str(path), todo=todo) from error
        todo = (
            "Copy the file back from a backup (`store backup` holds it); the damaged one may be moved away, and a new one begins."
        )
        raise WorkbenchError(f"The memory cannot be read: {error}.", where=str(path), todo=todo) from error


def opened(path: Path) -> sqlite3.Connection:
    """The database of this path, made where there is none; within the lock of those who write. Every commit is on the disk; what is
    deleted is overwritten by zeros."""
    with told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        for setting, value in (("synchronous", "FULL"), ("secure_delete", "ON"), ("wal_autocheckpoint", CHECKPOINT_PAGES)):
            connection.execute(f"PRAGMA {setting} = {value}")
        connection.execute("PRAGMA temp_store = MEMORY")  # no copy of anything elsewhere on the disk
        connection.execute("PRAGMA cache_size = -65536")  # 64 MB
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version < VERSION:
            connection.executescript(f"BEGIN IMMEDIATE; {ADDED.get(version, SCHEMA)} PRAGMA user_version = {VERSION}; COMMIT")
        connection.execute(DUE)
        connection.execute(HEARD)
    if version > VERSION:
        raise WorkbenchError("The memory was written by a newer version.", where=str(path), todo="Update this one.")
    return connection


def compacted(connection: sqlite3.Connection) -> None:
    """Writes the file anew from the rows that are there, and empties its log: nothing else is in either afterwards.

    Raises a sqlite3.OperationalError ("locked") where another process reads an older state for longer than the wait.
    """
    connection.execute("VACUUM")
    busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise sqlite3.OperationalError("database is locked: its log is still read")
