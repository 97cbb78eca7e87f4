"""Does an annotator's agreement with the others change while labelling?"""

from typing import NamedTuple

import numpy as np

from core.statistics.agreement.coefficient import divided
from core.statistics.bootstrap import Interval, summed
from core.statistics.corrections import correct_defined
from core.statistics.proportion import unit_intervals

FEWEST = 12  # items with a comparison: fewer have no trend to test


class Drift(NamedTuple):
    """None: undefined, for the reason in `note`."""

    annotator: int
    parts: list[Interval]  # mean agreement with the others in equal parts of the own labels, in order
    trend: float | None  # correlation of agreement with the place in the order: below 0, it falls
    p: float | None  # H0: the order does not matter
    p_holm: float | None  # corrected for the number of annotators tested
    n: int  # items
    note: str = ""


def drift(
    values: np.ndarray,
    order: np.ndarray,
    parts: int = 3,
    permutations: int = 4999,
    seed: int = 0,
    groups: np.ndarray | None = None,
) -> list[Drift]:
    """values [items, annotators]; order of the same shape: when each label was given (a time or a rank).

    A label's agreement is the share of the others' labels on that item that are equal to it. The trend is Pearson's
    correlation of agreement with rank; p is the two-sided permutation test of it, (1 + count) / (1 + permutations)
    (Good 2005, "Permutation, parametric, and bootstrap tests of hypotheses"). Only what may change places under that
    hypothesis is permuted: groups [items] are the answers of sentences, and count once each, by their mean.
    """
    agreement = agreement_with_others(values)
    if groups is not None:
        agreement, order = _by_group(agreement, groups), _by_group(np.where(np.isnan(agreement), np.nan, order), groups)
    drifts = [_drift(a, agreement[:, a], order[:, a], parts, permutations, seed) for a in range(values.shape[1])]
    return [row._replace(p_holm=p) for row, p in zip(drifts, correct_defined([row.p for row in drifts]), strict=True)]


def _by_group(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Means [groups, annotators] of what is not NaN."""
    measured = ~np.isnan(values)
    return divided(summed(np.where(measured, values, 0), groups), summed(measured.astype(float), groups))


def agreement_with_others(values: np.ndarray) -> np.ndarray:
    """Share of the others' labels on the item equal to this one [items, annotators]; NaN without label or others."""
    labelled = ~np.isnan(values)
    equal = np.zeros(values.shape)
    for column in range(values.shape[1]):
        equal[:, column] = (values == values[:, column : column + 1]).sum(axis=1) - 1
    others = labelled.sum(axis=1, keepdims=True) - 1
    return np.where(labelled & (others > 0), equal / np.maximum(others, 1), np.nan)


def _drift(annotator: int, agreement: np.ndarray, order: np.ndarray, parts: int, permutations: int, seed: int) -> Drift:
    compared = ~np.isnan(agreement)
    ordered = agreement[compared][np.argsort(order[compared], kind="stable")]
    means = [unit_intervals(part, seed=seed)[0] for part in np.array_split(ordered, parts)]
    if len(ordered) < FEWEST:
        note = f"undefined: {len(ordered)} items to compare, {FEWEST} are needed"
        return Drift(annotator, means, None, None, None, len(ordered), note)
    if np.ptp(ordered) < 1e-12:
        return Drift(annotator, means, None, None, None, len(ordered), "undefined: no variation")
    rank, level = np.arange(len(ordered)) - (len(ordered) - 1) / 2, ordered - ordered.mean()
    rng = np.random.default_rng([seed, annotator])
    drawn = rng.permuted(np.broadcast_to(level, (permutations, len(level))), axis=1) @ rank
    p = (1 + (np.abs(drawn) >= abs(level @ rank) - 1e-9).sum()) / (1 + permutations)
    trend = float(level @ rank / np.sqrt((level @ level) * (rank @ rank)))
    return Drift(annotator, means, trend, float(p), None, len(ordered))
