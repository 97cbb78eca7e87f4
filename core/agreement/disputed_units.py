"""The sentences, answers and pairs on which people differ, most disputed first."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from core.agreement.cannot_judge import with_cannot
from core.agreement.sources import named
from core.annotation.label_table import LabelTable
from core.annotation.study import CANNOT
from core.statistics.agreement.disputed import disputed

DISPUTED = 200


class Unit(NamedTuple):
    """A sentence, answer or pair on which people differ."""

    place: int
    name: str
    item: str
    text: str
    spread: float  # entropy in bits; of numbers the standard deviation
    labels: list[tuple[str, str]]  # (annotator, label)


def most_disputed(table: LabelTable, most: int = DISPUTED, cannot: Mapping[str, Sequence[str]] | None = None) -> list[Unit]:
    """The most disputed first. cannot: as `cannot_judge` says; a label against "cannot judge" is a dispute as well."""
    cannot, more = cannot or {}, {}
    if table.categories:
        table = with_cannot(table, cannot) if cannot else table
        chosen = [(unit.item, unit.entropy) for unit in disputed(table.values, len(table.categories))]
    else:
        labelled = ~np.isnan(table.values)
        several = np.flatnonzero(labelled.any(axis=1))
        deviation = np.nanstd(table.values[several], axis=1)
        more = {row: [(who, CANNOT) for who in cannot[name]] for row, name in enumerate(table.items) if name in cannot}
        order = np.argsort(-deviation, kind="stable")
        chosen = [(int(several[i]), float(deviation[i])) for i in order if deviation[i] > 0 or int(several[i]) in more]
    return [
        Unit(
            i,
            table.items[i],
            table.item_ids[i],
            table.texts[i] if table.texts else "",
            spread,
            [*_said(table, i), *more.get(i, ())],
        )
        for i, spread in chosen[:most]
    ]


def _said(table: LabelTable, row: int) -> list[tuple[str, str]]:
    values = table.values[row]
    return [(table.annotators[i], named(table, values[i])) for i in np.flatnonzero(~np.isnan(values))]
