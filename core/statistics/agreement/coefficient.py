"""A coefficient of agreement and its bootstrap over items, or over groups of items.

Every coefficient here is a function of sums over items. So each item's part of the sums is made once, a resample is a
weighting of the items, and all resamples are one matrix product. Labels of one item belong together, so that the item
is the unit of resampling at least. (Hayes and Krippendorff 2007, "Answering the call for a standard reliability measure
for coding data", resample pairs of labels instead.) Where the items are sentences, those of one answer belong together
too: `groups` names the answer of each, its parts are summed, and answers are drawn. The value stays the same.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from core.statistics.bootstrap import NO_VARIATION, ONE_GROUP, TOO_FEW, bounds_of, drawn_means, few_groups, summed

NO_PAIRS = "undefined: no item has two labels"
ALIKE = "all resamples give the same value: the interval says nothing of items not labelled"
FEW_DEFINED = "no interval: fewer than half of the resamples have a value"


class Coefficient(NamedTuple):
    name: str
    contributions: np.ndarray  # [rows, d] float64: of the items that are used
    value: Callable[[np.ndarray], np.ndarray]  # sums [..., d] -> values [...], NaN = undefined
    items: int  # with the labels that the coefficient needs
    labels: int  # of these items
    rows: np.ndarray | None = None  # [rows]: which items these are; None: all
    undefined: str = NO_VARIATION  # why, where there are items enough and yet no value
    empty: str = NO_PAIRS  # why, where there is no item to go by
    limits: tuple[float, float] = (-np.inf, np.inf)  # of its values


class Agreement(NamedTuple):
    """A coefficient's value and interval. None: undefined, for the reason in `note`."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    items: int
    labels: int
    resamples: int = 0
    undefined: int = 0  # resamples without a value; they are left out of the interval
    note: str = ""
    drawn: int = 0  # items, or groups of them, in each resample


def estimate(
    coefficient: Coefficient, resamples: int = 2000, seed: int = 0, groups: Sequence | np.ndarray | None = None
) -> Agreement:
    """Percentile interval of 95% (Efron and Tibshirani 1993, equation 13.5) over resampled items, of few by Student's t, of fewer than
    FEW over all subsets of them (`bounds_of` and `limits` in `bootstrap`). resamples = 0: none.

    groups [items]: which items belong together, as a study's item for each sentence; these are then drawn whole.
    """
    name, contributions, value, items, labels, rows, undefined, empty, ends = coefficient
    if items == 0:
        return Agreement(name, None, None, None, 0, 0, note=empty)
    point = float(value(contributions.sum(axis=0)))
    if np.isnan(point):
        return Agreement(name, None, None, None, items, labels, note=undefined)
    if not resamples:
        return Agreement(name, point, None, None, items, labels)
    if groups is not None:
        contributions = summed(contributions, np.asarray(groups)[slice(None) if rows is None else rows])
    many = len(contributions)
    if many == 1:
        return Agreement(name, point, None, None, items, labels, note=ONE_GROUP, drawn=1)
    drawn = value(drawn_means(contributions, resamples, seed) * many)
    defined = drawn[~np.isnan(drawn)]
    missing = len(drawn) - len(defined)
    if missing > len(drawn) / 2:
        return Agreement(name, point, None, None, items, labels, len(drawn), missing, FEW_DEFINED, many)
    bounds = bounds_of(point, drawn, many)
    ends = np.where(np.isfinite(ends), ends, (defined.min(), defined.max()))
    low, high = np.clip(bounds, *ends).tolist()
    if np.isnan(low):
        return Agreement(name, point, None, None, items, labels, len(drawn), missing, TOO_FEW, many)
    few = "" if groups is None else few_groups(many)
    note = ALIKE if np.ptp(defined) < 1e-12 else few
    return Agreement(name, point, low, high, items, labels, len(drawn), missing, note, many)


def divided(above: np.ndarray, below: np.ndarray, smallest: float = 1e-12) -> np.ndarray:
    """above / below, NaN where the divisor is 0 but for rounding."""
    above, below = np.broadcast_arrays(np.asarray(above, np.float64), below)
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=np.abs(below) > smallest)
