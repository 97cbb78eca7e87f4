"""SQL from a person, in a process of its own: bounded in time, memory, rows, bytes and the length of a cell.

DuckDB's own interrupt and memory limit are requests: levenshtein of long texts ran for 109 s against a limit of 10, repeat
took 8 GB against one of 2. A process is killed. It stays for the next query, which then costs no start (some 0.1 s).
"""

import json
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import WorkbenchError

TEXT = 100_000  # characters of a statement
CELL = 10_000  # characters of a cell; a longer one is cut, and ends with an ellipsis
SIZE = 10_000_000  # bytes of all rows together
AT_ONCE = 2  # queries that run side by side
FEWER = "Ask for fewer rows or columns, or aggregate."
KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")  # no key among them


class SqlResult(NamedTuple):
    columns: list[str]
    rows: list[tuple]
    truncated: bool  # there are more rows
    cut_cells: int = 0  # longer than CELL


class Failed(Exception):
    """DuckDB refused or failed: the name of its exception, and what it said."""

    def __init__(self, kind: str, said: str) -> None:
        self.kind, self.said = kind, said
        super().__init__(said)


_idle: list["_SqlChild"] = []
_places = threading.BoundedSemaphore(AT_ONCE)


def ask(path: Path, text: str, config: dict[str, str], row_cap: int, seconds: float) -> SqlResult:
    """One SELECT over the database. The caller holds the lock under which it may be read."""
    if len(text) > TEXT:
        raise WorkbenchError(f"The statement has {len(text):,} characters; {TEXT:,} are read at most.", todo="Shorten it.")
    child = _child()
    asked = {
        "path": str(path),
        "text": text,
        "rows": row_cap,
        "seconds": seconds,
        "cell": CELL,
        "size": SIZE,
        "config": {**config, "threads": str(min(4, os.cpu_count() or 1))},
    }
    told = child.ask(asked, seconds)
    if told["spent"]:
        child.end()
    else:
        _idle.append(child)
    if kind := told.get("error"):
        raise _refusal(kind, told["said"], config)
    rows = [tuple(datetime.fromisoformat(c["time"]) if isinstance(c, dict) else c for c in row) for row in told["rows"]]
    return SqlResult(_apart(told["columns"]), rows, told["more"], told["cut"])


def _apart(names: list[str]) -> list[str]:
    """Two columns of one name (SELECT a.id, b.id) are numbered, or whoever reads rows by their columns would lose one."""
    made: list[str] = []
    for place, name in enumerate(names):
        number, own = names[: place + 1].count(name), name
        while own in made or (own != name and own in names):
            own, number = f"{name} ({number})", number + 1
        made.append(own)
    return made


def _child() -> "_SqlChild":
    with suppress(IndexError):
        while True:
            child = _idle.pop()
            if child.process.poll() is None:
                return child
            child.end()
    return _SqlChild()


@contextmanager
def place(seconds: float) -> Iterator[None]:
    """To be held while a query waits and runs, so that many at once cannot take all memory together."""
    if not _places.acquire(timeout=seconds):
        raise WorkbenchError(f"{AT_ONCE} other queries are running.", todo="Try again in a moment.")
    try:
        yield
    finally:
        _places.release()


def _refusal(kind: str, said: str, config: dict[str, str]) -> Exception:
    if kind == "count":
        return WorkbenchError(f"One statement at a time, please; here are {said}." if int(said) else "There is no statement.")
    if (kind, said) == ("kind", "MULTI"):
        return WorkbenchError(
            "PIVOT has to name the values of its columns.", todo="Write them: PIVOT … ON status IN ('ok', 'failed')."
        )
    if kind == "kind":
        return WorkbenchError(f"Only reading is possible here, not {said}.", todo="Write a SELECT.")
    if kind in ("MemoryError", "OutOfMemoryException"):
        return WorkbenchError(f"The query needs more than {config['memory_limit']} of memory.", todo=FEWER)
    if kind == "RecursionError":
        return WorkbenchError("The query, or a value of its answer, is nested too deeply.", todo="Nest it less.")
    return Failed(kind, said)


class _SqlChild:
    def __init__(self) -> None:
        environment = {name: os.environ[name] for name in KEPT if name in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).with_name("sql_child.py"))],
            env=environment,
            cwd=os.sep,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def ask(self, asked: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Its answer; the process is gone where there is none."""
        done = False
        try:
            self.process.stdin.write(json.dumps(asked).encode() + b"\n")
            self.process.stdin.flush()
            answer = json.loads(self._line(time.monotonic() + seconds, seconds))
            done = True
            return answer
        except (BrokenPipeError, ValueError):  # the end of its output, or half a line
            raise self._ended() from None
        finally:
            if not done:
                self.end()

    def _line(self, deadline: float, seconds: float) -> bytes:
        parts, size, output = [], 0, self.process.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while not (parts and parts[-1].endswith(b"\n")):
                left = deadline - time.monotonic()
                if left <= 0 or not selector.select(left):
                    raise WorkbenchError(f"The query was stopped after {seconds:g} s.", todo=FEWER)
                parts.append(os.read(output, 1 << 20))
                size += len(parts[-1])
                if not parts[-1] or size > 4 * SIZE:  # it sends no more than SIZE, and its headings
                    break
        return b"".join(parts)

    def _ended(self) -> WorkbenchError:
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(1)
        code = self.process.poll()
        if code in (137, -signal.SIGKILL, -signal.SIGABRT):  # its own watch, the system's, a failed allocation
            return WorkbenchError("The query needs more memory than it may have, and was ended.", todo=FEWER)
        how = signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
        return WorkbenchError(
            f"The query ended the process that ran it ({how}). The app goes on.",
            todo="Write it simpler: a query nested many thousand times does this.",
        )

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with suppress(OSError):
                pipe.close()
