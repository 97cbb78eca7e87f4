"""The folder in which a training works, and its log: a line for each step and evaluation."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from core import files
from core.errors import WorkbenchError
from core.files import Busy, hold


def new_folder(home: Path, name: str, what: str, again: bool = False, ships: str = "") -> Path:
    """Where what is called so is to stand; raises where that is no name, the one of what ships, or taken. what, again: as of `at_work`."""
    folder = home / name
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        todo = "Use up to 64 letters, digits, points, hyphens and underscores."
        raise WorkbenchError(f"'{name:.80}' cannot name {what}.", where="name", todo=todo)
    if name == ships:
        raise WorkbenchError(f"'{ships}' is the name of what ships.", where="name", todo=f"Name yours otherwise: my-{ships}.")
    if folder.exists() and not again:
        todo = "Take another name, or delete that folder."
        raise WorkbenchError(f"There is {what} '{name}' already.", where=str(folder), todo=todo)
    return folder


@contextmanager
def at_work(folder: Path, what: str, again: bool = False) -> Iterator[Path]:
    """The work folder of what is to stand in `folder`, whose name is its own, held against a second training of that name.

    what: "an encoder". again: what stands there may be replaced. A name that is none or taken, a training under way, and a full or
    read-only disk are told in words.
    """
    new_folder(folder.parent, folder.name, what, again)
    work = work_folder(folder)
    try:
        with files.disk_reported("The training's files", work):
            work.mkdir(parents=True, exist_ok=True)
            try:
                with hold(work / "lock", purpose=f"training {what}", seconds=0.5):
                    yield work
            except GeneratorExit:
                write_line(work, "interrupted")
                raise
            except Busy:
                todo = "Wait for it, cancel it, or take another name."
                words = f"{what[0].upper()}{what[1:]} '{folder.name}' is being trained already."
                raise WorkbenchError(words, where=str(work), todo=todo) from None
    except files.DiskError as error:
        todo = f"{error.todo} Started again, the same training goes on from its last checkpoint."
        raise WorkbenchError(error.what, where=error.where, todo=todo) from error


def finish(work: Path, made: Path, folder: Path, record: dict[str, Any]) -> None:
    """What was made takes its place, and the work folder goes."""
    place(work, made, folder, record)
    shutil.rmtree(work, ignore_errors=True)


def place(work: Path, made: Path, folder: Path, record: dict[str, Any]) -> None:
    """What was made takes its place as `folder`, whole, with the training's log and the record as training.json."""
    shutil.copyfile(work / "log.jsonl", made / "log.jsonl")
    (made / "training.json").write_text(json.dumps(record, indent=1, allow_nan=False), "utf-8")
    files.seal_folder(made)
    if folder.exists():
        files.remove_whole(folder, work)
    files.take_place(made, folder)


def work_folder(folder: Path) -> Path:
    """Where the training of what is to stand in `folder` keeps its log and checkpoint."""
    return folder.parent / ".training" / folder.name


def read_log(folder: Path, since: float = 0.0) -> list[dict[str, Any]]:
    """The log of a training, running or finished; a line being written is left out, and so is a damaged one, which is told. Each has
    `kind`, most `step`. since: seconds since 1970; [] where nothing was begun or gone on with from then on: what stands there is of a
    training before."""
    for file in (work_folder(folder) / "log.jsonl", folder / "log.jsonl"):
        if file.exists():
            lines = files.read_text(file, "The training's log", errors="replace").split("\n")[:-1]
            told = [line for text in lines if (line := _read_line(text, file))]
            begun = (datetime.fromisoformat(line["time"]).timestamp() for line in told if line["kind"] in ("start", "resume"))
            return told if max(begun, default=0.0) >= int(since) else []
    return []


def _read_line(text: str, file: Path) -> dict[str, Any] | None:
    """None: it is damaged. What a log says is shown and steers no training, so a damaged line stops none."""
    try:
        text.encode("ascii")  # as `write_line` writes
        line = files.read_json(text, "A line of the training's log", of=dict, where=str(file), numbers="careless")
        datetime.fromisoformat(line["time"])
        line["kind"]
    except (WorkbenchError, LookupError, TypeError, ValueError):
        files.tell(f"A line of a training's log was damaged and is left out: {file}.")
        return None
    return line


def write_line(work: Path, kind: str, **values: Any) -> None:
    with (work / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"kind": kind, "time": datetime.now().isoformat(timespec="seconds"), **values}) + "\n")
