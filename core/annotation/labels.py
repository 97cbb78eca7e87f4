"""A label: what one annotator said of one item, at one moment. Nothing is changed; a later label replaces an earlier one."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field, field_validator

from core.annotation.study import CANNOT, Item, Study, words
from core.config import StageConfig

PREFERENCES = ("a", "tie", "b")
Whole = Annotated[int, Field(ge=0, lt=2**31)]  # as the store's tables hold it


class Span(StageConfig):
    """An error: words [first, last) of one answer of the item, counted by white space."""

    response: int = Field(ge=0, le=1)
    first: Whole
    last: Whole = Field(ge=1)


class Label(StageConfig):
    """All of an annotator's judgement of an item. What is not answered yet is None."""

    id: str = ""
    study: str
    hash: str = ""  # of the frozen study it was given under
    round: Literal["pilot", "main", "adjudication"]
    item: str
    annotator: str = Field(min_length=1)
    sentences: tuple[tuple[str | None, ...], ...] = ()  # for each answer of the item, for each sentence
    spans: tuple[Span, ...] = ()
    helpful: tuple[Whole | None, ...] = ()  # for each answer, 1 to 5
    preference: Literal["a", "b", "tie"] | None = None  # a: the item's first answer, wherever it stood on the screen
    cannot_judge: bool = False  # the item as a whole
    comment: str = ""
    seconds: float | None = Field(None, ge=0, allow_inf_nan=False)  # on the screen, breaks left out
    rubric: Whole = 1
    shown: str = ""  # hash of what stood on the screen
    order: tuple[Whole, ...] = ()  # which answer stood at each place of the screen
    replaces: str = ""
    restores: str = ""  # an undo brought back the state of this label
    withdrawn: bool = False  # takes a label back and puts none in its place
    origin: str = ""
    created: str = ""  # ISO 8601, UTC

    @field_validator("annotator", "comment", "origin", "created")
    @classmethod
    def _writable(cls, text: str) -> str:
        """Half of a character, as a cut text of JavaScript ends with, can be written to no file."""
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    @field_validator("spans")
    @classmethod
    def _in_order(cls, spans: tuple[Span, ...]) -> tuple[Span, ...]:
        return tuple(sorted(set(spans), key=lambda span: (span.response, span.first, span.last)))


CONTENT = ("sentences", "spans", "helpful", "preference", "cannot_judge", "comment", "withdrawn")


def blank(study: Study, round: str, item: Item, annotator: str) -> Label:
    """Nothing is answered yet."""
    return Label(
        study=study.id,
        round=round,
        item=item.id,
        annotator=annotator,
        rubric=study.rubric.version,
        sentences=tuple((None,) * len(one.sentences) for one in item.responses),
        helpful=(None,) * len(item.responses),
    )


def content(label: Label) -> dict:
    """What the annotator said, without when and how it was recorded."""
    return label.model_dump(mode="json", include=set(CONTENT))


def complete(study: Study, label: Label) -> bool:
    """Whether all is answered that the study asks; "cannot judge" answers everything."""
    if label.withdrawn or not study.has(label.item):
        return False
    item = study.item(label.item)
    counts, given = [len(one.sentences) for one in item.responses], label.sentences or ((),) * len(item.responses)
    answered = {
        "sentences": [sum(name is not None for name in one) for one in given] == counts,
        "helpful": sum(stars is not None for stars in label.helpful) == len(counts),
        "preference": label.preference is not None,
    }
    asked = study.ask if not item.attention else [part for part in study.ask if part != "preference"]
    return label.cannot_judge or all(answered[part] for part in asked)


def problems(study: Study, label: Label) -> list[str]:
    """What does not fit the study's items and rubric, in words."""
    if not study.has(label.item):
        return [f"there is no item '{label.item}' in the study '{study.id}'"]
    item, found = study.item(label.item), []
    counts = [len(one.sentences) for one in item.responses]
    if label.sentences and [len(one) for one in label.sentences] != counts:
        found.append(f"item {item.id} has {counts} sentences, the label {[len(one) for one in label.sentences]}")
    known = {name for rubric in study.rubrics for name in (one.name for one in rubric.labels)}
    if strange := sorted({name for one in label.sentences for name in one if name is not None} - known):
        found.append(f"'{strange[0]}' is no label of the rubric ({', '.join(sorted(known))})")
    if len(label.helpful) not in (0, len(item.responses)) or any(n is not None and not 1 <= n <= 5 for n in label.helpful):
        found.append("helpful is 1 to 5 for each answer")
    for span in label.spans:
        length = len(words(item.responses[span.response].text)) if span.response < len(item.responses) else 0
        if not span.first < span.last <= length:
            found.append(f"words {span.first} to {span.last} are not in answer {span.response + 1} of {length} words")
    if label.preference is not None and len(item.responses) != 2:
        found.append("there is one answer, so there is nothing to prefer")
    if label.order and sorted(label.order) != list(range(len(item.responses))):
        found.append("the order shown does not fit the item's answers")
    return found


def to_record(study: Study, label: Label) -> dict[str, Any]:
    """As the store keeps it."""
    return {**label.model_dump(mode="json", exclude={"id"}), "complete": complete(study, label)}


def from_record(payload: dict[str, Any]) -> Label:
    return Label.model_validate({key: value for key, value in payload.items() if key != "complete"})


def standing(labels: Iterable[Label]) -> list[Label]:
    """The latest label of each round, item and annotator, unless it was withdrawn."""
    latest: dict[tuple[str, str, str], Label] = {}
    for label in labels:
        key = (label.round, label.item, label.annotator)
        if key not in latest or latest[key].id <= label.id:
            latest[key] = label
    return [label for label in latest.values() if not label.withdrawn]


def disputed(study: Study, labels: Iterable[Label]) -> list[str]:
    """Items on which annotators differ: in a sentence's label, by more than one star, in their preference, or in whether the
    item can be judged."""
    return list(differences(study, labels))


def differences(study: Study, labels: Iterable[Label]) -> dict[str, Counter[str]]:
    """Item on which annotators differ -> in how many of its parts: sentence, rating, preference; item: not all could judge it."""
    by_item: dict[str, list[Label]] = defaultdict(list)
    for label in labels:
        if complete(study, label) and study.item(label.item).plain:
            by_item[label.item].append(label)
    return {item.id: found for item in study.items if (found := _differ(study, by_item.get(item.id, [])))}


def _differ(study: Study, labels: Sequence[Label]) -> Counter[str]:
    found: Counter[str] = Counter()
    if len({label.cannot_judge for label in labels}) > 1:
        found["item"] += 1
    labels = [label for label in labels if not label.cannot_judge]  # what they had answered before is taken back
    if "sentences" in study.ask:
        for column in zip(*(sum(label.sentences, ()) for label in labels), strict=False):
            if len(set(column) - {None}) > 1:
                found["sentence"] += 1
    if "helpful" in study.ask:
        for stars in zip(*(label.helpful for label in labels), strict=False):
            known = [star for star in stars if star is not None]
            if known and max(known) - min(known) > 1:
                found["rating"] += 1
    if "preference" in study.ask and len({label.preference for label in labels} - {None}) > 1:
        found["preference"] += 1
    return found


class Attention(NamedTuple):
    right: int
    asked: int  # sentences of attention items that were labelled

    @property
    def careless(self) -> bool:
        """Fewer than three quarters: somebody who clicks rather than reads."""
        return self.right < 0.75 * self.asked


def attention_score(study: Study, labels: Iterable[Label]) -> dict[str, Attention]:
    """How many sentences of attention items each annotator labelled as they are known to be."""
    right, asked = Counter(), Counter()
    for label in labels:
        item = study.item(label.item) if study.has(label.item) else None
        if item and item.attention and label.sentences and not label.cannot_judge:
            pairs = [pair for pair in zip(label.sentences[0], item.expected, strict=True) if pair[0] is not None]
            asked[label.annotator] += len(pairs)
            right[label.annotator] += sum(given == known for given, known in pairs)
    return {name: Attention(right[name], asked[name]) for name in asked}


class Table(NamedTuple):
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
) -> Table:
    """One part of the labels, as a table. "cannot judge" is missing, of a sentence and of an item: it is no judgement of the
    answer. Labels that only an earlier rubric knew are categories like the others."""
    cells: dict[tuple[str, int, int], dict[str, tuple[float, Label]]] = {}
    labels = [label for label in labels if not label.withdrawn and not label.cannot_judge]
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
    units = [unit for unit, given in cells.items() if given]
    people = tuple(sorted({name for unit in units for name in cells[unit]}))
    columns = {name: column for column, name in enumerate(people)}
    values, seconds, when = (np.full((len(units), len(people)), np.nan) for _ in range(3))
    for row, unit in enumerate(units):
        for name, (number, label) in cells[unit].items():
            place = row, columns[name]
            values[place] = number
            seconds[place] = np.nan if label.seconds is None else label.seconds
            when[place] = _seconds_since_1970(label.created)
    place = {unit: row for row, unit in enumerate(units)}
    twins = tuple(
        (place[original], row)
        for unit, row in place.items()
        if (original := (study.item(unit[0]).duplicate_of, *unit[1:])) in place
    )
    return Table(
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


def _categories(study: Study, labels: Sequence[Label]) -> tuple[str, ...]:
    used = {name for label in labels for one in label.sentences for name in one}
    earlier = (one.name for rubric in study.rubrics for one in rubric.labels if one.name in used)
    return tuple(name for name in dict.fromkeys((*study.names, *earlier)) if name != CANNOT)


def _units(item: Item, part: str) -> list[tuple[str, int, int]]:
    if part == "sentences":
        return [(item.id, r, s) for r, one in enumerate(item.responses) for s in range(len(one.sentences))]
    if part == "helpful":
        return [(item.id, r, 0) for r in range(len(item.responses))]
    return [(item.id, 0, 0)]


def _values(label: Label, part: str) -> list[tuple[tuple[str, int, int], str | int | None]]:
    if part == "sentences":
        found = [((label.item, r, s), name) for r, one in enumerate(label.sentences) for s, name in enumerate(one)]
    elif part == "helpful":
        found = [((label.item, r, 0), stars) for r, stars in enumerate(label.helpful)]
    else:
        found = [((label.item, 0, 0), label.preference)]
    return [(unit, value) for unit, value in found if value is not None]


def _named(study: Study, unit: tuple[str, int, int], part: str) -> str:
    item, response, sentence = unit
    answer = f"/{'AB'[response]}" if len(study.item(item).responses) == 2 and part != "preference" else ""
    return f"{item}{answer}" + (f"/{sentence + 1}" if part == "sentences" else "")


def _system(item: Item, response: int, part: str) -> str:
    return " | ".join(one.system for one in item.responses) if part == "preference" else item.responses[response].system


def _text(item: Item, unit: tuple[str, int, int], part: str) -> str:
    _, response, sentence = unit
    if part == "preference":
        return item.question
    one = item.responses[response]
    return one.text[slice(*one.sentences[sentence])] if part == "sentences" else one.text


def _seconds_since_1970(created: str) -> float:
    from datetime import UTC, datetime

    try:
        when = datetime.fromisoformat(created)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return float("nan")
