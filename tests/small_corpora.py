"""Corpora so small that a test embeds them at once."""

import json
from pathlib import Path

from core.pipeline import drain
from core.workbench import Workbench

THINGS = ("tea", "bread", "cheese", "violins", "glaciers", "bridges", "beetles", "clocks", "harbours", "kites", "maps",
          "salt")  # fmt: skip
WAYS = (
    "is made from old recipes",
    "was first seen in the north",
    "breaks when it gets too warm",
    "costs more every year",
)


def with_towns(home: Path, texts: dict[str, str], questions: list[dict[str, str]]) -> Workbench:
    """A workbench with these documents twice: `towns` with the questions, `silent` without."""
    workbench = Workbench(home)
    asked = "\n".join(map(json.dumps, questions)).encode()
    files = [(name, text.encode()) for name, text in texts.items()]
    drain(workbench.library.ingest("towns", files, ("questions.jsonl", asked)))
    drain(workbench.library.ingest("silent", files, None))
    return workbench
