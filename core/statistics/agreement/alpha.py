"""Krippendorff's alpha: any number of annotators, missing labels, four levels of measurement.

Choose it where annotators label different items, as in most studies; Cohen's kappa only for two who label all.
"""

import numpy as np

from core.statistics.agreement.coefficient import Coefficient, divided

LEVELS = ("nominal", "ordinal", "interval", "ratio")
MOST_VALUES = 200  # distinct values whose pairs are counted
_CELLS = 25_000_000  # pairs of values times items of the ordinal level: 200 MB
_PAIRS = 500  # of values, at a time


def alpha(values: np.ndarray, level: str = "nominal") -> Coefficient:
    """1 - observed / expected disagreement. 0: labels as if drawn from the pooled labels without regard to the item.

    Only items with two labels or more count. Undefined without variation: when all labels are equal, chance would agree
    too. Differences of two values: nominal 0 or 1; ordinal by ranks among all labels; interval (c - k)²;
    ratio ((c - k) / (c + k))².
    Source: Krippendorff 2011, "Computing Krippendorff's alpha-reliability", examples A to C.
    """
    if level not in LEVELS:
        raise ValueError(f"the level has to be one of {', '.join(LEVELS)}, not {level!r}")
    labelled = ~np.isnan(values)
    paired = labelled.sum(axis=1) >= 2  # a single label can agree with nothing
    values, labelled = values[paired], labelled[paired]
    name, size = f"Krippendorff's alpha, {level}", (len(values), int(labelled.sum()), np.flatnonzero(paired))
    if level == "interval":
        return Coefficient(name, *_moments(values, labelled), *size)
    distinct, codes = np.unique(values[labelled], return_inverse=True)
    if level != "nominal" and len(distinct) > MOST_VALUES:
        raise ValueError(f"{level} alpha takes at most {MOST_VALUES} different values, not {len(distinct)}")
    if level == "ratio" and len(distinct) and distinct[0] < 0:
        raise ValueError("a ratio scale has no values below 0")
    q = len(distinct)
    flat = np.nonzero(labelled)[0] * q + codes
    table = np.bincount(flat, minlength=len(values) * q).reshape(len(values), q).astype(np.float64)
    return Coefficient(name, *(_ordinal(table) if level == "ordinal" else _fixed(table, distinct, level)), *size)


def _fixed(table: np.ndarray, distinct: np.ndarray, level: str):
    """Differences that do not depend on the labels' shares. Sums: observed disagreement, labels of each category."""
    difference = 1 - np.eye(len(distinct))
    if level == "ratio":
        difference = divided(np.subtract.outer(distinct, distinct), np.add.outer(distinct, distinct)) ** 2
        difference = np.nan_to_num(difference)  # 0 against 0
    observed = ((table @ difference) * table).sum(axis=1) / (table.sum(axis=1) - 1)

    def value(sums: np.ndarray) -> np.ndarray:
        n = sums[..., 1:]
        return _ratio(sums[..., 0], ((n @ difference) * n).sum(axis=-1), n.sum(axis=-1))

    return np.column_stack([observed, table]), value


def _ordinal(table: np.ndarray):
    """Ranks depend on the labels' shares, so coincidences are summed: of those pairs of different values that occur.

    Sums: labels of each category, then the coincidences of each pair. Equal values do not disagree.
    """
    q, present = table.shape[1], (table > 0).astype(np.float64)
    lower, upper = np.nonzero(np.triu(present.T @ present, 1))
    if len(table) * len(lower) > _CELLS:
        raise ValueError(f"ordinal alpha of {len(table)} items takes fewer different values than {q}")
    pairs = table[:, lower]  # [items, pairs]
    pairs *= table[:, upper]
    pairs /= (table.sum(axis=1) - 1)[:, None]

    def value(sums: np.ndarray) -> np.ndarray:
        n, met = sums[..., :q], sums[..., q:]
        rank = n.cumsum(axis=-1) - n / 2  # of each category's middle; differences as in the source's delta
        square, total = rank**2, n.sum(axis=-1)
        parts = [slice(first, first + _PAIRS) for first in range(0, len(lower), _PAIRS)]
        apart = [(met[..., part] * (rank[..., upper[part]] - rank[..., lower[part]]) ** 2).sum(axis=-1) for part in parts]
        expected = 2 * (total * (n * square).sum(axis=-1) - (n * rank).sum(axis=-1) ** 2)
        expected = np.where((n > 0).sum(axis=-1) > 1, expected, 0)
        return _ratio(2 * np.sum(apart, axis=0), expected, total)

    return np.column_stack([table, pairs]), value


def _moments(values: np.ndarray, labelled: np.ndarray):
    """Interval differences are squares: sums of values and squares do, however many distinct values there are."""
    filled = np.where(labelled, values - (values[labelled].mean() if labelled.any() else 0), 0)
    m, total, square = labelled.sum(axis=1), filled.sum(axis=1), (filled**2).sum(axis=1)
    observed = 2 * (m * square - total**2) / (m - 1)
    smallest = 1e-12 * square.sum() * m.sum() if np.ptp(values[labelled] if labelled.any() else [0]) else np.inf

    def value(sums: np.ndarray) -> np.ndarray:
        observed, n, total, square = np.moveaxis(sums, -1, 0)
        return _ratio(observed, 2 * (n * square - total**2), n, smallest)

    return np.column_stack([observed, m, total, square]), value


def _ratio(observed: np.ndarray, expected: np.ndarray, n: np.ndarray, smallest: float = 1e-9) -> np.ndarray:
    return 1 - (n - 1) * divided(observed, expected, smallest)
