"""A label: what one annotator said of one item, at one moment. Nothing is changed; a later label replaces an earlier one."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from core.annotation.sentences import words
from core.annotation.study import Item, Study
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
