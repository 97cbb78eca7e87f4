"""Labels as files: JSON lines with everything, CSV with a row for each judgement (as data, and to be read alone), and pairs for
preference training (DPO).

What does not fit is told by line, and nothing of the file is taken unless the good rows alone are asked for.
"""

import csv
import io
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from pydantic import ValidationError

from core.annotation.labels import Label, Span, blank, complete
from core.annotation.study import Item, Response, Study
from core.errors import WorkbenchError
from core.files import read_json
from core.files.ids import is_id

META = ("round", "seconds", "created", "rubric", "hash", "shown", "order", "replaces", "restores", "withdrawn", "origin")
COLUMNS = ("id", "study", "item", "annotator", "part", "response", "number", "value", *META)
TIDY = tuple("round no kind item part response number question text system annotator label seconds comment".split())
FORMULA = re.compile(r"'*[=+\-@\t\r]")  # how a cell starts that a spreadsheet would run, or one that was made safe


class Problem(NamedTuple):
    """What is wrong with a file, where, and what to do."""

    file: str
    line: int
    what: str
    todo: str = ""


class Problems(list[Problem]):
    """What is wrong with one file, as it is found."""

    def __init__(self, file: str) -> None:
        super().__init__()
        self.file = file

    def add(self, line: int, what: str, todo: str = "") -> None:
        self.append(Problem(self.file, line, what, todo))

    def empty(self) -> None:
        self.add(1, "The file holds no labels.")

    def twice(self, line: int, annotator: str, item: str, first: int) -> None:
        self.add(line, f"'{annotator}' labels item {item} a second time, first in line {first}.", "Keep one of the two.")


class Parsed(NamedTuple):
    """What a file holds: labels with the line they start at, and what was wrong with the rest."""

    labels: list[tuple[int, Label]]
    problems: Problems


def to_jsonl(labels: Iterable[Label]) -> str:
    return "".join(json.dumps(label.model_dump(mode="json"), ensure_ascii=False) + "\n" for label in labels)


def from_jsonl(text: str, file: str, study: Study, round_name: str) -> Parsed:
    """round_name: that of labels which do not say."""
    read = _Rows(file, study, round_name)
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = read_json(line, "This line")
        except WorkbenchError as error:
            read.wrong.add(number, error.what, "Give one JSON object a line.")
            continue
        if not isinstance(record, dict) or not {"item", "annotator"} <= record.keys():
            todo = "Give files that `annotate export` wrote, or the columns item, annotator and value."
            read.wrong.add(number, "This is no label: it has no item and annotator.", todo)
        elif "value" in record or "label" in record:
            short = {"part": "sentence", "value": record.get("label"), **record}
            read.add({name: "" if value is None else str(value) for name, value in short.items()}, number)
        else:
            try:
                label = Label.model_validate({"study": study.id, "round": round_name, **record})
                read.labels.append((number, label if is_id(label.id) else label.model_copy(update={"id": ""})))
            except ValidationError as error:
                read.wrong.add(number, said(error), "See annotations/README.md for the fields.")
    return Parsed(read.labels, read.wrong)


def to_csv(labels: Iterable[Label]) -> str:
    """A row a judgement; the row with part = label holds when and how it was given.

    A cell that a spreadsheet would take for a formula gets an apostrophe in front, which reading takes off again (OWASP,
    "CSV injection").
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="")
    writer.writeheader()
    for label in labels:
        head = {"id": label.id, "study": label.study, "round": label.round, "item": label.item, "annotator": label.annotator}
        meta = {name: getattr(label, name) for name in META} | {
            "seconds": "" if label.seconds is None else repr(label.seconds),
            "order": " ".join(map(str, label.order)),
            "withdrawn": "yes" if label.withdrawn else "",
        }
        for row in ({"part": "label", **meta}, *_judgements(label)):
            writer.writerow({name: _safe(value) for name, value in {**head, **row}.items()})
    return out.getvalue()


def to_tidy_csv(study: Study, labels: Iterable[Label]) -> str:
    """To be read without anything else: a row for each judgement of each annotator, with what was judged and whose it is. Of an item that
    cannot be judged it is the only one: what was answered before is taken back."""
    out = io.StringIO()
    writer = csv.DictWriter(out, TIDY, restval="")
    writer.writeheader()
    places, counts = {}, Counter()
    for item in study.items:  # numbered as the pages do: within a round, without repeats and attention items
        if item.plain:
            counts[item.round] += 1
            places[item.id] = counts[item.round]
    for label in sorted(labels, key=lambda label: (places.get(label.item, 0), label.item, label.annotator)):
        item = study.item(label.item)
        head = {
            "round": label.round,
            "no": places.get(item.duplicate_of or item.id, ""),
            "item": item.id,
            "question": item.question,
            "kind": "repeat" if item.duplicate_of else "attention" if item.attention else "item",
            "annotator": label.annotator,
            "seconds": "" if label.seconds is None else repr(label.seconds),
            "comment": label.comment,
        }
        for row in _judgements(label):
            parts = ("cannot_judge",) if label.cannot_judge else ("sentence", "helpful", "preference")
            if row["part"] in parts and row["value"] != "":
                told = {"label": row.pop("value"), **_judged_of(item, row)}
                writer.writerow({name: _safe(value) for name, value in {**head, **row, **told}.items()})
    return out.getvalue()


def _judged_of(item: Item, row: dict[str, Any]) -> dict[str, str]:
    """The words that a row judges and the system they are of; of both answers the systems alone."""
    if "response" not in row:
        return {"system": " | ".join(response.system for response in item.responses)}
    answer = item.responses[row["response"] - 1]
    bounds = answer.sentences[row["number"] - 1] if "number" in row else (0, len(answer.text))
    return {"system": answer.system, "text": answer.text[slice(*bounds)]}


def _safe(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and FORMULA.match(value) else value


def cell(text: str) -> str:
    """A cell as it was before it was made safe for spreadsheets."""
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def _judgements(label: Label) -> Iterator[dict[str, Any]]:
    for r, names in enumerate(label.sentences, 1):
        for number, name in enumerate(names, 1):
            yield {"part": "sentence", "response": r, "number": number, "value": name or ""}
    for r, stars in enumerate(label.helpful, 1):
        yield {"part": "helpful", "response": r, "value": "" if stars is None else stars}
    for span in label.spans:
        yield {"part": "error", "response": span.response + 1, "value": f"{span.first + 1}-{span.last}"}
    for response, sentence in label.bulk:
        yield {"part": "bulk", "response": response + 1, "number": sentence + 1, "value": "yes"}
    if label.preference:
        yield {"part": "preference", "value": label.preference}
    if label.cannot_judge:
        yield {"part": "cannot_judge", "value": "yes"}
    if label.comment:
        yield {"part": "comment", "value": label.comment}


def from_csv(text: str, file: str, study: Study, round_name: str) -> Parsed:
    """Also the short form: item, annotator and value (or label), with the number of the sentence if there are several."""
    read = _Rows(file, study, round_name)
    for line, row in rows(text, read.wrong):
        read.add({"part": "sentence", "value": row.get("label") or row.get("rating", ""), **row}, line)
    return Parsed(read.labels, read.wrong)


def rows(text: str, wrong: Problems) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a CSV of item, annotator and value (or label), each with its line; what is no such row goes to `wrong`."""
    csv.field_size_limit(sys.maxsize)  # a comment of any length comes back
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        names = Counter(reader.fieldnames or ())
        if not {"item", "annotator"} <= names.keys() or not names.keys() & {"value", "label", "rating"}:
            listed = ", ".join(sorted(map(str, names)))
            todo = "It needs item, annotator and value, with commas between them."
            wrong.add(1, f"The columns are {listed[:300] or 'missing'}.", todo)
            return
        if twice := [name for name, number in names.items() if number > 1]:
            wrong.add(1, f"There are {names[twice[0]]} columns '{twice[0]}'.", "Give each a name of its own.")
            return
        last = 1
        for row in reader:
            line, last = last + 1, reader.line_num
            if None in row or None in row.values():
                wrong.add(line, "This row has another number of cells than the header.", "Mend the row.")
            else:
                yield line, {name: cell(value) for name, value in row.items()}
    except csv.Error as error:
        line = max(1, reader.reader.line_num)
        wrong.add(line, f"This is no CSV: {error}.", "Save it as CSV with commas, in UTF-8.")


class _Rows:
    """Labels as rows of judgements make them. round_name: that of rows which do not say."""

    def __init__(self, file: str, study: Study, round_name: str) -> None:
        self.study, self.round_name, self.wrong = study, round_name, Problems(file)
        self.labels: list[tuple[int, Label]] = []
        self._places: dict[tuple[str, str, str, str], int] = {}  # (id, round, item, annotator) -> place in `labels`

    def add(self, row: dict[str, str], line: int) -> None:
        """Adds one row to the label it belongs to; the rows of a label may stand anywhere. An id that is not one of ours counts
        rows, so it says nothing."""
        label_id, round_name, item, who = row.get("id", ""), row.get("round") or self.round_name, row["item"], row["annotator"]
        key = (label_id if is_id(label_id) else "", round_name, item, who)
        if not self.study.has(item):
            todo = "Import labels of this study, or import into the study they belong to."
            self.wrong.add(line, f"There is no item '{item}' in the study '{self.study.id}'.", todo)
            return
        try:
            place = self._places.get(key)
            if place is None:
                empty = blank(self.study, "main", self.study.item(item), "-").model_dump()
                of = {"study": row.get("study") or self.study.id, "round": round_name, "annotator": who}
                first, label = line, Label.model_validate({**empty, "id": key[0], **of})
            else:
                first, label = self.labels[place]
            label = _judged(label, self.study.item(item), row)
        except (ValueError, IndexError) as error:
            what = said(error) if isinstance(error, ValidationError) else f"{error}."
            self.wrong.add(line, what, "Correct the row; annotations/README.md lists the columns.")
            return
        if place is None:
            self._places[key] = len(self.labels)
            self.labels.append((first, label))
        else:
            self.labels[place] = first, label


def _judged(label: Label, item: Item, row: dict[str, str]) -> Label:
    """The label with what one row says."""
    part, value = row["part"], row.get("value") or ""
    changes: dict[str, Any] = {}
    response = int(row.get("response") or 1) - 1
    if part in ("sentence", "helpful", "error") and not 0 <= response < len(item.responses):
        raise ValueError(f"The item has no answer {response + 1}")
    if part == "label":
        changes |= {name: row[name] for name in ("created", "hash", "shown", "replaces", "restores", "origin") if row.get(name)}
        changes |= {"seconds": float(row["seconds"])} if row.get("seconds") else {}
        changes |= {"rubric": int(row["rubric"])} if row.get("rubric") else {}
        changes |= {"order": [int(n) for n in row["order"].split()]} if row.get("order") else {}
        changes["withdrawn"] = row.get("withdrawn") == "yes"
    elif part == "sentence":
        number = int(row.get("number") or row.get("sentence") or 1) - 1
        names = list(map(list, label.sentences))
        if not 0 <= number < len(names[response]):
            raise ValueError(f"The answer has {len(names[response])} sentences, there is no sentence {number + 1}")
        if names[response][number] not in (None, value):
            raise ValueError(f"'{label.annotator}' labels sentence {number + 1} of item {label.item} twice")
        names[response][number] = value or None
        return label.model_copy(update={"sentences": tuple(map(tuple, names))})
    elif part == "helpful":
        stars, new = list(label.helpful), int(value) if value else None
        if stars[response] not in (None, new):
            raise ValueError(f"'{label.annotator}' says twice how helpful item {label.item} is")
        stars[response] = new
        return label.model_copy(update={"helpful": tuple(stars)})
    elif part == "error":
        first, _, last = value.partition("-")
        changes["spans"] = [*label.spans, Span(response=response, first=int(first) - 1, last=int(last or first))]
    elif part == "bulk":
        if not row.get("number"):
            raise ValueError("A sentence that was labelled together with others is named by its number")
        changes[part] = [*label.bulk, (response, int(row["number"]) - 1)]
    elif part in ("preference", "comment"):
        if getattr(label, part) not in (None, "", value):
            raise ValueError(f"'{label.annotator}' gives two times a {part} of item {label.item}")
        changes[part] = value
    elif part == "cannot_judge":
        changes[part] = value == "yes"
    else:
        raise ValueError(f"There is no part '{part}'")
    return Label.model_validate({**label.model_dump(), **changes})


def dpo_pairs(study: Study, labels: Iterable[Label]) -> list[dict[str, Any]]:
    """Prompt, chosen and rejected answer, as preference training takes them (Rafailov et al. 2023, arXiv:2305.18290).

    A/B items: the answer that more annotators prefer. Ratings: answers to one question of which one is rated more helpful,
    on average, by a star or more. Ties make no pair. Where somebody adjudicated, that word alone counts; who cannot judge an
    item has no say in it.
    """
    items = {item.id for item in study.items if item.plain}
    labels = [label for label in labels if label.item in items]
    decided = {label.item for label in labels if label.round == "adjudication" and complete(study, label)}
    labels = [label for label in labels if label.judges and (label.round == "adjudication") == (label.item in decided)]
    return _preferred(study, labels) if study.kind == "pairs" else _rated(study, labels)


def _preferred(study: Study, labels: list[Label]) -> list[dict[str, Any]]:
    votes: dict[str, Counter] = defaultdict(Counter)
    for label in labels:
        if label.preference:
            votes[label.item][label.preference] += 1
    pairs = []
    for item in study.items:
        count = votes.get(item.id, Counter())
        if count["a"] != count["b"]:
            better, worse = item.responses if count["a"] > count["b"] else item.responses[::-1]
            pairs.append(
                {
                    **_pair(item.question, better, worse),
                    "item": item.id,
                    "votes": max(count["a"], count["b"]),
                    "against": min(count["a"], count["b"]),
                    "ties": count["tie"],
                }
            )
    return pairs


def _rated(study: Study, labels: list[Label]) -> list[dict[str, Any]]:
    stars: dict[str, list[int]] = defaultdict(list)
    for label in labels:
        stars[label.item] += [n for n in label.helpful[:1] if n is not None]
    by_question: dict[str, list[tuple[float, Item]]] = defaultdict(list)
    for item in study.items:
        if stars.get(item.id):
            by_question[item.question].append((sum(stars[item.id]) / len(stars[item.id]), item))
    pairs = []
    for question, rated in by_question.items():
        (worst, low), (best, high) = min(rated, key=lambda pair: pair[0]), max(rated, key=lambda pair: pair[0])
        if best - worst >= 1:
            pairs.append(
                {
                    **_pair(question, high.responses[0], low.responses[0]),
                    "item": high.id,
                    "helpful_chosen": best,
                    "helpful_rejected": worst,
                }
            )
    return pairs


def _pair(question: str, better: Response, worse: Response) -> dict[str, str]:
    evidence = "\n\n".join(f"[{n}] {passage.text}" for n, passage in enumerate(better.passages, 1))
    return {
        "prompt": f"{evidence}\n\nQuestion: {question}" if evidence else question,
        "chosen": better.text,
        "rejected": worse.text,
    }


def said(error: ValidationError) -> str:
    """What pydantic says, in one sentence."""
    return "; ".join(f"{'.'.join(map(str, detail['loc'])) or 'label'}: {detail['msg']}" for detail in error.errors()[:3]) + "."
