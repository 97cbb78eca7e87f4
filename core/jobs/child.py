"""Work in a process of its own, so that a native library that aborts or takes all memory ends that process, not the app.

The app's side sends an object, a method's name and its arguments; the child calls that method and sends back what it
yields and returns. Every call has a connection of its own and a thread in the child. Closing the connection cancels the
call; closing the child's standard input ends it, which the system does where the app is killed. No
`multiprocessing.Process`: it would run Streamlit's script in the child.
"""

import inspect
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from multiprocessing.connection import Client, Connection, Listener, arbitrary_address
from pathlib import Path
from typing import Any, NamedTuple

from core import files
from core.errors import WorkbenchError, missing_package
from core.progress import Running

ROOT = Path(__file__).parents[2]
Key = tuple[str, str]  # what kind of work, and on what: children of one kind and different work take turns


class Words(NamedTuple):
    """How the end of a child is told."""

    who: str  # "The model's process"
    where: str
    todo: str


class Answers:
    """What the child says on one call."""

    def __init__(self, child: "_Child", connection: Connection) -> None:
        self.child, self.poll, self.connection = child, connection.poll, connection

    def recv(self) -> tuple[str, Any]:
        """("piece", what it yielded) or ("returned", what it returned)."""
        kind, said = self.connection.recv()
        if kind == "problem":
            raise said
        return kind, said


@contextmanager
def asked(key: Key, words: Words, target: Any, name: str, args: tuple = (), kwargs: dict | None = None) -> Iterator[Answers]:
    """Calls `target.name(*args, **kwargs)` in the child of this key, which is started where there is none."""
    child = _child(key)
    try:
        with closing(Client(child.address, authkey=child.key)) as connection:
            connection.send((files.home(), target, name, args, kwargs or {}))
            yield Answers(child, connection)
    except (EOFError, OSError) as error:
        raise child.ended(words) from error
    finally:
        with _starting:
            child.calls -= 1
            child.end_if_left()


class _Child:
    def __init__(self) -> None:
        self.key, self.calls, self.left = secrets.token_bytes(32), 0, False
        self.folder = tempfile.TemporaryDirectory(prefix="groundwork-child-", ignore_cleanup_errors=True)
        folder = Path(self.folder.name)
        self.address = arbitrary_address("AF_PIPE") if os.name == "nt" else str(folder / "calls")
        with open(folder / "said", "wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", "from core.jobs.child import serve; serve()", self.address],
                env=environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
            )
        with suppress(BrokenPipeError):
            self.process.stdin.write(self.key)
            self.process.stdin.flush()
        self.process.stdout.read(1)  # it listens, or has ended

    def end_if_left(self) -> None:
        if self.left and not self.calls and not self.process.stdin.closed:
            self.process.stdin.close()
            self.process.wait()  # it ends at once, and its memory is free before another takes its own
            self.process.stdout.close()
            self.folder.cleanup()

    def ended(self, words: Words) -> WorkbenchError:
        """How, in words."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        code = self.process.poll()
        how = "it closed the connection" if code is None else ending(code)
        said = (Path(self.folder.name) / "said").read_text("utf-8", "replace").splitlines()
        last = next((line.strip() for line in reversed(said) if "GGML_ASSERT" in line or "rror" in line), "")
        return WorkbenchError(
            f"{words.who} ended in the middle of the work ({how}){last and f': {last:.200}'}.", where=words.where, todo=words.todo
        )


def ending(code: int) -> str:
    """The exit code of a process in words: a signal by its name."""
    if code >= 0:
        return f"exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return name + (", as by a system without free memory" if -code == signal.SIGKILL else "")


def environment() -> dict[str, str]:
    """For a child that imports the project from any folder."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path}


_starting = threading.RLock()
_is_child = threading.Event()
_children: dict[Key, _Child] = {}


def _child(key: Key) -> _Child:
    """The living process of this key, started where there is none; counts a call of it."""
    with _starting:
        end_others(key[0], key)
        if key not in _children:
            _children[key] = _Child()
        _children[key].calls += 1
        return _children[key]


def end_others(kind: str, but: Key | None = None) -> None:
    """Ends the other children of this kind as soon as they have no call: an engine has one model at a time, as within
    the app."""
    with _starting:
        for key, child in list(_children.items()):
            if key[0] == kind and (key != but or child.process.poll() is not None):
                child.left = True
                _children.pop(key).end_if_left()


def alone(child: _Child) -> bool:
    """Whether this call is its only one."""
    with _starting:
        return child.calls == 1


def serving() -> bool:
    """Whether this process is such a child, which ends with its parent and without a word."""
    return _is_child.is_set()


def serve() -> None:
    """The child: serves calls until its standard input ends."""
    _is_child.set()
    key = sys.stdin.buffer.read(32)
    with Listener(sys.argv[1], authkey=key) as door:
        os.write(1, b"+")
        os.dup2(2, 1)  # what libraries print is kept for the error message
        threading.Thread(target=_until_alone, daemon=True).start()
        while True:
            with suppress(Exception):  # of a call that was given up in the middle of the greeting
                threading.Thread(target=_work, args=(door.accept(),), daemon=True).start()


def _until_alone() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def _work(connection: Connection) -> None:
    with closing(connection), suppress(EOFError, OSError):  # nobody listens any more
        try:
            home, target, name, args, kwargs = connection.recv()
            files.use_home(home)
            result = getattr(target, name)(*args, **kwargs)
            if inspect.isgenerator(result):
                result = _streamed(connection, result)
            answer = "returned", None if name == "load" else result  # a loaded model stays here
        except WorkbenchError as error:
            answer = "problem", error
        except ImportError as error:
            answer = "problem", missing_package(error)
        except Exception as error:
            answer = "problem", RuntimeError(f"{type(error).__name__}: {error}")
        connection.send(answer)


def _streamed(connection: Connection, pieces: Generator[Any, None, Any]) -> Any:
    for piece in (running := Running(pieces)):
        if connection.poll():  # the caller says nothing more, so this is its leaving
            raise EOFError
        connection.send(("piece", piece))
    return running.result
