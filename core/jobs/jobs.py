"""Work that outlives the page that asked for it: a child process of the command line, its state in files.

`<home>/jobs/<id>/` holds job.json (what was asked, which process), state.json (progress and outcome, replaced whole),
log.txt. Nothing about a job is kept in memory: any page, after any restart, finds it again. The parent writes job.json,
the child state.json; the parent touches state.json only when the child is gone.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import files
from core.errors import Refused, WorkbenchError, missing_package
from core.files.ids import new_id
from core.jobs.child import ROOT, ending, environment
from core.jobs.verbs import verb_of
from core.progress import PhaseClock, Running, duration, pace
from core.records import Progress, Up

KEPT = 50  # finished jobs
BEAT_S, WRITE_S = 1.0, 0.25
STALE_S = 30.0  # a heart that has not beaten for so long is dead; a loaded machine delays it by seconds
NUMBERS = {
    "created",
    "spawned",
    "started",
    "heartbeat",
    "beat",
    "finished",
    "process_started",
    "booted",
    "phase_began",
    "phase_counted",
}
COUNTS = {"attempt", "done", "total", "pid", "phase_first", "units"}
WORDS = {"label", "status", "message", "error", "like", "boot"}
TOLD = tuple(
    "status done total message phase_began phase_first phase_counted started heartbeat finished result error refused".split()
)
STOPPING_S = 65.0  # what is up finishes the requests that it let in
LIVE = ("queued", "running", "up")
STATUSES = ("running", "up", "done", "failed", "cancelled")
_children: dict[str, subprocess.Popen] = {}  # polled, so that a child that ended is no zombie


@dataclass(frozen=True)
class Job:
    """status: queued (not heard of yet), running, up (until it is stopped), done, failed, cancelled, or died (gone without a word)."""

    id: str
    label: str
    arguments: tuple[str, ...]
    status: str
    created: float  # seconds since 1970, like all times here
    attempt: int = 1
    units: int = 0  # how much of its verb's work it is; 0: nobody said
    like: str = ""  # what else decides how long a unit takes
    expected: tuple[float, float] | None = None  # seconds that it was told to take before it was started; None: nothing was told
    done: int = 0
    total: int = 0
    message: str = ""
    phase_began: float | None = None
    phase_first: int = 0  # what was done when the phase began
    phase_counted: float | None = None  # when its count rose last
    started: float | None = None
    heartbeat: float | None = None
    finished: float | None = None
    result: Any = None  # id of what it made, or a small value
    error: str = ""
    hangs: bool = False  # it is told to have died, but its process is there
    refused: bool = False  # what it failed by would end it again

    @property
    def active(self) -> bool:
        return self.status in LIVE

    @property
    def alive(self) -> bool:
        """Whether it has a process, which may work on."""
        return self.active or self.hangs

    @property
    def share(self) -> float | None:
        """How much is done, 0 to 1; None if that is unknown."""
        return min(self.done / self.total, 1.0) if self.total else None

    @property
    def words(self) -> str:
        """What it does, how far that is, how fast and how much longer it takes. As of its last heartbeat, so that whoever looks reads
        the same."""
        if self.status == "up":
            count = f"for {duration((self.heartbeat or self.created) - (self.started or self.created))}"
        elif not self.active:
            count = f"{self.done:,} of {self.total:,}" if self.total else ""
        elif self.phase_began is None:
            count = "starting"
        else:
            now = self.heartbeat or self.phase_began
            since = max(0.0, now - (self.phase_counted or now))
            count = pace(self.done, self.total, self.phase_first, now - self.phase_began, since)
        return " · ".join(filter(None, (self.message, count)))


class Jobs:
    """The jobs below one folder. `prefix`: the command line that a job's arguments follow."""

    def __init__(self, home: Path | str, prefix: Sequence[str] = (sys.executable, "-m", "core")) -> None:
        self.home = Path(home).absolute()
        self.folder = self.home / "jobs"
        self.prefix = tuple(prefix)

    def start(
        self, arguments: Sequence[str], label: str, units: int = 1, expected: tuple[float, float] | None = None, like: str = ""
    ) -> str:
        """Starts a job and returns its id; the id of the running one if the very same is under way, or hangs. units: how much of its verb's
        work it is, for what the next one is expected to take; like: what else decides that. expected: seconds, fewest and most, as
        they were told."""
        with self._starting():
            if under_way := self._under_way(tuple(arguments)):
                return under_way
            self._prune()
            job_id = new_id()
            (self.folder / job_id).mkdir()
            about = {
                "label": label,
                "arguments": list(arguments),
                "created": time.time(),
                "attempt": 1,
                "units": units,
                "like": like,
            }
            self._spawn(job_id, about | ({"expected": list(expected)} if expected else {}))
            return job_id

    def resume(self, job_id: str) -> str:
        """Runs a job's command again under its id; returns the id of another where the very same is under way by that. What its stages had
        cached is not computed again."""
        with self._starting():
            job = self.get(job_id)
            if not job.alive and (other := self._under_way(job.arguments)):
                return other
            if not job.active:
                self._kill(job_id)  # it may hang rather than be gone
                about = self._about(job_id)
                (self.folder / job_id / "state.json").unlink(missing_ok=True)
                self._spawn(job_id, {**about, "attempt": about["attempt"] + 1})
            return job_id

    def _under_way(self, arguments: tuple[str, ...]) -> str:
        """The id of the job with these that runs, or hangs; "": none."""
        return next((job.id for job in self.list() if job.alive and job.arguments == arguments), "")

    def took(self, verb: str, like: str | None = None) -> list[tuple[int, float]]:
        """(units, seconds) of the jobs with this verb that went through at the first attempt, the newest first. like: of those alone
        with which it was started."""
        ended = [job for job in self.list() if job.status == "done" and job.attempt == 1 and verb_of(job.arguments) == verb]
        ended = [job for job in ended if job.units and job.started and job.finished and like in (None, job.like)]
        return [(job.units, job.finished - job.started) for job in ended]

    def list(self) -> list[Job]:
        """All jobs, newest first."""
        ids = [path.parent.name for path in self.folder.glob("*/job.json")]
        jobs = []
        for job_id in sorted(ids, reverse=True):
            with suppress(WorkbenchError):  # pruned meanwhile
                jobs.append(self.get(job_id))
        return jobs

    def get(self, job_id: str) -> Job:
        about = self._about(job_id)
        state, hangs = _read(self.folder / job_id / "state.json"), False
        if state.get("status", "running") in LIVE:
            spawning = not about["pid"] and time.time() - about["spawned"] < STALE_S
            alive = spawning or self._process(job_id) is not None
            # read after looking at the process: a child writes its last word, then goes
            state = {"status": "queued", **_read(self.folder / job_id / "state.json")}
            beat = state.get("heartbeat") or time.time()  # none yet: it is still importing
            # by the clock that nobody sets, and that stands still with the machine; older states have none of it
            silent_s = time.monotonic() - state["beat"] if "beat" in state else time.time() - beat
            if state["status"] in LIVE and (not alive or silent_s > STALE_S):
                state |= {"status": "died", "finished": beat, "error": self._last_words(job_id, alive)}
                hangs = alive
        return Job(
            job_id,
            about["label"],
            tuple(about["arguments"]),
            created=about["created"],
            attempt=about["attempt"],
            units=about.get("units", 0),
            like=about.get("like", ""),
            expected=tuple(about["expected"]) if "expected" in about else None,
            **{name: state[name] for name in TOLD if name in state},
            hangs=hangs,
        )

    def _about(self, job_id: str) -> dict:
        """What was asked; WorkbenchError where the file is gone or damaged."""
        path = self.folder / job_id / "job.json"
        about = _read(path)
        if {"label", "arguments", "created", "attempt", "spawned", "pid"} <= about.keys():
            return about
        if path.exists():
            files.tell(f"A job is left out, its file is damaged: {path}.")
        raise WorkbenchError(f"There is no job '{job_id}', or its file is damaged.", where=str(self.folder))

    def cancel(self, job_id: str, grace_s: float = 5.0) -> Job:
        """Asks a job to stop and waits; after the grace it is killed, what is up after STOPPING_S. Its stages keep what they had cached."""
        job = self.get(job_id)
        if not job.alive:
            return job
        grace_s = STOPPING_S if job.status == "up" else grace_s
        if process := self._process(job_id):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, signal.SIGTERM)
                os.killpg(process.pid, signal.SIGCONT)  # what is suspended hears nothing
        deadline = time.monotonic() + grace_s
        while self._process(job_id) and time.monotonic() < deadline:
            time.sleep(0.02)
        self._kill(job_id)
        job = self.get(job_id)
        if job.status == "died":  # it had no time to say so itself
            state = _read(self.folder / job_id / "state.json")
            _write(self.folder / job_id / "state.json", {**state, "status": "cancelled", "finished": time.time()})
        return self.get(job_id)

    def log_tail(self, job_id: str, lines: int = 40) -> str:
        """The last lines a job printed."""
        try:
            with open(self.folder / job_id / "log.txt", "rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - 64_000))
                return "\n".join(log.read().decode("utf-8", "replace").splitlines()[-lines:])
        except FileNotFoundError:
            return ""

    def _spawn(self, job_id: str, about: dict) -> None:
        about |= {"spawned": time.time(), "pid": 0, "process_started": 0.0}
        _write(self.folder / job_id / "job.json", about)
        with open(self.folder / job_id / "log.txt", "ab") as log:
            child = subprocess.Popen(
                [*self.prefix, *about["arguments"], "--job", job_id],
                cwd=ROOT,
                env={**environment(), "GROUNDWORK_HOME": str(self.home), "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        _children[job_id] = child
        about |= process_noted(child.pid)
        _write(self.folder / job_id / "job.json", about)

    def _process(self, job_id: str):
        """The job's living process as psutil sees it, or None."""
        if job_id in _children:
            _children[job_id].poll()
        # the child notes itself too, in case its parent ended in between
        noted = (_read(self.folder / job_id / source) for source in ("job.json", "state.json"))
        return next(filter(None, map(living, noted)), None)

    def _kill(self, job_id: str) -> None:
        if process := self._process(job_id):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)  # a session of its own: its children go with it
            deadline = time.monotonic() + 5
            while self._process(job_id) and time.monotonic() < deadline:
                time.sleep(0.01)

    def _last_words(self, job_id: str, alive: bool) -> str:
        if alive:
            return "It does not respond."
        ended, tail = "It ended without a word.", self.log_tail(job_id, 3)
        code = None
        if job_id in _children:  # of a child of an earlier app nobody knows
            with suppress(subprocess.TimeoutExpired):
                code = _children[job_id].wait(1)  # it may be in the middle of ending
        if code is not None and code < 0:
            ended = f"It was ended by the signal {ending(code)}."
        return f"{ended}{tail and f' Its log ends: {tail}'}"

    @contextmanager
    def _starting(self) -> Iterator[None]:
        """One start at a time, over all processes: the same job is not started twice."""
        with files.disk_reported("The job", self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(self.folder / "lock", "a") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield

    def _prune(self) -> None:
        for job in [job for job in self.list() if not job.alive][KEPT - 1 :]:
            shutil.rmtree(self.folder / job.id, ignore_errors=True)


def drive(
    generator: Generator[Progress, None, Any], job_id: str, home: Path | str, result_id: Callable[[Any], Any] | None = None
) -> Any:
    """Runs a verb as a job, in the job's own process: writes its state, beats its heart, obeys SIGTERM.

    Returns the verb's result; errors are noted and raised again. `result_id` says what of the result the state keeps
    (default: a string itself, or the `id` of the result). Cancelled: the generator is closed, and SystemExit raised.
    """
    reporter = _Reporter(Path(home) / "jobs" / job_id / "state.json")
    cancelled = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: cancelled.set())
    try:
        with reporter.beating():
            result = _drained(generator, reporter, cancelled)
        identity = result_id(result) if result_id else result if isinstance(result, str) else getattr(result, "id", None)
        reporter.end("done", result=identity)
        return result
    except _Cancelled:
        reporter.end("cancelled")
        raise SystemExit(130) from None
    except WorkbenchError as error:
        reporter.end("failed", error=str(error), refused=isinstance(error, Refused))
        raise
    except ImportError as error:
        reporter.end("failed", error=str(missing_package(error)))
        raise
    except BaseException as error:
        with suppress(OSError):  # on a full disk
            traceback.print_exc()  # to the log
        reporter.end("failed", error=f"{type(error).__name__}: {error}")
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


class _Cancelled(Exception):
    pass


def _drained(generator: Generator[Progress, None, Any], reporter: "_Reporter", cancelled: threading.Event) -> Any:
    for step in (running := Running(generator)):
        reporter.progress(step)
        if cancelled.is_set():
            raise _Cancelled
    return running.result


class _Reporter:
    """Writes state.json: a few times a second while there is progress, and once a second to show life."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock, self._written, self._clock = path, threading.Lock(), 0.0, PhaseClock()
        self._state = {"status": "running", "started": time.time(), **process_noted(os.getpid())}
        with suppress(OSError):  # said again, and let pass, at each writing
            self._path.parent.mkdir(parents=True, exist_ok=True)

    def progress(self, progress: Progress) -> None:
        clock = self._clock
        clock.hear(progress, time.time())
        phase = {"phase_began": clock.began, "phase_first": clock.first, "phase_counted": clock.counted}
        self._state |= {**progress._asdict(), **phase, "status": "up" if isinstance(progress, Up) else "running"}
        if time.monotonic() - self._written > WRITE_S:
            self._save()

    def end(self, status: str, **outcome: Any) -> None:
        self._state |= {"status": status, "finished": time.time(), **outcome}
        self._save()

    @contextmanager
    def beating(self) -> Iterator[None]:
        stop = threading.Event()

        def beat() -> None:
            while not stop.wait(BEAT_S):
                self._save()

        self._save()
        heart = threading.Thread(target=beat, name="heartbeat", daemon=True)
        heart.start()
        try:
            yield
        finally:
            stop.set()
            heart.join()

    def _save(self) -> None:
        with self._lock, suppress(files.DiskError):  # a full disk must not end the work that is shown here
            self._written = time.monotonic()
            _write(self._path, {**self._state, "heartbeat": time.time(), "beat": time.monotonic()})


def process_noted(pid: int) -> dict[str, Any]:
    """What a state holds of a process, by which `living` finds it."""
    import psutil

    since = {"boot": _boot(), "booted": psutil.boot_time()}
    try:
        return {"pid": pid, "process_started": psutil.Process(pid).create_time(), **since}
    except psutil.Error:  # ended already
        return {"pid": pid, "process_started": 0.0, **since}


def living(state: Mapping[str, Any]) -> Any:
    """The process that a state notes as psutil sees it, or None: its number alone may have been given out again."""
    import psutil

    with suppress(psutil.Error):
        process = psutil.Process(state["pid"]) if state.get("pid") else None
        # who sets the clock moves the times at which the machine and its processes began
        moved = psutil.boot_time() - state.get("booted", 0.0) if (boot := _boot()) and state.get("boot") == boot else 0.0
        ours = process and abs(process.create_time() - moved - state.get("process_started", 0.0)) < 2
        return process if ours and process.status() != psutil.STATUS_ZOMBIE else None
    return None


def _boot() -> str:
    """Which start of the machine this is; "" where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


def _write(path: Path, content: dict) -> None:
    files.write_whole(path, json.dumps(content, default=str), "The state of the job", sync=False)


def _read(path: Path) -> dict:
    """What the file holds, without the fields that are not what they should be: none of it may end a page."""
    try:
        fields = files.read_json(path, of=dict, numbers="careless")
    except WorkbenchError:
        return {}
    return {name: value for name, value in fields.items() if _fits(name, value)}


def _fits(name: str, value: Any) -> bool:
    if name in NUMBERS or name in COUNTS:
        kinds = (int,) if name in COUNTS else (int, float)
        return type(value) in kinds and 0 <= value < (2**31 if name == "pid" else 2**37)  # nor NaN; a time before the year 6000
    if name == "status":
        return value in STATUSES
    if name == "refused":
        return isinstance(value, bool)
    if name == "arguments":
        return isinstance(value, list) and all(isinstance(word, str) for word in value)
    if name == "expected":
        return isinstance(value, list) and len(value) == 2 and all(_fits("finished", end) for end in value)
    return name == "result" or name in WORDS and isinstance(value, str)
