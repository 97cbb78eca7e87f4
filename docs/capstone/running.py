"""Steps of the capstone: each is one command of the project, and what it printed is recorded, so that the next run begins where this
one ended. A step whose command or study file is another one since is done again.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from core import files
from docs.commands import Failed

Outcomes = Mapping[str, Any]  # step -> what its command printed


class Step(NamedTuple):
    """minutes: on two cores, told before it begins. words: of the command, given the outcomes before it. whole: whether what came is
    all of it; a study whose budget was used up is not, and goes on in the next run."""

    name: str
    minutes: float
    words: Callable[[Outcomes], Sequence[str]]
    whole: Callable[[Any], bool] = lambda result: True
    needs: tuple[str, ...] = ()  # steps without whose outcome it cannot begin
    instead: tuple[str, ...] = ()  # what prints the same where it was done, and the run ended before that was recorded


def run(steps: Sequence[Step], core: Callable[..., Any], folder: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    """The outcomes of all steps that are whole. What fails is told, what needs it is left out, and the others go on."""
    folder.mkdir(parents=True, exist_ok=True)
    outcomes: dict[str, Any] = {}
    for place, step in enumerate(steps, 1):
        if missing := [name for name in step.needs if name not in outcomes]:
            tell(f"[{place}/{len(steps)}] {step.name}: left out, it needs {', '.join(missing)}.")
            continue
        words, path = [*step.words(outcomes)], folder / f"{step.name}.json"
        if (known := recorded(path)) and known["identity"] == identity(words):
            outcomes[step.name] = known["result"]
            tell(f"[{place}/{len(steps)}] {step.name}: recorded.")
            continue
        tell(f"[{place}/{len(steps)}] {step.name}: about {step.minutes:g} minutes.")
        started = time.monotonic()
        try:
            result = _done(step, words, core)
        except Failed as error:
            tell(f"{step.name} failed: {error}")
            continue
        if not step.whole(result):
            tell(f"{step.name} is not whole yet: the next run goes on with it.")
            continue
        told = {"command": words, "identity": identity(words), "seconds": round(time.monotonic() - started), "result": result}
        files.write_whole(path, json.dumps(told, indent=1, sort_keys=True) + "\n", "The outcome of a step")
        outcomes[step.name] = result
    return outcomes


def _done(step: Step, words: Sequence[str], core: Callable[..., Any]) -> Any:
    try:
        return core(*words)
    except Failed:
        if step.instead and step.whole(result := core(*step.instead)):
            return result
        raise


def recorded(path: Path) -> dict[str, Any] | None:
    """What stands in the file of an outcome; None where it is not there or not whole."""
    try:
        told = json.loads(path.read_text("utf-8"))
        return told if {"command", "identity", "result"} <= told.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def identity(words: Sequence[str]) -> str:
    """SHA-256 of a command with the contents of the files that it names."""
    return hashlib.sha256(b"\0".join(_contents(words))).hexdigest()


def _contents(words: Sequence[str]) -> Iterator[bytes]:
    for word in words:
        path = Path(word)
        yield path.read_bytes() if path.suffix == ".yaml" and path.is_file() else word.encode()
