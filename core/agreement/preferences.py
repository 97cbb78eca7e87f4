"""Which system's answers people prefer, of pairs."""

from collections import defaultdict
from typing import NamedTuple

import numpy as np

from core.agreement.consensus import AgreedLabels
from core.agreement.sources import LabelSource
from core.annotation.label_table import LabelTable
from core.annotation.labels import PREFERENCES
from core.statistics.bradley_terry import BradleyTerry, bradley_terry
from core.statistics.sign import PositionBias, Sign, position_bias, sign_test


class Duel(NamedTuple):
    a: str
    b: str
    sign: Sign  # wins are those of a


class Preferences(NamedTuple):
    duels: list[Duel]
    systems: list[str]
    strengths: BradleyTerry
    position: PositionBias  # over single labels: the first shown
    undecided: int


def preferences(source: LabelSource, round_name: str, table: LabelTable, agreed: AgreedLabels) -> Preferences:
    """A/B: which system's answers people prefer, by the consensus of each pair; and whether place on the screen matters."""
    pairs = [tuple(response.system for response in source.study.item(item).responses) for item in table.item_ids]
    names = sorted({name for pair in pairs for name in pair})
    better = 1 - agreed.values  # codes a, tie, b -> +1, 0, -1
    by_duel: dict[tuple[str, str], list[float]] = defaultdict(list)
    for (a, b), value in zip(pairs, better, strict=True):
        by_duel[min(a, b), max(a, b)].append(value if a < b else -value)
    decided = ~np.isnan(better)
    place = {name: i for i, name in enumerate(names)}
    chosen = np.flatnonzero(decided)
    model = bradley_terry(
        np.array([table.item_ids[i] for i in chosen]),
        np.array([place[pairs[i][0]] for i in chosen], int),
        np.array([place[pairs[i][1]] for i in chosen], int),
        (better[chosen] + 1) / 2,
        len(names),
    )
    judged = {item.id for item in source.study.items if item.plain}
    first = [
        np.nan if label.preference == "tie" else float(PREFERENCES.index(label.preference) // 2 == label.order[0])
        for label in source.labels
        if label.round == round_name and label.item in judged and label.preference and label.order and label.judges
    ]
    return Preferences(
        [Duel(a, b, sign_test(np.array(values))) for (a, b), values in by_duel.items()],
        names,
        model,
        position_bias(np.array(first)),
        int((~decided).sum()),
    )
