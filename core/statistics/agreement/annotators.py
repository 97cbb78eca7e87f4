"""What each annotator's labels look like beside those of the others."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from core.statistics.agreement.coefficient import Coefficient, estimate
from core.statistics.agreement.ratings import counts
from core.statistics.bootstrap import Interval, or_rows
from core.statistics.proportion import wilson_grouped


class LeftOut(NamedTuple):
    """Agreement of the others when one annotator (a column) is left out."""

    annotator: int
    value: float | None
    change: float | None  # value - that of all; above 0: agreement is better without
    note: str = ""


class Dissent(NamedTuple):
    """How often an annotator labels as the majority of the others does; items without such a majority are left out."""

    annotator: int
    labels: int
    against: int
    agreed: Interval  # share with the majority, Wilson's of the effective number


class SelfAgreement(NamedTuple):
    annotator: object  # None: all together
    share: Interval  # of hidden duplicates with the same label twice, Wilson's of the effective number


class Speed(NamedTuple):
    annotator: object
    labels: int
    median: float  # seconds a label


def pairwise(
    values: np.ndarray, coefficient: Callable[[np.ndarray], Coefficient]
) -> tuple[np.ndarray, np.ndarray, dict[tuple[int, int], str]]:
    """(value [a, a] with NaN where undefined, items in common [a, a], reasons by pair); the diagonal has no value."""
    annotators = values.shape[1]
    labelled = (~np.isnan(values)).astype(np.int64)
    shared, matrix, notes = labelled.T @ labelled, np.full((annotators, annotators), np.nan), {}
    for first in range(annotators):
        for second in range(first + 1, annotators):
            pair = values[:, [first, second]]
            agreement = estimate(coefficient(pair[(~np.isnan(pair)).all(axis=1)]), resamples=0)
            if agreement.value is None:
                notes[first, second] = agreement.note
            else:
                matrix[first, second] = matrix[second, first] = agreement.value
    return matrix, shared, notes


def leave_one_out(values: np.ndarray, coefficient: Callable[[np.ndarray], Coefficient]) -> list[LeftOut]:
    """The coefficient of the others, for each annotator."""
    whole = estimate(coefficient(values), resamples=0).value
    result = []
    for column in range(values.shape[1]):
        others = estimate(coefficient(np.delete(values, column, axis=1)), resamples=0)
        change = None if None in (whole, others.value) else others.value - whole
        result.append(LeftOut(column, others.value, change, others.note))
    return result


def others_majority(values: np.ndarray, categories: int) -> np.ndarray:
    """For each label the majority of the others on that item [items, annotators]; NaN: no label, nobody else, or a tie."""
    labelled = ~np.isnan(values)
    table = counts(values, categories)
    rows, columns = np.nonzero(labelled)
    others = table[rows]
    others[np.arange(len(rows)), values[rows, columns].astype(np.int64)] -= 1
    most = others.max(axis=1, initial=0)
    single = (most > 0) & ((others == most[:, None]).sum(axis=1) == 1)
    result = np.full(values.shape, np.nan)
    result[rows[single], columns[single]] = others[single].argmax(axis=1)
    return result


def dissent(values: np.ndarray, categories: int, groups: np.ndarray | None = None) -> list[Dissent]:
    """For each annotator the share of labels with and against the majority of the others. groups [items]: which belong
    together."""
    majority = others_majority(values, categories)
    judged, equal = ~np.isnan(majority), majority == values
    labels, groups = (~np.isnan(values)).sum(axis=0), or_rows(groups, len(values))
    dissents = []
    for a in range(values.shape[1]):
        rows = judged[:, a]
        share = wilson_grouped(equal[rows, a], groups[rows])
        dissents.append(Dissent(a, int(labels[a]), int((rows & ~equal[:, a]).sum()), share))
    return dissents


def self_agreement(
    annotators: list, first: np.ndarray, second: np.ndarray, groups: np.ndarray | None = None
) -> list[SelfAgreement]:
    """Labels that the same annotator gave to the same item twice, unknowingly; the last row is of all together.
    groups: which of these labels belong together, as those of one answer."""
    equal, annotators = np.asarray(first) == np.asarray(second), np.array(annotators, dtype=object)
    groups = or_rows(groups, len(equal))
    each = [(name, annotators == name) for name in dict.fromkeys(annotators)]
    return [
        SelfAgreement(name, wilson_grouped(equal[mine], groups[mine]))
        for name, mine in (*each, (None, np.ones(len(equal), bool)))
    ]


def speed(annotators: list, seconds: np.ndarray) -> list[Speed]:
    """Medians, as a few long breaks would move a mean."""
    seconds, result = np.asarray(seconds, np.float64), []
    for name in dict.fromkeys(annotators):
        own = seconds[[a == name for a in annotators]]
        result.append(Speed(name, len(own), float(np.quantile(own, 0.5))))
    return result
