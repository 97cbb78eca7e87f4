"""A model in a process of its own, so that one that aborts llama.cpp or takes all memory ends that process, not the app.

The app's side sends a part, a method's name and its arguments; the child calls that method of the part and sends back
what it yields and returns. Every call has a connection of its own and a thread in the child, so calls queue up at the
model as they do within the app. Closing the connection cancels the call; closing the child's standard input ends it,
which the system does where the app is killed. No `multiprocessing.Process`: it would run Streamlit's script in the child.
"""

import inspect
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from functools import wraps
from multiprocessing.connection import Client, Connection, Listener, arbitrary_address
from pathlib import Path
from typing import Any, Literal

from core.config import PartConfig, knob
from core.errors import WorkbenchError

ROOT = Path(__file__).parents[2]
GRACE_S = 30.0  # a child that is silent for so long after the deadline hangs where Python cannot stop it
IDLE_S = 0.1  # after so long without a word the caller may look whether to go on
Own = Literal["auto", "yes", "no"]


def own_process_knob():
    return knob("auto", "Runs the model in a process of its own, so that a crash leaves the app alive. Auto does so for "
                "every model but the bundled one.", label="Own process")  # fmt: skip


def at_model(method: Callable) -> Callable:
    """A method of a generator part that runs where its model is loaded: in the app, or in the model's own process."""

    @wraps(method)
    def there(part: PartConfig, *args: Any, **kwargs: Any) -> Any:
        if part.own_process == "no" or (part.own_process == "auto" and part.model == "bundled"):
            return method(part, *args, **kwargs)
        if inspect.isgeneratorfunction(method):
            given = inspect.signature(method).bind(part, *args, **kwargs)
            given.apply_defaults()
            return _stream(part, method.__name__, args, kwargs, given.arguments["deadline_s"])
        with _asked(part, method.__name__, args, kwargs) as answers:
            return answers.recv()[1]

    return there


def _stream(part: PartConfig, name: str, args: tuple, kwargs: dict, deadline_s: float) -> Generator[Any, None, Any]:
    with _asked(part, name, args, kwargs) as answers:
        heard, last = time.monotonic(), None
        while True:
            if answers.poll(IDLE_S):
                kind, said = answers.recv()
                if kind == "returned":
                    return said
                heard, last = time.monotonic(), "" if isinstance(said, str) else said
                yield said
            elif time.monotonic() - heard > deadline_s + GRACE_S:
                answers.child.process.kill()
                answers.child.process.wait()
                raise WorkbenchError("The model's process did not answer long after the deadline, and was ended.",
                                     where=part.model, todo="Ask again: it starts anew.")  # fmt: skip
            elif last is not None:
                yield last


class _Answers:
    """What the child says on one call."""

    def __init__(self, child: "_Child", connection: Connection) -> None:
        self.child, self.poll, self._connection = child, connection.poll, connection

    def recv(self) -> tuple[str, Any]:
        kind, said = self._connection.recv()
        if kind == "problem":
            raise said
        return kind, said


@contextmanager
def _asked(part: PartConfig, name: str, args: tuple, kwargs: dict) -> Iterator[_Answers]:
    child = _child(part)
    try:
        with closing(Client(child.address, authkey=child.key)) as connection:
            connection.send((part.model_copy(update={"own_process": "no"}), name, args, kwargs))
            yield _Answers(child, connection)
    except (EOFError, OSError) as error:
        raise child.ended(part.model) from error
    finally:
        with _starting:
            child.calls -= 1
            child.end_if_left()


class _Child:
    def __init__(self) -> None:
        self.key, self.calls, self.left = secrets.token_bytes(32), 0, False
        self.folder = tempfile.TemporaryDirectory(prefix="groundwork-model-", ignore_cleanup_errors=True)
        folder = Path(self.folder.name)
        self.address = arbitrary_address("AF_PIPE") if os.name == "nt" else str(folder / "calls")
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        code = "from core.generation.own_process import serve; serve()"
        with open(folder / "said", "wb") as said:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", code, self.address], env={**os.environ, "PYTHONPATH": path},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said,
            )  # fmt: skip
        with suppress(BrokenPipeError):
            self.process.stdin.write(self.key)
            self.process.stdin.flush()
        self.process.stdout.read(1)  # it listens, or has ended

    def end_if_left(self) -> None:
        if self.left and not self.calls and not self.process.stdin.closed:
            self.process.stdin.close()
            self.process.wait()  # it ends at once, and its memory is free before another model takes its own
            self.process.stdout.close()
            self.folder.cleanup()

    def ended(self, model: str) -> WorkbenchError:
        """How, in words."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        code = self.process.poll()
        if code is None:
            how = "it closed the connection"
        elif code >= 0:
            how = f"exit code {code}"
        else:
            how = signal.Signals(-code).name + (
                ", as by a system without free memory" if -code == signal.SIGKILL else ""
            )
        said = (Path(self.folder.name) / "said").read_text("utf-8", "replace").splitlines()
        last = next((line.strip() for line in reversed(said) if "GGML_ASSERT" in line or "rror" in line), "")
        return WorkbenchError(
            f"The model's process ended in the middle of the work ({how}){last and f': {last:.200}'}.", where=model,
            todo="The app goes on, and the next answer starts the process anew. If it ends again: compare the file's size and "
            "checksum with the publisher's, and try a smaller context or another file.",
        )  # fmt: skip


_starting = threading.RLock()
_children: dict[
    tuple[str, str], _Child
] = {}  # by part and model: a child loads anew itself where other settings change


def _child(part: PartConfig) -> _Child:
    """The model's living process, started where there is none; counts a call of it."""
    with _starting:
        key = part.part, part.model
        end_others(part.part, key)
        if key not in _children:
            _children[key] = _Child()
        _children[key].calls += 1
        return _children[key]


def end_others(part: str, but: tuple[str, str] | None = None) -> None:
    """Ends this engine's other children as soon as they have no call: it has one model at a time, as within the app."""
    with _starting:
        for key, child in list(_children.items()):
            if key[0] == part and (key != but or child.process.poll() is not None):
                child.left = True
                _children.pop(key).end_if_left()


def serve() -> None:
    """The child: serves calls until its standard input ends."""
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
            part, name, args, kwargs = connection.recv()
            found = getattr(part, name)(*args, **kwargs)
            if inspect.isgenerator(found):
                with closing(found):
                    found = _streamed(connection, found)
            answer = "returned", None if name == "load" else found  # a loaded model stays here
        except WorkbenchError as error:
            answer = "problem", error
        except Exception as error:
            answer = "problem", RuntimeError(f"{type(error).__name__}: {error}")
        connection.send(answer)


def _streamed(connection: Connection, pieces: Generator[Any, None, Any]) -> Any:
    while True:
        try:
            piece = next(pieces)
        except StopIteration as end:
            return end.value
        if connection.poll():  # the caller says nothing more, so this is its leaving
            raise EOFError
        connection.send(("piece", piece))
