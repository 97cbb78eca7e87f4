"""Units that somebody could not judge: missing in every coefficient and share, and told apart."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from core.agreement.sources import LabelSource
from core.annotation.label_table import LabelTable
from core.annotation.labels import Label
from core.annotation.study import CANNOT, Item


def cannot_judge(source: LabelSource, part: str, round_name: str) -> dict[str, tuple[str, ...]]:
    """Unit -> who said that it cannot be judged. Such a label is missing in every coefficient and share."""
    people: dict[str, list[str]] = defaultdict(list)
    for label in source.labels if source.study else ():
        if label.round != round_name or label.withdrawn or not source.study.has(label.item):
            continue
        if (item := source.study.item(label.item)).plain:
            for name, said in _said_of(item, label, part):
                if label.cannot_judge or said == CANNOT:
                    people[name].append(label.annotator)
    return {name: tuple(dict.fromkeys(who)) for name, who in people.items()}


def _said_of(item: Item, label: Label, part: str) -> Iterator[tuple[str, str | None]]:
    """Each unit of an item, and the sentence label that it was given."""
    if part == "preference":
        yield item.id, None
        return
    for place, response in enumerate(item.responses):
        name = f"{item.id}/{'AB'[place]}" if len(item.responses) == 2 else item.id
        if part == "helpful":
            yield name, None
            continue
        said = label.sentences[place] if place < len(label.sentences) else ()
        for number in range(len(response.sentences)):
            yield f"{name}/{number + 1}", said[number] if number < len(said) else None


def judged_by_nobody(table: LabelTable, cannot: Mapping[str, Sequence[str]]) -> int:
    """Units of which all who saw them said that they cannot be judged."""
    return len(cannot.keys() - set(table.items))


def with_cannot(table: LabelTable, cannot: Mapping[str, Sequence[str]]) -> LabelTable:
    """The labels with "cannot judge" as a category of its own, beside those who judged the same unit."""
    rows = {name: row for row, name in enumerate(table.items) if name in cannot}
    people = tuple(dict.fromkeys((*table.annotators, *(who for name in rows for who in cannot[name]))))
    values = np.full((len(table.items), len(people)), np.nan)
    values[:, : len(table.annotators)] = table.values
    for name, row in rows.items():
        values[row, [people.index(who) for who in cannot[name]]] = len(table.categories)
    return table._replace(values=values, annotators=people, categories=(*table.categories, CANNOT))
