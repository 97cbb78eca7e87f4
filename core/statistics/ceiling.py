"""What a machine can be measured against: how well one person meets the consensus of the others, and mere guessing."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from core.statistics.agreement.annotators import dissent, others_majority
from core.statistics.agreement.coefficient import Agreement, Coefficient, divided, estimate
from core.statistics.bootstrap import Interval, or_rows
from core.statistics.correlation import product_moment
from core.statistics.proportion import wilson_grouped


class Ceiling(NamedTuple):
    share: Agreement  # of all labels that are with the majority of the others; bootstrap over items or groups of them
    people: list[Interval]  # of each annotator, Wilson's of the effective number


def ceiling(
    values: np.ndarray, categories: int, resamples: int = 2000, seed: int = 0, groups: np.ndarray | None = None
) -> Ceiling:
    """Categories. Labels on which the others are tied, or alone, are left out: there is no consensus to meet."""
    majority = others_majority(values, categories)
    judged, equal = ~np.isnan(majority), majority == values
    each = np.column_stack([equal.sum(axis=1), judged.sum(axis=1)]).astype(np.float64)
    rows = np.flatnonzero(judged.any(axis=1))
    pooled = Coefficient(
        "A person against the others' majority",
        each[rows],
        lambda s: divided(s[..., 0], s[..., 1]),
        len(rows),
        int(judged.sum()),
        rows,
    )
    people = [person.agreed for person in dissent(values, categories, groups)]
    return Ceiling(estimate(pooled, resamples, seed, groups), people)


def ceiling_pearson(values: np.ndarray, resamples: int = 2000, seed: int = 0, groups: np.ndarray | None = None) -> Agreement:
    """Numbers: correlation of each label with the mean of the others' on its item, all annotators pooled."""
    groups = or_rows(groups, len(values))  # the labels of an item belong together at least
    items, columns, others = _others_mean(values)
    pooled = product_moment(values[items, columns], others, items)
    agreement = estimate(pooled, resamples, seed, groups)
    return agreement._replace(name="A person against the others' mean, Pearson's r")


class Beside(NamedTuple):
    """A machine and a person on the same footing: both held against the others, label by label."""

    machine: Agreement
    person: Agreement
    difference: Agreement  # machine - person


def beside(
    verdicts: np.ndarray,
    machine: np.ndarray,
    categories: int,
    resamples: int = 2000,
    seed: int = 0,
    groups: np.ndarray | None = None,
) -> Beside:
    """Shares with the majority of the others: verdicts [items, annotators], machine [items]; NaN = none. For each label that
    the others have a majority beside, the person's and the machine's verdict are compared with that majority.

    A consensus that the person took part in, or items that all agree on, would favour one of the two.
    """
    majority = others_majority(verdicts, categories)
    judged = ~np.isnan(majority) & ~np.isnan(machine)[:, None]
    rows = np.flatnonzero(judged.any(axis=1))
    sums = np.column_stack(
        [((majority == machine[:, None]) & judged).sum(axis=1), ((majority == verdicts) & judged).sum(axis=1), judged.sum(axis=1)]
    ).astype(np.float64)[rows]

    def of(name: str, value: Callable[[np.ndarray], np.ndarray]) -> Agreement:
        whole = Coefficient(name, sums, lambda s: divided(value(s), s[..., 2]), len(rows), int(judged.sum()), rows)
        return estimate(whole, resamples, seed, groups)

    return Beside(
        of("machine", lambda s: s[..., 0]),
        of("person", lambda s: s[..., 1]),
        of("machine - person", lambda s: s[..., 0] - s[..., 1]),
    )


def beside_pearson(
    values: np.ndarray, machine: np.ndarray, resamples: int = 2000, seed: int = 0, groups: np.ndarray | None = None
) -> Beside:
    """The same by correlation with the mean of the others: values [items, annotators], machine [items]; numbers."""
    groups = or_rows(groups, len(values))  # the labels of an item belong together at least
    items, columns, others = _others_mean(values)
    scored = ~np.isnan(machine[items])
    items, columns, others = items[scored], columns[scored], others[scored]
    first, second = (product_moment(x, others, items) for x in (machine[items], values[items, columns]))
    both = np.column_stack([first.contributions, second.contributions])

    def of(name: str, value: Callable[[np.ndarray], np.ndarray]) -> Agreement:
        whole = first._replace(name=name, contributions=both, value=value)
        return estimate(whole, resamples, seed, groups)

    return Beside(
        of("machine", lambda s: first.value(s[..., :6])),
        of("person", lambda s: second.value(s[..., 6:])),
        of("machine - person", lambda s: first.value(s[..., :6]) - second.value(s[..., 6:])),
    )


def _others_mean(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each label beside another (item, annotator, mean of the others)."""
    labelled = ~np.isnan(values)
    number, total = labelled.sum(axis=1, keepdims=True), np.nansum(values, axis=1, keepdims=True)
    usable = labelled & (number > 1)
    others = (total - np.nan_to_num(values)) / np.maximum(number - 1, 1)
    return *np.nonzero(usable), others[usable]


def majority_baseline(labels: np.ndarray, groups: np.ndarray | None = None) -> Interval:
    """Share right of always saying the most frequent label; labels [n], NaN = none. Wilson's of the effective number."""
    labels = np.asarray(labels, np.float64)
    labelled = ~np.isnan(labels)
    distinct, many = np.unique(labels[labelled], return_counts=True)
    right = labels[labelled] == distinct[many.argmax()] if len(many) else labels[labelled]
    return wilson_grouped(right, None if groups is None else groups[labelled])
