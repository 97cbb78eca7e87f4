"""Anybody's answers from JSON lines: question, passages, answer, and if there reference, label and spans of wrong words."""

import json
import math
import os
from collections.abc import Generator
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from core import files
from core.corpus.reading import Notes, Source, clean, decode
from core.errors import WorkbenchError
from core.judging.measure import AnswerCase
from core.records import Progress

LONGEST = 4 << 20  # bytes of a line; a book of 800 pages has less
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
FORM = 'A line is an object with "question", "passages" (a list of texts) and "answer".'


class AnswerRow(NamedTuple):
    """An answer with what people say of it."""

    place: str  # "answers.jsonl:3"
    case: AnswerCase
    label: float | None = None  # None: there is none
    spans: tuple[tuple[int, int], ...] | None = None  # characters [start, end) that are wrong; None: nobody looked
    group: str = ""  # what belongs together: in halves and resamples it stays together
    domain: str = ""
    id: str = ""


class AnswerFile(NamedTuple):
    name: str
    rows: list[AnswerRow]
    lines: int  # that are not empty
    notes: tuple[str, ...]  # what was left out, with line


def receive(home: Path, data: bytes) -> Path:
    """Where a file that a browser sent is kept, by its content, until nobody has asked for it for a week."""
    path = home / "inbox" / sha256(data).hexdigest()[:20] / "answers.jsonl"
    with files.disk_reported("The uploaded file", path, len(data)):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            files.write_whole(path, data, "The uploaded file")
        os.utime(path.parent)
    return path


def read(path: Path) -> Generator[Progress, None, AnswerFile]:
    """The answers of a file (.jsonl or .jsonl.gz). What is broken is noted with its line, the rest is kept."""
    source = Source(path, Notes())
    if path.is_dir() or len(source.sizes) != 1:
        raise WorkbenchError("This is no single file.", where=str(path), todo=f"Give a file of JSON lines. {FORM}")
    [name] = source.sizes
    rows, before, lines = [], 0, 0
    for number, line, position in source.lines(name):
        length, before, place = position - before, position, f"{path.name}:{number}"
        if number == 1 and line[:2] in UTF_16:
            raise WorkbenchError("The file is written in UTF-16.", where=str(path), todo="Save it as UTF-8.")
        if number % 200 == 1:
            yield Progress(position, source.sizes[name], f"Reading {path.name}")
        if not line.strip():
            continue
        lines += 1
        if length > LONGEST:
            source.notes.add(f"Line longer than {LONGEST >> 20} MB, left out", place)
        elif row := _row(line, place, source.notes):
            rows.append(row)
    lines += source.notes.count("Line longer than 64 MB skipped")
    if not rows:
        why = " ".join(source.notes.lines()) or "It is empty."
        raise WorkbenchError(f"The file has no answers: {why}", where=str(path), todo=FORM)
    return AnswerFile(path.name, rows, lines, source.notes.lines())


def _row(line: bytes, place: str, notes: Notes) -> AnswerRow | None:
    try:
        fields = json.loads(decode(line, notes, place))
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        notes.add("Not a JSON object", place)
        return None
    answer, passages = fields.get("answer"), _texts(fields.get("passages", []))
    question, references = fields.get("question", ""), _texts(fields.get("reference", fields.get("references", [])))
    wrong = [
        name
        for name, value, kind in (
            ("answer", answer, str),
            ("question", question or "", str),
            ("passages", passages, tuple),
            ("reference", references, tuple),
        )
        if not isinstance(value, kind)
    ]
    if wrong:
        said = "there is none" if wrong[0] == "answer" and answer is None else "it is no text" + " or texts" * (len(wrong[0]) > 8)
        notes.add(f'Line without a usable "{wrong[0]}" ({said}), left out', place)
        return None
    asked = clean(question or "")
    answerable = fields.get("answerable")
    case = AnswerCase(asked, clean(answer), passages, references, answerable if isinstance(answerable, bool) else None)
    group = str(fields.get("group") or json.dumps([asked, passages]))
    told = {name: str(fields.get(name) or "") for name in ("domain", "id")}
    return AnswerRow(place, case, _label(fields, place, notes), _spans(fields, case.answer, place, notes), group, **told)


def _texts(value: Any) -> tuple[str, ...] | None:
    """Texts, or objects with a text; a text alone is a list of it. None: it is something else."""
    if value is None:
        return ()
    texts = [each.get("text") if isinstance(each, dict) else each for each in (value if isinstance(value, list) else [value])]
    return tuple(map(clean, texts)) if all(isinstance(each, str) for each in texts) else None


def _label(fields: dict, place: str, notes: Notes) -> float | None:
    value = fields.get("label")
    if value is None:
        return None
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        notes.add("Label is no number: the answer counts as not labelled", place)
        return None
    return float(value)


def _spans(fields: dict, answer: str, place: str, notes: Notes) -> tuple[tuple[int, int], ...] | None:
    if fields.get("spans") is None:
        return None
    try:
        pairs = [(each["start"], each["end"]) if isinstance(each, dict) else tuple(each) for each in fields["spans"]]
        if all(type(a) is type(b) is int and 0 <= a < b <= len(answer) for a, b in pairs):
            return tuple(sorted(pairs))
    except (TypeError, KeyError, ValueError):
        pass
    notes.add("Spans are no characters [start, end) of the answer: it counts as without", place)
    return None
