"""Files that a browser sent, from when they came until the job that reads them into a collection has done so.

No name that came from outside is ever a path: they are numbered, and a list says what the client calls them.
"""

import json
import shutil
import time
from pathlib import Path

from core import files as disk
from core.corpus.own import Received
from core.errors import WorkbenchError
from core.files.ids import is_id, new_id

KEPT_S = 7 * 24 * 3600  # of a job that was cancelled and not resumed
LIST = "names.json"


def receive(home: Path, files: list[tuple[str, bytes]], questions: tuple[str, bytes] | None) -> str:
    """Keeps what was sent; returns the id under which `received` finds it."""
    inbox = home / "inbox"
    with disk.disk_reported("The uploaded files", inbox, sum(len(data) for _, data in files)):
        _forget_old(inbox)
        place = inbox / new_id()
        place.mkdir(parents=True)
        sent = [*files, *([questions] if questions else [])]
        for number, (_, data) in enumerate(sent):
            (place / str(number)).write_bytes(data)
        disk.write_whole(place / LIST, json.dumps({"names": [name for name, _ in sent], "questions": questions is not None}))
    return place.name


def received(home: Path, inbox: str) -> tuple[list[Received], Received | None]:
    """(documents, questions); WorkbenchError where they were read already."""
    place = home / "inbox" / inbox
    if not is_id(inbox) or not (place / LIST).is_file():
        raise WorkbenchError("These uploaded files are not kept any more.", todo="Add them again on the page Corpus.")
    sent = disk.read_json(place / LIST, "The list of the uploaded files", of=dict)
    files = [Received(name, place / str(number)) for number, name in enumerate(sent["names"])]
    return (files[:-1], files[-1]) if sent["questions"] else (files, None)


def forget(home: Path, inbox: str) -> None:
    shutil.rmtree(home / "inbox" / inbox, ignore_errors=True)


def _forget_old(inbox: Path) -> None:
    for place in inbox.glob("*"):
        if time.time() - place.stat().st_mtime > KEPT_S:
            shutil.rmtree(place, ignore_errors=True)
