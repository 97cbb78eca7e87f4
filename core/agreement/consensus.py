"""One label a unit, of several people's."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core.agreement.cannot_judge import cannot_judge
from core.agreement.sources import LabelSource, table_of
from core.agreement.views import NO_DAWID_SKENE, OTHER
from core.annotation.label_table import LabelTable
from core.errors import WorkbenchError
from core.statistics.agreement.coefficient import divided
from core.statistics.consensus import majority
from core.statistics.dawid_skene import dawid_skene, identified


class AgreedLabels(NamedTuple):
    """values [units]: one label each; NaN: a tie, no label, or what an adjudicator could not judge."""

    method: str
    values: np.ndarray
    ties: int
    adjudicated: int  # units that an adjudicator decided: people differed in them, or the adjudicator from all of them
    unjudged: np.ndarray  # [units] bool: the adjudicator could not judge them, whoever could


def consensus(source: LabelSource, part: str, table: LabelTable, method: str = "majority") -> AgreedLabels:
    """One label a unit. adjudicated: the adjudicator's label where there is one, else the majority; of numbers the mean."""
    number = len(table.categories)
    if method == "dawid_skene" and not number:
        raise WorkbenchError("Dawid and Skene's model is of categories, not of numbers.", todo=OTHER)
    if method == "dawid_skene" and not identified(table.values):
        raise WorkbenchError(NO_DAWID_SKENE, todo=OTHER)
    if method == "dawid_skene":
        values, ties = dawid_skene(table.values, number).labels, 0
    elif number:
        chosen = majority(table.values, number)
        values, ties = chosen.labels, chosen.ties
    else:
        total = (~np.isnan(table.values)).sum(axis=1)
        values, ties = divided(np.nansum(table.values, axis=1), total), 0
    decided, unjudged = 0, np.zeros(len(table.items), bool)
    if method == "adjudicated" and source.study:
        last, cannot = table_of(source, part, "adjudication", table.level), cannot_judge(source, part, "main")
        rulings, refused = dict(zip(last.items, last.values, strict=True)), cannot_judge(source, part, "adjudication")
        for row, name in enumerate(table.items):
            ruling = rulings.get(name, np.array([np.nan]))
            if not np.isnan(ruling).all() or name in refused:
                ties -= bool(np.isnan(values[row]))
                last_word = next(iter(ruling[~np.isnan(ruling)][::-1]), np.nan)
                verdicts, unjudged[row] = {*table.values[row][~np.isnan(table.values[row])], last_word}, np.isnan(last_word)
                values[row], decided = last_word, decided + (len(verdicts) > 1 or name in cannot)
    return AgreedLabels(method, values, max(ties, 0), decided, unjudged)


def is_positive(table: LabelTable, values: np.ndarray, positive: Sequence[str]) -> np.ndarray:
    """1 where a value counts as yes, 0 where not, NaN where there is none."""
    if table.categories:
        yes = np.isin(values, [table.categories.index(name) for name in positive if name in table.categories])
    else:
        yes = values >= float(positive[0])
    return np.where(np.isnan(values), np.nan, yes.astype(float))
