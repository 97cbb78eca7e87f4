"""How well a yes or no is told from people's yes or no, and how much of two selections of characters is the same."""

from typing import NamedTuple

import numpy as np

from core.statistics.agreement.coefficient import Agreement, Coefficient, divided, estimate
from core.statistics.bootstrap import or_rows

NOTHING = "undefined: nothing to compare"


class Overlap(NamedTuple):
    precision: Agreement
    recall: Agreement
    f1: Agreement


class Detection(NamedTuple):
    balanced_accuracy: Agreement  # mean of sensitivity and specificity
    f1: Agreement  # of the rows that are positive
    f1_other: Agreement  # of those that are not


def detection(
    said: np.ndarray, positive: np.ndarray, resamples: int = 2000, seed: int = 0, groups: np.ndarray | None = None
) -> Detection:
    """said, positive [n] 1 or 0, rows with a NaN are left out; intervals by bootstrap over rows, or over groups [n] of them.

    Source: Brodersen et al. 2010, "The balanced accuracy and its posterior distribution", section II (balanced accuracy);
    van Rijsbergen 1979, "Information retrieval", chapter 7 (F1).
    """
    said, positive = np.asarray(said, np.float64), np.asarray(positive, np.float64)
    usable = ~(np.isnan(said) | np.isnan(positive))
    said, positive, groups = said[usable] > 0.5, positive[usable] > 0.5, or_rows(groups, len(usable))[usable]
    cells = np.column_stack([said & positive, said & ~positive, ~said & positive, ~said & ~positive]).astype(np.float64)

    def balanced(sums: np.ndarray) -> np.ndarray:
        hit, alarm, miss, rest = np.moveaxis(sums, -1, 0)
        return (divided(hit, hit + miss) + divided(rest, rest + alarm)) / 2

    values = {
        "balanced accuracy": balanced,
        "F1": lambda sums: divided(2 * sums[..., 0], 2 * sums[..., 0] + sums[..., 1] + sums[..., 2]),
        "F1 of the others": lambda sums: divided(2 * sums[..., 3], 2 * sums[..., 3] + sums[..., 1] + sums[..., 2]),
    }
    return Detection(*_estimates(values, cells, resamples, seed, groups))


def balanced_gain(
    said: np.ndarray,
    other: np.ndarray,
    positive: np.ndarray,
    resamples: int = 2000,
    seed: int = 0,
    groups: np.ndarray | None = None,
) -> Agreement:
    """Balanced accuracy of said [n] less that of other [n], both 1 or 0, against positive [n]; each resample draws the same rows, or
    groups [n] of them, for both."""
    said, other, positive = (np.asarray(each, np.float64) > 0.5 for each in (said, other, positive))
    better = (said == positive).astype(np.float64) - (other == positive)
    cells = np.column_stack([better * positive, better * ~positive, positive, ~positive]).astype(np.float64)

    def gain(sums: np.ndarray) -> np.ndarray:
        hits, rest, yes, no = np.moveaxis(sums, -1, 0)
        return (divided(hits, yes) + divided(rest, no)) / 2

    n = len(cells)
    coefficient = Coefficient("gain in balanced accuracy", cells, gain, n, n, None, NOTHING, NOTHING, (-1.0, 1.0))
    return estimate(coefficient, resamples, seed, or_rows(groups, n))


def overlap(
    both: np.ndarray,
    chosen: np.ndarray,
    wanted: np.ndarray,
    resamples: int = 2000,
    seed: int = 0,
    groups: np.ndarray | None = None,
) -> Overlap:
    """Precision, recall and F1 of the characters of n texts, pooled: how many of each text are chosen, wanted, and both.

    Source: Niu et al. 2024, "RAGTruth", section 5.2 (span level), as LettuceDetect has it (Kovács and Recski 2025, section 4).
    """
    cells = np.column_stack([both, chosen, wanted]).astype(np.float64)
    values = {
        "precision": lambda sums: divided(sums[..., 0], sums[..., 1]),
        "recall": lambda sums: divided(sums[..., 0], sums[..., 2]),
        "F1": lambda sums: divided(2 * sums[..., 0], sums[..., 1] + sums[..., 2]),
    }
    return Overlap(*_estimates(values, cells, resamples, seed, or_rows(groups, len(cells))))


def _estimates(values: dict, cells: np.ndarray, resamples: int, seed: int, groups) -> list[Agreement]:
    n = len(cells)
    coefficients = (Coefficient(name, cells, value, n, n, None, NOTHING, NOTHING, (0.0, 1.0)) for name, value in values.items())
    return [estimate(each, resamples, seed, groups) for each in coefficients]
