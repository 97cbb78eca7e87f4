"""A model in a process of its own (`core.jobs.child`), so that one that aborts or takes all memory leaves the app alive."""

import inspect
import time
from collections.abc import Callable, Generator
from functools import wraps
from threading import Thread
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from core.config import PartConfig, knob
from core.errors import WorkbenchError
from core.jobs import child

GRACE_S = 30.0  # a child that is silent for so long after the deadline hangs where Python cannot stop it
IDLE_S = 0.1  # after so long without a word the caller may look whether to go on
# YAML reads a bare yes or no as true or false
Own = Annotated[
    Literal["auto", "yes", "no"],
    BeforeValidator(lambda value: {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value),
]
TODO = (
    "The app goes on, and the next answer starts the process anew. If it ends again, `python -m core doctor` tries the "
    "engine on this machine; of a model of your own, compare the file's size and checksum with the publisher's, and try a "
    "smaller context."
)


def own_process_knob():
    return knob(
        "auto",
        "Runs the model in a process of its own, so that a crash leaves the app alive. Auto and yes do so; no "
        "runs it within the app, which a crash of the engine then ends.",
        label="Own process",
    )


def at_model(method: Callable) -> Callable:
    """A method of a generator part that runs where its model is loaded: in the model's own process, or in the app."""

    @wraps(method)
    def there(part: PartConfig, *args: Any, **kwargs: Any) -> Any:
        if part.own_process == "no":
            return method(part, *args, **kwargs)
        if inspect.isgeneratorfunction(method):
            call = inspect.signature(method).bind(part, *args, **kwargs)
            call.apply_defaults()
            return _stream(part, method.__name__, args, kwargs, call.arguments["deadline_s"])
        with _asked(part, method.__name__, args, kwargs) as answers:
            return answers.recv()[1]

    return there


def start(part: PartConfig) -> None:
    """Starts the model's process and lets it import its engine, so that the first answer need not wait for it."""
    if part.local and part.own_process != "no" and (part.part, part.model) not in child._children:
        Thread(target=_quietly, args=(part,), name="start", daemon=True).start()


def _quietly(part: PartConfig) -> None:
    try:
        part.import_engine()
    except Exception:  # whatever it is, the first answer meets it again and tells it
        return


def _asked(part: PartConfig, name: str, args: tuple, kwargs: dict):
    words = child.Words("The model's process", part.model, TODO)
    there = part.model_copy(update={"own_process": "no"})
    return child.asked((part.part, part.model), words, there, name, args, kwargs)


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
                raise WorkbenchError(
                    "The model's process did not answer long after the deadline, and was ended.",
                    where=part.model,
                    todo="Ask again: it starts anew.",
                )
            elif last is not None:
                yield last
