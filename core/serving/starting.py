"""A service in a process of its own, up for as long as somebody asks it."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from core.errors import WorkbenchError
from core.jobs.child import environment
from core.serving.asking import service_state
from core.serving.service import NOT_READY, STARTING

START_S, STOP_S, LOOK_S = 300.0, 70.0, 0.2


@contextmanager
def running_service(home: Path, words: Callable[[int], Sequence[str]], name: str) -> Iterator[tuple[str, int]]:
    """(address, process id) once it is ready. words: of its port, what Python is started with. WorkbenchError: it does not start."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([sys.executable, *words(port)], env={**environment(), "GROUNDWORK_HOME": str(home)}, **silent)
    try:
        url, until = f"http://127.0.0.1:{port}", time.monotonic() + START_S
        while not (state := service_state(url)).ready:
            given_up = state.why.startswith(NOT_READY) and STARTING not in state.why  # what is missing does not come by waiting
            if given_up or process.poll() is not None or time.monotonic() > until:
                raise WorkbenchError(f"The service {name} did not start: {state.why}", todo="Try it with `serve`.")
            time.sleep(LOOK_S)
        yield url, process.pid
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
