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


def most_disputed(found: LabelTable, most: int = DISPUTED, cannot: Mapping[str, Sequence[str]] | None = None) -> list[Unit]:
    """The most disputed first. cannot: as `cannot_judge` says; a label against "cannot judge" is a dispute as well."""
    cannot, more = cannot or {}, {}
    if found.categories:
        found = with_cannot(found, cannot) if cannot else found
        chosen = [(one.item, one.entropy) for one in disputed(found.values, len(found.categories))]
    else:
        known = ~np.isnan(found.values)
        several = np.flatnonzero(known.any(axis=1))
        deviation = np.nanstd(found.values[several], axis=1)
        more = {row: [(who, CANNOT) for who in cannot[name]] for row, name in enumerate(found.items) if name in cannot}
        order = np.argsort(-deviation, kind="stable")
        chosen = [(int(several[i]), float(deviation[i])) for i in order if deviation[i] > 0 or int(several[i]) in more]
    return [
        Unit(
            i,
            found.items[i],
            found.item_ids[i],
            found.texts[i] if found.texts else "",
            spread,
            [*_said(found, i), *more.get(i, ())],
        )
        for i, spread in chosen[:most]
    ]


def _said(found: LabelTable, row: int) -> list[tuple[str, str]]:
    values = found.values[row]
    return [(found.annotators[i], named(found, values[i])) for i in np.flatnonzero(~np.isnan(values))]
