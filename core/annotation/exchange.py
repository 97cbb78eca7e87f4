"""Labels as files: JSON lines with everything, CSV with a row for each judgement, and pairs for preference training (DPO).

What does not fit is told by line, and nothing of the file is taken unless the good rows alone are asked for.
"""

import csv
import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from pydantic import ValidationError

from core.annotation.labels import Label, Span, blank
from core.annotation.study import Item, Response, Study

META = (
    "round",
    "seconds",
    "created",
    "rubric",
    "hash",
    "shown",
    "order",
    "replaces",
    "restores",
    "withdrawn",
    "origin",
)
COLUMNS = ("id", "study", "item", "annotator", "part", "response", "number", "value", *META)
ROUNDS_TODO = "Rounds are pilot, main and adjudication."


class Problem(NamedTuple):
    """What is wrong with a file, where, and what to do."""

    file: str
    line: int
    what: str
    todo: str = ""


class Parsed(NamedTuple):
    """What a file holds: labels with the line they start at, and what was wrong with the rest."""

    labels: list[tuple[int, Label]]
    problems: list[Problem]


def to_jsonl(labels: Iterable[Label]) -> str:
    return "".join(json.dumps(label.model_dump(mode="json"), ensure_ascii=False) + "\n" for label in labels)


def from_jsonl(text: str, file: str, study: Study, round: str) -> Parsed:
    """round: that of labels which do not say."""
    found, wrong = [], []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            given = json.loads(line)
        except (ValueError, RecursionError) as error:
            wrong.append(Problem(file, number, f"This line is no JSON: {error}.", "Give one JSON object a line."))
            continue
        if not isinstance(given, dict) or not {"item", "annotator"} <= given.keys():
            wrong.append(Problem(file, number, "This is no label: it has no item and annotator.",
                                 "Give files that `annotate export` wrote, or the columns item, annotator and value."))  # fmt: skip
        elif "value" in given or "label" in given:
            short = {"part": "sentence", "value": given.get("label"), **given}
            found, wrong = _with_row(found, wrong, {k: _text(v) for k, v in short.items()}, number, file, study, round)
        else:
            try:
                found.append((number, Label.model_validate({"study": study.id, "round": round, **given})))
            except ValidationError as error:
                wrong.append(Problem(file, number, said(error), "See annotations/README.md for the fields."))
    return Parsed(found, wrong)


def to_csv(labels: Iterable[Label]) -> str:
    """A row a judgement; the row with part = label holds when and how it was given."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="")
    writer.writeheader()
    for label in labels:
        head = {
            "id": label.id,
            "study": label.study,
            "round": label.round,
            "item": label.item,
            "annotator": label.annotator,
        }
        meta = {name: getattr(label, name) for name in META} | {
            "seconds": "" if label.seconds is None else repr(label.seconds),
            "order": " ".join(map(str, label.order)), "withdrawn": "yes" if label.withdrawn else "",
        }  # fmt: skip
        writer.writerow({**head, "part": "label", **meta})
        writer.writerows({**head, **row} for row in _judgements(label))
    return out.getvalue()


def _judgements(label: Label) -> Iterator[dict[str, Any]]:
    for r, one in enumerate(label.sentences, 1):
        for number, name in enumerate(one, 1):
            yield {"part": "sentence", "response": r, "number": number, "value": name or ""}
    for r, stars in enumerate(label.helpful, 1):
        yield {"part": "helpful", "response": r, "value": "" if stars is None else stars}
    for span in label.spans:
        yield {"part": "error", "response": span.response + 1, "value": f"{span.first + 1}-{span.last}"}
    if label.preference:
        yield {"part": "preference", "value": label.preference}
    if label.cannot_judge:
        yield {"part": "cannot_judge", "value": "yes"}
    if label.comment:
        yield {"part": "comment", "value": label.comment}


def from_csv(text: str, file: str, study: Study, round: str) -> Parsed:
    """Also the short form: item, annotator and value (or label), with the number of the sentence if there are several."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    found: list[tuple[int, Label]] = []
    wrong: list[Problem] = []
    try:
        names = set(reader.fieldnames or ())
        if not {"item", "annotator"} <= names or not names & {"value", "label"}:
            return Parsed([], [Problem(file, 1, f"The columns are {', '.join(sorted(map(str, names))) or 'missing'}.",
                                       "It needs item, annotator and value.")])  # fmt: skip
        last = 1
        for row in reader:
            line, last = last + 1, reader.line_num
            if None in row or None in row.values():
                wrong.append(
                    Problem(file, line, "This row has another number of cells than the header.", "Mend the row.")
                )
                continue
            given = {"part": "sentence", "value": row.get("label", ""), **row}
            found, wrong = _with_row(found, wrong, given, line, file, study, round)
    except csv.Error as error:
        wrong.append(
            Problem(
                file,
                max(1, reader.reader.line_num),
                f"This is no CSV: {error}.",
                "Save it as CSV with commas, in UTF-8.",
            )
        )
    return Parsed(found, wrong)


def _with_row(
    found: list[tuple[int, Label]],
    wrong: list[Problem],
    row: dict[str, str],
    line: int,
    file: str,
    study: Study,
    round: str,
) -> tuple[list[tuple[int, Label]], list[Problem]]:
    """The labels with one row of judgements added to the label it belongs to."""
    id, round = row.get("id", ""), row.get("round") or round
    if not study.has(row["item"]):
        todo = "Import labels of this study, or import into the study they belong to."
        return found, [
            *wrong,
            Problem(file, line, f"There is no item '{row['item']}' in the study '{study.id}'.", todo),
        ]
    same = found and (found[-1][1].id, found[-1][1].round, found[-1][1].item, found[-1][1].annotator) == (
        id, round, row["item"], row["annotator"])  # fmt: skip
    place = len(found) - 1 if same else None
    if place is None and not id:  # rows of the short form may come in any order
        keys = ((n, one.id, one.round, one.item, one.annotator) for n, (_, one) in enumerate(found))
        place = next((n for n, *key in keys if key == ["", round, row["item"], row["annotator"]]), None)
    try:
        label = found[place][1] if place is not None else Label.model_validate(
            {**blank(study, "main", study.item(row["item"]), "-").model_dump(), "id": id, "round": round,
             "annotator": row["annotator"]})  # fmt: skip
        label = _judged(label, study.item(row["item"]), row)
    except (ValueError, IndexError) as error:
        what = said(error) if isinstance(error, ValidationError) else f"{error}."
        return found, [*wrong, Problem(file, line, what, "Mend the row; annotations/README.md lists the columns.")]
    if place is None:
        found.append((line, label))
    else:
        found[place] = (found[place][0], label)
    return found, wrong


def _judged(label: Label, item: Item, row: dict[str, str]) -> Label:
    """The label with what one row says."""
    part, value = row["part"], row.get("value") or ""
    given = label.model_dump()
    response = int(row.get("response") or 1) - 1
    if part in ("sentence", "helpful", "error") and not 0 <= response < len(item.responses):
        raise ValueError(f"The item has no answer {response + 1}")
    if part == "label":
        given |= {
            name: row[name] for name in ("created", "hash", "shown", "replaces", "restores", "origin") if row.get(name)
        }
        given |= {"seconds": float(row["seconds"])} if row.get("seconds") else {}
        given |= {"rubric": int(row["rubric"])} if row.get("rubric") else {}
        given |= {"order": [int(n) for n in row["order"].split()]} if row.get("order") else {}
        given["withdrawn"] = row.get("withdrawn") == "yes"
    elif part == "sentence":
        number = int(row.get("number") or row.get("sentence") or 1) - 1
        names = [list(one) for one in label.sentences]
        if not 0 <= number < len(names[response]):
            raise ValueError(f"The answer has {len(names[response])} sentences, there is no sentence {number + 1}")
        if names[response][number] not in (None, value):
            raise ValueError(f"'{label.annotator}' labels sentence {number + 1} of item {label.item} twice")
        names[response][number] = value or None
        given["sentences"] = names
    elif part == "helpful":
        stars = list(label.helpful)
        stars[response] = int(value) if value else None
        given["helpful"] = stars
    elif part == "error":
        first, _, last = value.partition("-")
        given["spans"] = [*label.spans, Span(response=response, first=int(first) - 1, last=int(last or first))]
    elif part in ("preference", "comment"):
        given[part] = value
    elif part == "cannot_judge":
        given[part] = value == "yes"
    else:
        raise ValueError(f"There is no part '{part}'")
    return Label.model_validate(given)


def dpo_pairs(study: Study, labels: Iterable[Label]) -> list[dict[str, Any]]:
    """Prompt, chosen and rejected answer, as preference training takes them (Rafailov et al. 2023, arXiv:2305.18290).

    A/B items: the answer that more annotators prefer. Ratings: answers to one question of which one is rated more helpful,
    on average, by a star or more. Ties make no pair.
    """
    labels = [
        label for label in labels if not study.item(label.item).attention and not study.item(label.item).duplicate_of
    ]
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
            pairs.append({**_pair(item.question, better, worse), "item": item.id,
                          "votes": max(count["a"], count["b"]), "against": min(count["a"], count["b"]), "ties": count["tie"]})  # fmt: skip
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
        (worst, low), (best, high) = min(rated, key=lambda one: one[0]), max(rated, key=lambda one: one[0])
        if best - worst >= 1:
            pairs.append({**_pair(question, high.responses[0], low.responses[0]), "item": high.id,
                          "helpful_chosen": best, "helpful_rejected": worst})  # fmt: skip
    return pairs


def _pair(question: str, better: Response, worse: Response) -> dict[str, str]:
    evidence = "\n\n".join(f"[{n}] {passage.text}" for n, passage in enumerate(better.passages, 1))
    return {"prompt": f"{evidence}\n\nQuestion: {question}" if evidence else question, "chosen": better.text,
            "rejected": worse.text}  # fmt: skip


def said(error: ValidationError) -> str:
    """What pydantic says, in one sentence."""
    return "; ".join(f"{'.'.join(map(str, one['loc'])) or 'label'}: {one['msg']}" for one in error.errors()[:3]) + "."


def _text(value: Any) -> str:
    return "" if value is None else str(value)
