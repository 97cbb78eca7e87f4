"""Python that a model wrote, in a process that can compute and print and nothing else, by what `sandbox_child.py` takes from it.

A sandbox within the interpreter is none: smolagents' was left by CVE-2025-5120 and CVE-2025-9959, and by ctypes. Here the code may do
what it likes with the interpreter, and the kernel refuses what leaves it. All layers stand, or nothing runs: where the kernel lacks one,
`lacking` says which, and the tool is off.
"""

import os
import platform
import selectors
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

from core.errors import WorkbenchError

LONGEST = 20_000  # characters of a program
OUTPUT = 20_000  # bytes that are read; who prints more is ended
MORE_S = 1.0  # beyond the time allowed, for starting and ending


class Ran(NamedTuple):
    """printed: of both streams. ended: "" where it ended by itself, else why it was ended. code: of its exit; None: it was ended."""

    printed: str
    ended: str
    code: int | None

    @property
    def failed(self) -> bool:
        return bool(self.ended) or self.code != 0

    @property
    def told(self) -> str:
        """As a model reads it."""
        note = self.ended or (f"It ended with exit code {self.code}." if self.code else "")
        return "\n".join(filter(None, (self.printed.strip(), note))) or "It printed nothing."


@cache
def lacking() -> str:
    """Why no program can be run on this machine; "": it can. Tried once, with a program."""
    if not sys.platform.startswith("linux"):
        return "The sandbox is made of Linux' namespaces, Landlock and seccomp, which this system has not."
    if platform.machine() != "x86_64":
        return f"The sandbox' list of system calls is written for x86_64, not for {platform.machine()}."
    from core.agents.sandbox_child import LACKING

    made = _run("print(6 * 7)", 5.0)
    if made.code == LACKING:
        return f"This kernel, or what this process may do, lacks a layer of the sandbox: {made.printed}"
    return "" if made.printed.strip() == "42" else f"The sandbox did not run a program: {made.told}"


def run(code: str, seconds: float) -> Ran:
    """Runs a program. WorkbenchError where the sandbox cannot be had here, or the program is too long."""
    if why := lacking():
        raise WorkbenchError(why, todo="Leave run_python out of the tools.")
    if len(code) > LONGEST:
        raise WorkbenchError(f"The program has {len(code):,} characters; {LONGEST:,} are run at most.")
    return _run(code, seconds)


def _run(code: str, seconds: float) -> Ran:
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(Path(__file__).with_name("sandbox_child.py")), str(int(seconds) + 3)],
        env={"PYTHONIOENCODING": "utf-8:replace"},
        cwd=os.sep,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        with suppress(BrokenPipeError):
            process.stdin.write(code.encode("utf-8", "replace"))
            process.stdin.close()
        printed, ended = _read(process, time.monotonic() + seconds + MORE_S, seconds)
        if not ended:
            with suppress(subprocess.TimeoutExpired):
                process.wait(MORE_S)
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    text = printed[:OUTPUT].decode("utf-8", "replace")
    return Ran(text, ended, None if ended else process.returncode)


def _read(process: subprocess.Popen, deadline: float, seconds: float) -> tuple[bytes, str]:
    """(what it printed, why it is to be ended)."""
    pieces, size, output = [], 0, process.stdout.fileno()
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not selector.select(left):
                return b"".join(pieces), f"It was ended after {seconds:g} s."
            piece = os.read(output, 1 << 16)
            if not piece:
                return b"".join(pieces), ""
            pieces.append(piece)
            size += len(piece)
            if size > OUTPUT:
                return b"".join(pieces), f"It was ended: it printed more than {OUTPUT:,} bytes."
