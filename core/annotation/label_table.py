"""Labels as statistics take them: a row a sentence, answer or pair, a column an annotator."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from core.annotation.labels import PREFERENCES, Label
from core.annotation.study import CANNOT, Item, Study


class LabelTable(NamedTuple):
    """Labels as statistics take them. values [num_units, num_annotators] float64, NaN: missing.

    A unit is a sentence, an answer or a pair. A value is a place in `categories`, or the number of stars.
    """

    values: np.ndarray
    items: tuple[str, ...]  # a name for each unit
    annotators: tuple[str, ...]
    categories: tuple[str, ...]  # in order; empty: the values are numbers
    level: str  # nominal, ordinal or interval
    item_ids: tuple[str, ...] = ()  # the study's item of each unit
    systems: tuple[str, ...] = ()  # of each unit; a pair: "a | b"
    texts: tuple[str, ...] = ()  # the sentence, or the answer
    seconds: np.ndarray | None = None  # like values, on the item
    when: np.ndarray | None = None  # like values, seconds since 1970
    twins: tuple[tuple[int, int], ...] = ()  # units shown twice: (original, duplicate)


def table(
    study: Study, labels: Iterable[Label], part: str = "sentences", *, duplicates: bool = False, attention: bool = False
) -> LabelTable:
    """One part of the labels, as a table. "cannot judge" is missing, of a sentence and of an item: it is no judgement of the
    answer. Labels that only an earlier rubric knew are categories like the others."""
    cells: dict[tuple[str, int, int], dict[str, tuple[float, Label]]] = {}
    labels = [label for label in labels if label.judges]
    categories = PREFERENCES if part == "preference" else _categories(study, labels)
    code = {name: float(place) for place, name in enumerate(categories)}
    for item in study.items:
        if (duplicates or not item.duplicate_of) and (attention or not item.attention):
            for unit in _units(item, part):
                cells[unit] = {}
    for label in labels:
        for unit, value in _values(label, part):
            number = float(value) if part == "helpful" else code.get(value)
            if unit in cells and number is not None:
                cells[unit][label.annotator] = (number, label)
    units = [unit for unit, cell in cells.items() if cell]
    people = tuple(sorted({name for unit in units for name in cells[unit]}))
    columns = {name: column for column, name in enumerate(people)}
    values, seconds, when = (np.full((len(units), len(people)), np.nan) for _ in range(3))
    for row, unit in enumerate(units):
        for name, (number, label) in cells[unit].items():
            place = row, columns[name]
            values[place] = number
            seconds[place] = np.nan if label.seconds is None else label.seconds
            when[place] = seconds_since_1970(label.created)
    place = {unit: row for row, unit in enumerate(units)}
    twins = tuple(
        (place[original], row)
        for unit, row in place.items()
        if (original := (study.item(unit[0]).duplicate_of, *unit[1:])) in place
    )
    return LabelTable(
        values,
        tuple(_named(study, unit, part) for unit in units),
        people,
        () if part == "helpful" else categories,
        {"helpful": "interval", "preference": "ordinal"}.get(part, "nominal"),
        tuple(unit[0] for unit in units),
        tuple(_system(study.item(unit[0]), unit[1], part) for unit in units),
        tuple(_text(study.item(unit[0]), unit, part) for unit in units),
        seconds,
        when,
        twins,
    )


def usual_yes(categories: Sequence[str]) -> str:
    """The label that counts as yes unless somebody says otherwise; a rubric may have it in any place."""
    return next((name for name in categories if name.lower() in ("supported", "yes", "true")), categories[0])


def _categories(study: Study, labels: Sequence[Label]) -> tuple[str, ...]:
    used = {name for label in labels for names in label.sentences for name in names}
    earlier = (category.name for rubric in study.rubrics for category in rubric.labels if category.name in used)
    return tuple(name for name in dict.fromkeys((*study.names, *earlier)) if name != CANNOT)


def _units(item: Item, part: str) -> list[tuple[str, int, int]]:
    if part == "sentences":
        return [(item.id, r, s) for r, answer in enumerate(item.responses) for s in range(len(answer.sentences))]
    if part == "helpful":
        return [(item.id, r, 0) for r in range(len(item.responses))]
    return [(item.id, 0, 0)]


def _values(label: Label, part: str) -> list[tuple[tuple[str, int, int], str | int | None]]:
    if part == "sentences":
        judgements = [((label.item, r, s), name) for r, names in enumerate(label.sentences) for s, name in enumerate(names)]
    elif part == "helpful":
        judgements = [((label.item, r, 0), stars) for r, stars in enumerate(label.helpful)]
    else:
        judgements = [((label.item, 0, 0), label.preference)]
    return [(unit, value) for unit, value in judgements if value is not None]


def _named(study: Study, unit: tuple[str, int, int], part: str) -> str:
    item, response, sentence = unit
    answer = f"/{'AB'[response]}" if len(study.item(item).responses) == 2 and part != "preference" else ""
    return f"{item}{answer}" + (f"/{sentence + 1}" if part == "sentences" else "")


def _system(item: Item, response: int, part: str) -> str:
    return " | ".join(answer.system for answer in item.responses) if part == "preference" else item.responses[response].system


def _text(item: Item, unit: tuple[str, int, int], part: str) -> str:
    _, response, sentence = unit
    if part == "preference":
        return item.question
    answer = item.responses[response]
    return answer.text[slice(*answer.sentences[sentence])] if part == "sentences" else answer.text


def seconds_since_1970(created: str) -> float:
    """Of a time as files have it, in UTC where they say no zone; NaN: it is none."""
    from datetime import UTC, datetime

    try:
        when = datetime.fromisoformat(created)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return float("nan")
