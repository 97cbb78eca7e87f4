"""Files of labels without the study they belong to: our exports whose study.json is missing, and tables of other programs.

Of our own files the study is made up again as far as they tell: which sentences and stars there are, rounds and rubric.
What only study.json knows is lost: which items were repeated or had a known answer, the systems, and in CSV and JSONL the
texts. Other files hold one judgement a row: item, annotator and value.
"""

import re
from collections.abc import Callable, Iterable
from itertools import permutations
from typing import Any

from core.annotation.formats.exchange import Parsed, Problems, from_csv, from_jsonl, rows
from core.annotation.formats.label_studio import elements, from_tasks
from core.annotation.label_table import LabelTable
from core.annotation.rubric import Category, Rubric, default_rubric
from core.annotation.sentences import sentences
from core.annotation.study import Item, Passage, Response, Study
from core.config import valid
from core.errors import WorkbenchError
from core.files import read_json

WITHOUT = (
    "Read without its study.json: repeated and attention items cannot be distinguished from the others, so they count like these."
)
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
OURS = re.compile(r'(?:^|,)\s*"?part"?\s*(?:,|$)')  # the column that our tables have, among those of others such as "participant"
NO_NUMBER = re.compile(r"[-+]?(nan|inf|infinity)", re.I)
MOST_SENTENCES = 1000  # of an answer; a larger number is a slip


def of_study(text: str, file: str) -> tuple[Study, Parsed] | None:
    """A study with the labels of a file of ours or of Label Studio; None: it is another file."""
    first = text.lstrip()[:1]
    if first == "[":
        items, read = _items_of_tasks(text, Problems(file)), from_tasks
    elif first == "{":
        records = [record for record in map(_loaded, text.split("\n")) if isinstance(record, dict)]
        if any("value" in record or "label" in record for record in records):
            return None
        items, read = _items([(record.get("item"), _counts(record)) for record in records]), from_jsonl
    elif OURS.search(text.split("\n", 1)[0]):
        items, read = _items((row["item"], _counts_of_row(row)) for _, row in rows(text, Problems(file))), from_csv
    else:
        return None
    return _read(items, read, text, file)


def _read(items: list[Item], read: Callable, text: str, file: str) -> tuple[Study, Parsed]:
    kind = "pairs" if any(len(item.responses) > 1 for item in items) else "rating"
    draft = {
        "id": "labels",
        "title": f"{file}, without its study.json",
        "question": WITHOUT,
        "kind": kind,
        "items": [item for item in items if len(item.responses) == (2 if kind == "pairs" else 1)],
    }
    ask = ("preference",) if kind == "pairs" else ("sentences",)
    study = valid(Study, {**draft, "ask": ask, "rubrics": [default_rubric()]})
    parsed = read(text, file, study, "main")
    labels = [label for _, label in parsed.labels]
    told = {
        "sentences": any(name for label in labels for names in label.sentences for name in names),
        "helpful": any(stars for label in labels for stars in label.helpful),
        "preference": kind == "pairs",
    }
    names = dict.fromkeys(name for label in labels for names in label.sentences for name in names if name)
    rubric = default_rubric()
    if not names.keys() <= {category.name for category in rubric.labels}:
        rubric = valid(Rubric, {"labels": [Category(name=name, title=name) for name in sorted(names)]})
    people = {
        adjudicates: dict.fromkeys(label.annotator for label in labels if (label.round == "adjudication") == adjudicates)
        for adjudicates in (False, True)
    }
    _add_spellings(parsed.problems, ((line, label.annotator) for line, label in parsed.labels), "annotator")
    if not parsed.problems:
        study = valid(
            Study,
            {
                **draft,
                "ask": [part for part, asked in told.items() if asked] or ask,
                "rubrics": [rubric],
                "annotators": tuple(people[False]),
                "adjudicators": tuple(people[True]),
            },
        )
    return study, parsed


def _loaded(line: str) -> Any:
    try:
        return read_json(line)
    except WorkbenchError:
        return None  # told by line when the labels are read


def _counts(label: dict) -> list[int]:
    """How many sentences each answer has."""
    answers = label.get("sentences")
    lists = [len(names) for names in answers if isinstance(names, list)] if isinstance(answers, list) else []
    stars = label.get("helpful")
    return lists or [0] * (len(stars) if stars and isinstance(stars, list) else 1)


def _counts_of_row(row: dict[str, str]) -> list[int]:
    response, number = row.get("response") or "1", row.get("number") or row.get("sentence") or "1"
    if not (response in ("1", "2") and number.isdecimal() and int(number) <= MOST_SENTENCES):
        return []
    return [0] * (int(response) - 1) + [int(number) if row.get("part") == "sentence" else 0]


def _items(pairs: Iterable[tuple[Any, list[int]]]) -> list[Item]:
    """Items with as many answers and sentences as any label has."""
    most: dict[str, list[int]] = {}
    for item, counts in pairs:
        if isinstance(item, str) and item:
            before = most.setdefault(item, [])
            width = range(min(2, max(len(before), len(counts))))
            most[item] = [max(lengths[place] if place < len(lengths) else 0 for lengths in (before, counts)) for place in width]
    width = max(map(len, most.values()), default=1)  # a study of pairs has two answers everywhere
    return [
        Item(id=item, question=f"Item {item}", responses=tuple(map(_unknown, (*counts, *[0] * (width - len(counts))))))
        for item, counts in most.items()
        if item
    ]


def _unknown(count: int) -> Response:
    text, bounds = "", []
    for number in range(1, count + 1):
        start = len(text)
        text += f"Sentence {number}."
        bounds.append((start, len(text)))
        text += " "
    return Response(source="", system="", text=text, sentences=tuple(bounds))


def _items_of_tasks(text: str, wrong: Problems) -> list[Item]:
    items = {}
    for _, task in elements(text, wrong):
        data = task.get("data") if isinstance(task, dict) else None
        if isinstance(data, dict) and isinstance(data.get("item"), str) and data["item"]:
            count = 2 if isinstance(data.get("answer_2"), str) else 1
            order = next((each for each in permutations(range(count)) if [*each] == data.get("order")), range(count))
            places = {place: n for n, place in enumerate(order, 1)}
            items[data["item"]] = Item(
                id=data["item"],
                question=str(data.get("question") or data["item"]),
                responses=tuple(_answer(data, places[place]) for place in range(count)),
            )
    return list(items.values())


def _answer(data: dict[str, Any], n: int) -> Response:
    text, evidence = (str(data.get(f"{name}_{n}") or "") for name in ("answer", "evidence"))
    passages = (Passage(document_id="", text=evidence),) if evidence else ()
    return Response(source="", system="", text=text, sentences=sentences(text), passages=passages)


# Tables of other programs --------------------------------------------------------------------------------------------


def plain_table(text: str, file: str) -> tuple[LabelTable, Problems]:
    """A judgement a row: numbers are an interval scale (two different ones, such as 0 and 1, are categories), words are
    nominal, an empty value is missing. Empty where something is wrong."""
    import numpy as np

    wrong = Problems(file)
    votes: dict[tuple[str, str], tuple[int, str]] = {}
    item_of: dict[str, str] = {}  # unit -> its item: sentences of one answer belong together
    source = (rows if text.lstrip()[:1] != "{" else _rows_of_jsonl)(text, wrong)
    for line, row in source:
        cells = {name: value.strip() for name, value in row.items()}
        item = "/".join(cells[name] for name in ("item", "response", "number", "sentence") if cells.get(name))
        value = next(cells[name] for name in ("value", "label", "rating") if name in cells)
        if not cells["item"] or not cells["annotator"]:
            name = "annotator" if cells["item"] else "item"
            wrong.add(line, f"This row has no {name}.", "Give one, or remove the row.")
        elif value and (item, cells["annotator"]) in votes:
            wrong.twice(line, cells["annotator"], item, votes[item, cells["annotator"]][0])
        elif value:
            votes[item, cells["annotator"]] = line, value
            item_of[item] = cells["item"]
    numeric = bool(votes) and all(NUMBER.fullmatch(value) or NO_NUMBER.fullmatch(value) for _, value in votes.values())
    numeric = numeric and any(NUMBER.fullmatch(value) for _, value in votes.values())
    for line, value in votes.values() if numeric else ():
        if not np.isfinite(float(value)):
            wrong.add(line, f"'{value}' is not a number.", "Leave the value empty where it is missing.")
    _add_spellings(wrong, ((line, who) for (_, who), (line, _) in votes.items()), "annotator")
    if not numeric:
        _add_spellings(wrong, votes.values(), "label")
    if not votes and not wrong:
        wrong.empty()
    good = {} if wrong else {key: value for key, (_, value) in votes.items()}
    wrong.sort(key=lambda problem: problem.line)
    return _tabled(good, numeric, item_of), wrong


def _tabled(votes: dict[tuple[str, str], str], numeric: bool, item_of: dict[str, str]) -> LabelTable:
    import numpy as np

    items, people = (tuple(dict.fromkeys(key[place] for key in votes)) for place in (0, 1))
    distinct = sorted({float(value) for value in votes.values()}) if numeric else sorted(set(votes.values()))
    scale = numeric and len(distinct) > 2
    code = {value: value if scale else float(place) for place, value in enumerate(distinct)}
    values = np.full((len(items), len(people)), np.nan)
    row, column = ({name: n for n, name in enumerate(names)} for names in (items, people))
    for (item, who), value in votes.items():
        values[row[item], column[who]] = code[float(value) if numeric else value]
    categories = () if scale else tuple(f"{value:g}" if numeric else value for value in distinct)
    return LabelTable(
        values, items, people, categories, "interval" if scale else "nominal", tuple(item_of[item] for item in items)
    )


def _rows_of_jsonl(text: str, wrong: Problems) -> Iterable[tuple[int, dict[str, str]]]:
    for line, raw in enumerate(text.split("\n"), 1):
        record = _loaded(raw)
        if isinstance(record, dict) and {"item", "annotator"} <= record.keys() and record.keys() & {"value", "label", "rating"}:
            yield line, {name: "" if value is None else str(value) for name, value in record.items()}
        elif raw.strip():
            wrong.add(line, "This line is not a JSON object with item, annotator and value.")


def _add_spellings(wrong: Problems, names: Iterable[tuple[int, str]], what: str) -> None:
    """Names that differ only in capitals or blanks are one name, spelt twice."""
    first: dict[str, tuple[int, str]] = {}
    told = set()
    for line, name in names:
        before, spelt = first.setdefault(" ".join(name.split()).casefold(), (line, name))
        if spelt != name and name not in told:
            told.add(name)
            wrong.add(line, f"The {what} '{name}' stands as '{spelt}' in line {before}.", "Spell it one way.")
