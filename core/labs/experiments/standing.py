"""How an experiment stands, for whoever did not start it: said by its driver into a small file, read by pages and commands."""

import json
import os
import signal
import threading
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from core import files
from core.errors import WorkbenchError
from core.jobs.jobs import living, process_noted
from core.labs.experiments import book
from core.progress import PhaseClock, Running, pace
from core.records import Progress
from core.workbench import Workbench

WRITE_S = 0.25


class StudyStanding(NamedTuple):
    """status: running, done, stopped (by its budget, or by a person), failed, died (gone without a word), or new."""

    id: str
    status: str
    done: int = 0
    total: int = 0  # 0: unknown
    message: str = ""
    phase_began: float | None = None  # seconds since 1970, like all times here
    phase_first: int = 0  # what was done when the phase began
    phase_counted: float | None = None  # when its count rose last
    started: float | None = None
    finished: float | None = None
    engine: str = ""
    pid: int | None = None  # of the driver, while it runs
    trials: dict[str, int] = {}  # stored, by status
    failures: Sequence[dict[str, Any]] = ()  # what was not measured since, the latest first, with the reasons

    @property
    def words(self) -> str:
        """What it does, how far that is, how fast and how much longer it takes."""
        now = time.time()
        since = now - (self.phase_counted or now)
        count = pace(self.done, self.total, self.phase_first, now - (self.phase_began or now), since)
        return " · ".join(filter(None, (self.message, count)))


def standing(workbench: Workbench, name: str) -> StudyStanding:
    """Of an experiment by its id, wherever its driver was started."""
    state = _read(_file(workbench.home, name))
    counts = {
        row["status"]: row["n"]
        for row in workbench.store.query("SELECT status, count(*) AS n FROM trials WHERE sweep = ? GROUP BY ALL", [name])
    }
    if not state and not counts:
        book.load(workbench, name)  # which says that there is none
    failures = workbench.store.query(
        """SELECT id, reason FROM (SELECT * FROM trials WHERE sweep = ? AND status IN ('ok', 'failed')
           QUALIFY row_number() OVER (PARTITION BY config_fingerprint ORDER BY id DESC) = 1)
           WHERE status = 'failed' ORDER BY id DESC""",
        [name],
    )
    if (status := state.pop("status", "new")) == "running" and not living(state):
        status = "died"
    pid = state.pop("pid", None) if status == "running" else None
    said = {field: state[field] for field in StudyStanding._fields if field in state}
    return StudyStanding(name, status, **said | {"pid": pid, "trials": counts, "failures": failures})


def runs(home: Path, name: str) -> bool:
    """Whether the experiment is being measured now."""
    state = _read(_file(home, name))
    return state.get("status") == "running" and living(state) is not None


def pause(workbench: Workbench, name: str, seconds: float = 10.0) -> StudyStanding:
    """Ends the run of an experiment, wherever it was started; run again, it goes on. It is killed where it does not end in time."""
    state = _read(_file(workbench.home, name))
    if not runs(workbench.home, name):
        standing(workbench, name)  # says where there is no such experiment
        raise WorkbenchError(f"The experiment '{name}' does not run.", todo=f"`python -m core experiment run {name}` runs it.")
    os.kill(state["pid"], signal.SIGTERM)
    end = time.monotonic() + seconds
    while living(state):
        if time.monotonic() > end:
            os.kill(state["pid"], signal.SIGKILL)
        time.sleep(0.02)
    return standing(workbench, name)


class Announced:
    """The driver's side: what is said of a run while it goes on, and how it ended."""

    def __init__(self, home: Path, name: str, engine: str) -> None:
        self.stopped = ""
        self._signal: Any = None
        self._path, self._written = _file(home, name), 0.0
        self._state = {"status": "running", "engine": engine, "started": time.time(), **process_noted(os.getpid())}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            self._signal = signal.signal(signal.SIGTERM, signal.default_int_handler)  # a job has its own way to end
        self._write()
        return self

    def steps(self, work: Generator[Progress, None, Any]) -> Generator[Progress, None, Any]:
        """The same steps, each said."""
        clock = PhaseClock()
        for step in (running := Running(work)):
            clock.hear(step, time.time())
            news = step.done != self._state.get("done")
            phase = {"phase_began": clock.began, "phase_first": clock.first, "phase_counted": clock.counted}
            self._state |= {**step._asdict(), **phase}
            if news or time.monotonic() - self._written > WRITE_S:
                self._write()
            yield step
        return running.result

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._signal is not None:
            signal.signal(signal.SIGTERM, self._signal)
        if kind is None:
            self._state |= {"status": "stopped" if self.stopped else "done", "message": self.stopped}
        elif issubclass(kind, GeneratorExit | KeyboardInterrupt):
            self._state |= {"status": "stopped", "message": "paused"}
        else:
            self._state |= {"status": "failed", "message": str(error)}
        self._state["finished"] = time.time()
        self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        files.write_whole(self._path, json.dumps(self._state), "The state of the experiment", sync=False)


def _file(home: Path, name: str) -> Path:
    return home / "locks" / f"study-{name}.json"


def _read(path: Path) -> dict[str, Any]:
    """What the file holds, without the fields that are not what they should be."""
    try:
        state = files.read_json(path, of=dict)
    except WorkbenchError:
        return {}
    return {name: value for name, value in state.items() if _fits(name, value)}


def _fits(name: str, value: Any) -> bool:
    if name in ("status", "message", "engine", "boot"):
        return isinstance(value, str)
    if name in ("done", "total", "pid"):
        return type(value) is int and 0 <= value < 2**31
    return type(value) in (int, float) and 0 <= value < 2**37  # a time before the year 6000
