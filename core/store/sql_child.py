"""The process in which SQL from a person runs: it may be killed, and holds nothing but DuckDB.

Run as a file by an isolated interpreter (`python -I`), so it imports nothing of ours and no setting of the environment. Each
line of standard input is one query, each line of standard output its answer, both JSON. It ends with its standard input.
"""

import json
import queue
import resource
import signal
import sys
import threading
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from os import _exit
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

STEP = 64  # rows fetched at once: what stands between two looks at the bytes
# DuckDB's own limit leaves out what a function makes within one value (repeat) and what the planner takes
MEMORY = 4 << 30
LARGE = 512 << 20  # a process that ever took so much is not used again


class BoundedAnswer:
    """Rows of plain JSON, cut by number, by the length of a cell and by their size in all."""

    def __init__(self, rows: int, cell: int, size: int) -> None:
        self.most_rows, self.cell, self.left = rows, cell, size
        self.rows: list[list[Any]] = []
        self.more, self.cut = False, 0

    def add(self, row: tuple) -> bool:
        """False where the row is one too many."""
        cells = [self._plain(value) for value in row]
        self.left -= len(json.dumps(cells, ensure_ascii=False).encode())
        self.more = len(self.rows) == self.most_rows or self.left < 0
        if not self.more:
            self.rows.append(cells)
        return not self.more

    def _plain(self, value: Any) -> Any:
        """As JSON has it. Times become {"time": …}, which no other value becomes: a struct is kept as text."""
        if value is None or isinstance(value, bool | float):
            return value
        if isinstance(value, int):
            return value if abs(value) < 2**63 else str(value)
        if isinstance(value, Decimal):
            return float(value) if len(value.as_tuple().digits) <= 15 else str(value)
        if isinstance(value, datetime | date):
            return {"time": value.isoformat()} if isinstance(value, datetime) else str(value)
        if isinstance(value, bytes | bytearray | memoryview):
            value = _of_bytes(value[: self.cell + 1])
        elif not isinstance(value, str):
            nested = isinstance(value, list | tuple | dict)
            value = json.dumps(_keyed(value), ensure_ascii=False, default=_inner) if nested else str(value)
        if len(value) > self.cell:
            self.cut += 1
            return value[: self.cell] + "…"
        return value


def _of_bytes(value: bytes | bytearray | memoryview) -> str:
    """As DuckDB itself shows them."""
    return "".join(chr(b) if 32 <= b < 127 and b != 92 else f"\\x{b:02X}" for b in bytes(value))


def _inner(value: Any) -> Any:
    """What stands in a list or a struct."""
    if isinstance(value, bytes | bytearray | memoryview):
        return _of_bytes(value)
    return float(value) if isinstance(value, Decimal) and len(value.as_tuple().digits) <= 15 else str(value)


def _keyed(value: Any) -> Any:
    """Keys of a map as JSON has them."""
    if isinstance(value, dict):
        return {key if isinstance(key, str | int | float) else str(_inner(key)): _keyed(each) for key, each in value.items()}
    return list(map(_keyed, value)) if isinstance(value, list | tuple) else value


# a time zone as DuckDB asks pytz for it, which is no package of ours: without one, TIMESTAMP WITH TIME ZONE is refused
ZONE = type("PytzZone", (ZoneInfo,), {"localize": lambda own, moment: moment.replace(tzinfo=own)})


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    import duckdb

    with duckdb.connect(asked["path"], read_only=True, config=asked["config"]) as connection:
        statements = connection.extract_statements(asked["text"])
        if len(statements) != 1:
            return {"error": "count", "said": str(len(statements))}
        if statements[0].type != duckdb.StatementType.SELECT:
            return {"error": "kind", "said": statements[0].type.name}
        result = connection.execute(statements[0])
        reply = BoundedAnswer(asked["rows"], asked["cell"], asked["size"])
        while (rows := result.fetchmany(STEP)) and all(map(reply.add, rows)):
            pass
        return {"columns": [column[0] for column in result.description], "rows": reply.rows, "more": reply.more, "cut": reply.cut}


def peak() -> int:
    """Most memory that this process ever had, in bytes. Linux' ru_maxrss counts what the app had before it started this."""
    with suppress(OSError), open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024


def serve() -> None:
    sys.modules["pytz"] = SimpleNamespace(timezone=ZONE)
    import duckdb

    # macOS knows no limit of address space: there the watch below, and the clock, hold
    for limit, value in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
        with suppress(ValueError, OSError):
            resource.setrlimit(limit, (value, value))
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=listen, args=(lines,), daemon=True).start()
    threading.Thread(target=watch, daemon=True).start()
    while True:
        asked = json.loads(lines.get())
        # by the system itself: whoever asked may have been killed, and Python may not come to run
        signal.setitimer(signal.ITIMER_REAL, asked["seconds"] + 1)
        try:
            told = answer(asked)
        except duckdb.Error as error:
            told = {"error": type(error).__name__, "said": str(error)[: asked["cell"]]}
        except (MemoryError, RecursionError) as error:
            told = {"error": type(error).__name__, "said": ""}
        signal.setitimer(signal.ITIMER_REAL, 0)
        told["spent"] = peak() > LARGE
        sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
        sys.stdout.flush()


def listen(lines: queue.SimpleQueue) -> None:
    for line in sys.stdin:
        lines.put(line)
    _exit(0)


def watch() -> None:
    pause = threading.Event()
    while peak() < MEMORY:
        pause.wait(0.05)
    _exit(137)


if __name__ == "__main__":
    serve()
