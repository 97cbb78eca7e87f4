"""Each annotator beside the others."""

from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from core.agreement.coefficients import is_timed
from core.agreement.sources import LabelSource, groups, table_of
from core.annotation.attention import AttentionScore, attention_score
from core.annotation.label_table import LabelTable
from core.annotation.labels import Label
from core.records import Progress
from core.statistics.agreement import annotators as of_annotators
from core.statistics.agreement.alpha import alpha
from core.statistics.agreement.annotators import Dissent, LeftOut, Speed
from core.statistics.agreement.coefficient import estimate
from core.statistics.agreement.drift import Drift, drift
from core.statistics.agreement.kappa import cohen
from core.statistics.bootstrap import Interval
from core.statistics.dawid_skene import dawid_skene, identified

HEAT = 30  # annotators in the heatmap


class Person(NamedTuple):
    name: str
    labels: int
    left_out: LeftOut  # alpha of the others
    dissent: Dissent | None  # categories only
    ability: float | None  # Dawid and Skene
    self_agreement: Interval | None  # on hidden duplicates
    attention: AttentionScore | None
    speed: Speed | None  # seconds an item
    drift: Drift | None  # where labels have times
    bulk: int = 0  # sentences labelled together with those of other screens


class People(NamedTuple):
    rows: list[Person]
    alpha: float | None
    names: list[str]  # of the heatmap: those with the most labels
    matrix: np.ndarray  # [names, names], NaN where undefined
    shared: np.ndarray  # [names, names]: units in common
    coefficient: str  # in the heatmap
    twice: Interval | None  # self-agreement of all together
    timed: bool


def pair_rows(persons: People) -> list[dict[str, Any]]:
    """A row each two annotators for whom the coefficient is defined."""
    return [
        {"a": a, "b": b, "value": float(persons.matrix[i, j]), "units": int(persons.shared[i, j])}
        for i, a in enumerate(persons.names)
        for j, b in enumerate(persons.names)
        if i < j and not np.isnan(persons.matrix[i, j])
    ]


def third_rows(persons: Sequence[Person]) -> list[dict[str, Any]]:
    """A row an annotator and third of the own labels: agreement with the others."""
    return [
        {"annotator": row.name, "third": number, **part._asdict()}
        for row in persons
        if row.drift
        for number, part in enumerate(row.drift.parts, 1)
    ]


def people(source: LabelSource, part: str, round_name: str, table: LabelTable) -> Generator[Progress, None, People]:
    """Each annotator beside the others."""
    number, level, names = len(table.categories), table.level, list(table.annotators)
    many = (~np.isnan(table.values)).sum(axis=0)
    yield Progress(0, 4, "Each annotator left out")
    alone = of_annotators.leave_one_out(table.values, lambda v: alpha(v, level))
    yield Progress(1, 4, "Pairs of annotators")
    top = sorted(np.argsort(-many, kind="stable")[:HEAT].tolist())
    matrix, shared, _ = of_annotators.pairwise(
        table.values[:, top], (lambda v: cohen(v, number)) if number else lambda v: alpha(v, level)
    )
    yield Progress(2, 4, "Abilities")
    against = of_annotators.dissent(table.values, number, groups(table)) if number else None
    ability = dawid_skene(table.values, number).ability if number and identified(table.values) else None
    yield Progress(3, 4, "Changes over time")
    timed = is_timed(table)
    drifts = drift(table.values, table.when, permutations=1999, groups=groups(table)) if timed and number else None
    labels = [label for label in source.labels if label.round == round_name]
    attended = attention_score(source.study, labels) if source.study and part == "sentences" else {}
    pace = speeds(labels)
    together = Counter[str]()
    for label in labels:
        together[label.annotator] += len(label.bulk)
    again = _twice(source, part, round_name, table.level)
    rows = [
        Person(
            name,
            int(many[i]),
            alone[i],
            against and against[i],
            None if ability is None or np.isnan(ability[i]) else float(ability[i]),
            again.get(name),
            attended.get(name),
            pace.get(name),
            drifts and drifts[i],
            together[name],
        )
        for i, name in enumerate(names)
    ]
    whole = estimate(alpha(table.values, level), resamples=0).value
    return People(
        rows, whole, [names[i] for i in top], matrix, shared, "Cohen's kappa" if number else "alpha", again.get(None), timed
    )


def speeds(labels: Iterable[Label]) -> dict[str, Speed]:
    """Annotator -> seconds an item, of labels that were given under a clock and one by one: what was labelled in bulk took no time."""
    clocked = [(label.annotator, label.seconds) for label in labels if label.seconds is not None and not label.bulk]
    return {pace.annotator: pace for pace in of_annotators.speed(*map(list, zip(*clocked, strict=True)))} if clocked else {}


def _twice(source: LabelSource, part: str, round_name: str, level: str) -> dict[str | None, Interval]:
    """Annotator -> share of hidden duplicates labelled alike; None: all together."""
    if source.study is None:
        return {}
    both = table_of(source, part, round_name, level, duplicates=True)
    who, first, second, of, items = [], [], [], [], groups(both)
    for a, b in both.twins:
        for i in np.flatnonzero(~np.isnan(both.values[a]) & ~np.isnan(both.values[b])):
            who.append(both.annotators[i])
            first.append(both.values[a, i])
            second.append(both.values[b, i])
            of.append(items[a])
    if not who:
        return {}
    rows = of_annotators.self_agreement(who, np.array(first), np.array(second), np.array(of))
    return {row.annotator: row.share for row in rows}
