"""Anybody's answers from JSON lines: question, passages, answer, and if there reference, label and spans of wrong words."""

import json
import os
import sys
from collections.abc import Generator, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from core import files
from core.context.citations import BRACKETS, STYLES
from core.corpus.reading import Notes, Source, clean, decode
from core.errors import WorkbenchError
from core.judging.measure import AnswerCase
from core.records import Progress

MOST_WHOLE = 20_000  # answers that are held in memory with all that is said of them
LONGEST = 4 << 20  # bytes of a line; a book of 800 pages has less
LONGEST_NAME = 200  # characters of a domain, or an id
OF_CASES = ("answerable", "finish_reason", "citations", "asked_to_cite")  # fields of a case that stand in a line as they are
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
    rows: Sequence[AnswerRow]
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


class AnswerLines:
    """The lines of a file (.jsonl or .jsonl.gz), one after the other: (bytes read so far, number, its answer or None). What is broken
    is noted with its line, the rest is kept; a file without any answer is an error."""

    def __init__(self, path: Path) -> None:
        self.lines, self.notes = 0, Notes()  # lines read so far that are not empty
        self._path, self._source = path, Source(path, self.notes)
        if path.is_dir() or len(self._source.sizes) != 1:
            raise WorkbenchError("This is no single file.", where=str(path), todo=f"Give a file of JSON lines. {FORM}")
        [(self._name, self.size)] = self._source.sizes.items()

    def __iter__(self) -> Iterator[tuple[int, int, AnswerRow | None]]:
        before = answers = 0
        for number, line, position in self._source.lines(self._name):
            length, before, place = position - before, position, f"{self._path.name}:{number}"
            if not line.strip():
                continue
            self.lines += 1
            row = None
            if length > LONGEST:
                self.notes.add(f"Line longer than {LONGEST >> 20} MB, left out", place)
            else:
                row = _row(line, place, self.notes)
            answers += row is not None
            yield position, number, row
        self.lines += self.notes.count("Line longer than 64 MB skipped")
        if not answers:
            why = " ".join(self.notes.lines()) or "It is empty."
            raise WorkbenchError(f"The file has no answers: {why}", where=str(self._path), todo=FORM)


def read(path: Path, most: int = 0) -> Generator[Progress, None, AnswerFile | None]:
    """The answers of a file; None where they are more than `most`, if that is said."""
    answers, rows = AnswerLines(path), []
    for position, _, row in answers:
        if answers.lines % 200 == 1:
            yield Progress(position, answers.size, f"Reading {path.name}")
        if row is not None:
            rows.append(row)
        if most and len(rows) > most:
            return None
    return AnswerFile(path.name, rows, answers.lines, answers.notes.lines())


def _row(line: bytes, place: str, notes: Notes) -> AnswerRow | None:
    try:
        fields = files.read_json(decode(line, notes, place), of=dict, numbers="careless")
    except WorkbenchError:
        notes.add("Not a JSON object", place)
        return None
    answer, passages = fields.get("answer"), texts_of(fields.get("passages", []))
    question, references = fields.get("question", ""), texts_of(fields.get("reference", fields.get("references", [])))
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
    case = AnswerCase(asked, clean(answer), passages, references, **_about(fields, place, notes))
    told = {name: "" if (value := fields.get(name)) is None else str(value)[:LONGEST_NAME] for name in ("domain", "id")}
    group = fields.get("group")
    group = json.dumps([asked, passages]) if group in (None, "") else str(group)
    return AnswerRow(place, case, _label(fields, place, notes), _spans(fields, case.answer, place, notes), group, **told)


def texts_of(value: Any) -> tuple[str, ...] | None:
    """Texts, or objects with a text; a text alone is a list of it. None: it is something else."""
    if value is None:
        return ()
    texts = [each.get("text") if isinstance(each, dict) else each for each in (value if isinstance(value, list) else [value])]
    return tuple(map(clean, texts)) if all(isinstance(each, str) for each in texts) else None


def line_of(case: AnswerCase, answer_id: str) -> dict[str, Any]:
    """The line that is read back as this answer."""
    told = {"id": answer_id, "question": case.question, "passages": list(case.passages), "answer": case.answer}
    told |= {"reference": list(dict.fromkeys(case.references))} if case.references else {}
    return told | {name: getattr(case, name) for name in OF_CASES}


def _about(fields: dict, place: str, notes: Notes) -> dict[str, Any]:
    """What a line says besides of an answer, as fields of its case."""
    made = {name: value for name in ("answerable", "asked_to_cite") if isinstance(value := fields.get(name), bool)}
    if isinstance(reason := fields.get("finish_reason"), str):
        made["finish_reason"] = reason
    if (style := fields.get("citations")) in STYLES:
        made["citations"] = style
    elif style is not None:
        notes.add(f"Citations are read as {BRACKETS}: their style is none of {', '.join(STYLES)}", place)
    return made


def _label(fields: dict, place: str, notes: Notes) -> float | None:
    value = fields.get("label")
    if value is None:
        return None
    if not isinstance(value, (int, float)) or not -sys.float_info.max <= value <= sys.float_info.max:
        notes.add("Label is not a number: the answer counts as unlabelled", place)
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
    notes.add("Spans are not characters [start, end) of the answer: ignored", place)
    return None
