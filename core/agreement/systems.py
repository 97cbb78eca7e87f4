"""What the consensus says of the systems, and of each pair of them."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from core.agreement.consensus import AgreedLabels, is_positive
from core.agreement.sources import LabelSource, named
from core.annotation.label_table import LabelTable
from core.statistics.bootstrap import Interval, mean_interval
from core.statistics.corrections import correct_defined
from core.statistics.paired import Paired
from core.statistics.proportion import wilson, wilson_grouped
from core.statistics.shares import share_difference


class System(NamedTuple):
    name: str
    share: Interval  # of units that count as yes; of numbers the mean. Of the effective number, or bootstrap over answers
    bounds: tuple[float, float] | None  # of the share, were all units without a consensus no, or yes
    whole: Interval | None  # of answers all of whose sentences count as yes; total: with those that are undecided
    shares: dict[str, float]  # of each category
    answers: int


class SystemDifference(NamedTuple):
    a: str
    b: str
    paired: Paired  # a - b: of the two shares, each unit counting the same; drawn by question
    p_holm: float | None


class Rates(NamedTuple):
    systems: list[System]
    differences: list[SystemDifference]
    units: int
    undecided: int  # without a consensus
    by_mean: bool  # the labels are numbers


def rates(source: LabelSource, part: str, table: LabelTable, agreed: AgreedLabels, positive: Sequence[str]) -> Rates:
    """Each system's rate of yes by the consensus, and pairs of systems: the differences of just these rates."""
    by_mean = not table.categories
    value = agreed.values if by_mean else is_positive(table, agreed.values, positive)
    systems = np.array(table.systems or ("all",) * len(table.items), dtype=object)
    answers, of = answers_of(source, table, part), np.zeros(len(value), int)
    for place, (units, _) in enumerate(answers.values()):
        of[units] = place
    names, rows, asked = list(dict.fromkeys(systems)), [], questions_of(source, table)
    for name in names:
        all_of = systems == name
        mine = all_of & ~np.isnan(value)
        own, total = value[mine], int((all_of & ~agreed.unjudged).sum())
        share = mean_interval(own, of[mine], 2000) if by_mean else wilson_grouped(own, of[mine])
        bounds = None if by_mean else (float(own.sum() / total), float((own.sum() + total - len(own)) / total))
        verdicts = np.array([share_of_yes(value, units, number) for units, number in answers.values() if all_of[units[0]]])
        decided = verdicts[~np.isnan(verdicts)]
        whole = (
            wilson(int((decided == 1).sum()), len(decided))._replace(total=len(verdicts))
            if part == "sentences" and not by_mean
            else None
        )
        each = Counter(named(table, v) for v in agreed.values[mine])
        shares = {} if by_mean or not len(own) else {c: each[c] / len(own) for c in table.categories}
        rows.append(System(str(name), share._replace(total=total), bounds, whole, shares, len(verdicts)))
    tested = [
        (str(a), str(b), difference(value, systems == a, systems == b, asked))
        for a, b in combinations(names, 2)
        if source.study is not None
    ]
    corrected = correct_defined([paired.p for *_, paired in tested])
    differences = [SystemDifference(*row, p) for row, p in zip(tested, corrected, strict=True)]
    return Rates(rows, differences, len(value), int(np.isnan(value).sum()), by_mean)


def answers_of(source: LabelSource, table: LabelTable, part: str) -> dict[str, tuple[np.ndarray, int]]:
    """Answer -> (its units, how many there are with those that nobody judged)."""
    places: dict[str, list[int]] = defaultdict(list)
    if source.study is None or part != "sentences":
        return {name: (np.array([row]), 1) for row, name in enumerate(table.items)}
    for row, name in enumerate(table.items):
        places[name.rpartition("/")[0]].append(row)
    return {
        name: (np.array(rows), len(source.study.item(table.item_ids[rows[0]]).responses[name.endswith("/B")].sentences))
        for name, rows in places.items()
    }


def share_of_yes(yes: np.ndarray, units: np.ndarray, number: int) -> float:
    """Share of an answer's sentences that are yes; NaN where one has no verdict: it is tied, or nobody judged it."""
    return float(yes[units].mean()) if len(units) == number else np.nan


def questions_of(source: LabelSource, table: LabelTable) -> np.ndarray:
    """[units]: the question of each. Without a study no two units are known to share one."""
    questions = [source.study.item(item).question for item in table.item_ids] if source.study else table.items
    return np.array(questions, dtype=object)


def difference(value: np.ndarray, mine: np.ndarray, other: np.ndarray, asked: np.ndarray, confidence: float = 0.95) -> Paired:
    """The share of the units of one system less that of another, each unit counting the same; the page's only difference of two
    systems. NaN is left out."""
    first, second = mine & ~np.isnan(value), other & ~np.isnan(value)
    return share_difference(value[first], asked[first], value[second], asked[second], confidence=confidence)
