"""CrewAI's process: started once, asked by one run at a time, ended with us. `crewai_child.py` says what is exchanged."""

import atexit
import json
import os
import queue
import subprocess
import tempfile
import threading
from collections.abc import Generator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.errors import WorkbenchError
from core.files import read_json

VARIABLE = "CREWAI_PYTHON"
INSTALLED = Path(__file__).resolve().parents[2] / ".venv-crewai" / "bin" / "python"
CHILD = Path(__file__).with_name("crewai_child.py")
EVERY_S = 0.1  # so often a run that waits can be stopped
PASSED_ON = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT")  # of the environment: no key of any service
QUIET = {  # it reports nothing to anybody
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_DISABLE_TRACKING": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "OTEL_SDK_DISABLED": "true",
}


def interpreter() -> Path:
    """Of the environment that holds CrewAI. WorkbenchError where there is none."""
    path = Path(os.environ.get(VARIABLE) or INSTALLED)
    if not path.is_file():
        raise WorkbenchError(
            "CrewAI is not installed: it needs an environment of its own.",
            where=str(path),
            todo=f"Run `make crewai` (about 1 GB), or name the interpreter of yours in {VARIABLE}.",
        )
    return path


class CrewProcess:
    """A process that runs one task at a time."""

    def __init__(self, python: Path) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="crewai-")  # CrewAI writes databases of its own at home
        env = {name: os.environ[name] for name in PASSED_ON if name in os.environ} | QUIET | {"HOME": self._home.name}
        self._process = subprocess.Popen(
            [str(python), "-I", str(CHILD)],
            env=env,
            cwd=self._home.name,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        atexit.register(self.end)

    def _read(self) -> None:
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def tell(self, message: Mapping[str, Any]) -> None:
        with suppress(BrokenPipeError):  # `asks` says it
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()

    def asks(self, seconds: float) -> Generator[str, None, dict[str, Any]]:
        """Its next message; {"error"} where it ended, with {"late"} where it has none within that time. Yields "" while it waits."""
        for _ in range(max(1, int(seconds / EVERY_S))):
            yield ""
            with suppress(queue.Empty):
                line = self._lines.get(timeout=EVERY_S)
                return read_json(line, "CrewAI's message", of=dict) if line else {"error": "its process ended"}
        return {"error": f"it said nothing for {seconds:.0f} s", "late": True}

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._home.cleanup()
        atexit.unregister(self.end)


_idle: list[CrewProcess] = []  # of all runs of this process


def engaged() -> CrewProcess:
    """One that has nothing to do, else a new one: importing CrewAI takes seconds."""
    python = interpreter()
    while _idle:
        with suppress(IndexError):
            crew = _idle.pop()
            if crew.alive:
                return crew
            crew.end()
    return CrewProcess(python)


def released(crew: CrewProcess, whole: bool) -> None:
    """whole: its task ended, so that it can take another."""
    if whole and crew.alive:
        _idle.append(crew)
    else:
        crew.end()
