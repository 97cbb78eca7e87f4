"""Which recipes a person compared on which questions, kept also where nothing was saved: the best of many is partly luck.

A file a question set, a line a recipe, appended where the recipe is compared for the first time. A slider waits for this, so that it
is not synced: a power cut may take the last looks. They hold nothing that a result depends on.
"""

import json
import os
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from core.errors import WorkbenchError
from core.files import read_json, tell

FOLDER, ENDING = "looks", ".jsonl"  # in the data folder


@dataclass
class Looked:
    """What was compared on one question set."""

    questions: str  # its fingerprint
    dataset: str = ""
    part: str = ""  # all, dev or test
    first: str = ""  # ISO 8601, UTC
    last: str = ""
    rankings: set[str] = field(default_factory=set)  # identities of what ranks: a recipe counts once, whatever answers from it
    recipes: set[str] = field(default_factory=set)  # as trials name them
    unread: int = 0  # lines that are damaged
    read: int = field(default=0, repr=False)  # bytes

    def take(self, line: bytes) -> None:
        try:
            look = {name: str(value) for name, value in read_json(line, of=dict).items()}
            self.rankings.add(look["ranking"])
            self.recipes.add(look["recipe"])
        except (WorkbenchError, KeyError):
            self.unread += 1
            return
        self.dataset, self.part = look.get("dataset", self.dataset), look.get("part", self.part)
        times = [time for time in (self.first, self.last, look.get("at", "")) if time]
        self.first, self.last = min(times, default=""), max(times, default="")


class Looks:
    """Looks below one folder. Any number of processes and threads may add and read at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sets: dict[str, Looked] = {}
        self._lock = threading.Lock()

    def add(self, questions: str, dataset: str, part: str, ranking: str, recipe: str) -> None:
        """Counts a recipe; once, however often it is shown. Where the disk refuses, in this process only."""
        with self._lock:
            looked = self._current(questions)
            if ranking in looked.rankings and recipe in looked.recipes:
                return
            at = datetime.now(UTC).isoformat(timespec="seconds")
            line = json.dumps({"dataset": dataset, "part": part, "ranking": ranking, "recipe": recipe, "at": at}).encode()
            looked.take(line)
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                handle = os.open(self._path(questions), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
                try:
                    os.write(handle, b"\n" + line + b"\n")  # behind half a line of a writer that was killed
                finally:
                    os.close(handle)
            except OSError as error:
                tell(
                    f"Recipes that are compared without being saved are counted until the app is closed: {self.folder}, {error.strerror}."
                )

    def of(self, questions: str) -> Looked:
        """What was compared on these questions."""
        with self._lock:
            return self._current(questions)

    def all(self) -> list[Looked]:
        """Of every question set, the one used last first."""
        try:
            stored = {path.name.removesuffix(ENDING) for path in self.folder.glob(f"*{ENDING}")}
        except OSError:
            stored = set()
        with self._lock:
            sets = [self._current(questions) for questions in stored | self._sets.keys()]
        return sorted((looked for looked in sets if looked.rankings), key=lambda looked: looked.last, reverse=True)

    def _path(self, questions: str) -> Path:
        return self.folder / f"{questions}{ENDING}"

    def _current(self, questions: str) -> Looked:
        """With what other processes have added since."""
        looked, path = self._sets.setdefault(questions, Looked(questions)), self._path(questions)
        try:
            if path.stat().st_size > looked.read:
                with open(path, "rb") as file:
                    file.seek(looked.read)
                    whole = file.read().rpartition(b"\n")[0]
                for line in filter(None, whole.split(b"\n")):
                    looked.take(line)
                looked.read += len(whole)
        except OSError:
            pass  # none yet, or not to be read: what this process has counted still counts
        return looked
