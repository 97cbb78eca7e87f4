"""A label: what one annotator said of one item, at one moment. Nothing is changed; a later label replaces an earlier one."""

from collections.abc import Iterable
from typing import Any

from core.annotation.sentences import words
from core.annotation.study import Item, Study
from core.store.label import Label, Span, from_record  # noqa: F401  # the store refuses what is none; all others know it from here

PREFERENCES = ("a", "tie", "b")
CONTENT = ("sentences", "spans", "helpful", "preference", "bulk", "cannot_judge", "comment", "withdrawn")


def blank(study: Study, round_name: str, item: Item, annotator: str) -> Label:
    """Nothing is answered yet."""
    return Label(
        study=study.id,
        round=round_name,
        item=item.id,
        annotator=annotator,
        rubric=study.rubric.version,
        sentences=tuple((None,) * len(response.sentences) for response in item.responses),
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
    counts, sentences = [len(response.sentences) for response in item.responses], label.sentences or ((),) * len(item.responses)
    answered = {
        "sentences": [sum(name is not None for name in names) for names in sentences] == counts,
        "helpful": sum(stars is not None for stars in label.helpful) == len(counts),
        "preference": label.preference is not None,
    }
    asked = study.ask if not item.attention else [part for part in study.ask if part != "preference"]
    return label.cannot_judge or all(answered[part] for part in asked)


def problems(study: Study, label: Label) -> list[str]:
    """What does not fit the study's items and rubric, in words."""
    if not study.has(label.item):
        return [f"there is no item '{label.item}' in the study '{study.id}'"]
    item, wrong = study.item(label.item), []
    counts = [len(response.sentences) for response in item.responses]
    if label.sentences and [len(names) for names in label.sentences] != counts:
        wrong.append(f"item {item.id} has {counts} sentences, the label {[len(names) for names in label.sentences]}")
    categories = {name for rubric in study.rubrics for name in (category.name for category in rubric.labels)}
    if strange := sorted({name for names in label.sentences for name in names if name is not None} - categories):
        wrong.append(f"'{strange[0]}' is no label of the rubric ({', '.join(sorted(categories))})")
    if len(label.helpful) not in (0, len(item.responses)) or any(n is not None and not 1 <= n <= 5 for n in label.helpful):
        wrong.append("helpful is 1 to 5 for each answer")
    for span in label.spans:
        length = len(words(item.responses[span.response].text)) if span.response < len(item.responses) else 0
        if not span.first < span.last <= length:
            wrong.append(f"words {span.first} to {span.last} are not in answer {span.response + 1} of {length} words")
    if any(r >= len(counts) or s >= counts[r] for r, s in label.bulk):
        wrong.append("a sentence labelled together with others is not in the item")
    if label.preference is not None and len(item.responses) != 2:
        wrong.append("there is one answer, so there is nothing to prefer")
    if label.order and sorted(label.order) != list(range(len(item.responses))):
        wrong.append("the order shown does not fit the item's answers")
    return wrong


def to_record(study: Study, label: Label) -> dict[str, Any]:
    """As the store keeps it."""
    return {**label.model_dump(mode="json", exclude={"id"}), "complete": complete(study, label)}


def standing(labels: Iterable[Label]) -> list[Label]:
    """The latest label of each round, item and annotator, unless it was withdrawn."""
    latest: dict[tuple[str, str, str], Label] = {}
    for label in labels:
        key = (label.round, label.item, label.annotator)
        if key not in latest or latest[key].id <= label.id:
            latest[key] = label
    return [label for label in latest.values() if not label.withdrawn]
