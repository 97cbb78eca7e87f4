"""The folder in which a training works, and its log: a line for each step and evaluation."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any


def work_folder(folder: Path) -> Path:
    """Where the training of an encoder that is to stand in `folder` keeps its log and checkpoint."""
    return folder.parent / ".training" / folder.name


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The log of a training, running or finished; a line being written is left out. Each has `kind`, most `step`."""
    for file in (work_folder(folder) / "log.jsonl", folder / "log.jsonl"):
        if file.exists():
            lines = file.read_text("utf-8").split("\n")[:-1]
            return [json.loads(line) for line in lines]
    return []


def write_line(work: Path, kind: str, **values: Any) -> None:
    with (work / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"kind": kind, "time": datetime.now().isoformat(timespec="seconds"), **values}) + "\n")
