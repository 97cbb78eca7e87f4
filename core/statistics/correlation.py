"""Correlation of a score with people's judgement, and its mean error."""

from collections.abc import Callable

import numpy as np

from core.statistics.agreement.coefficient import FEW_DEFINED, Agreement, Coefficient, divided, estimate
from core.statistics.bootstrap import (
    FEW,
    ONE_GROUP,
    TOO_FEW,
    Interval,
    bounds_of,
    few_groups,
    mean_interval,
    numbered,
    resampling_weights,
    subsets,
)
from core.statistics.roc import midranks

_BLOCK = 1_000_000  # weights ranked at a time: 8 MB


def pearson(x: np.ndarray, y: np.ndarray, resamples: int = 2000, seed: int = 0, groups: np.ndarray | None = None) -> Agreement:
    """Linear correlation of x [n] and y [n], rows with a NaN left out; interval by bootstrap over rows, or over groups [n]
    of them, as judgements are far from normal. Source: Pearson 1896; Efron and Tibshirani 1993."""
    return estimate(product_moment(*_without_nan(x, y)), resamples, seed, groups)


def product_moment(x: np.ndarray, y: np.ndarray, rows: np.ndarray) -> Coefficient:
    """Pearson's correlation as sums over rows; rows [n]: the item of each."""
    if len(x):
        x, y = ((v - v.mean()) / (v.std() or 1) for v in (np.asarray(x, np.float64), np.asarray(y, np.float64)))
    each = np.column_stack([np.ones(len(x)), x, y, x * x, y * y, x * y])
    return Coefficient("Pearson's r", each, _correlation, len(np.unique(rows)), len(x), rows, limits=(-1.0, 1.0))


def _correlation(sums: np.ndarray) -> np.ndarray:
    n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    vx, vy = n * xx - x * x, n * yy - y * y
    variation = (vx > 1e-9 * n) & (vy > 1e-9 * n)
    return np.clip(divided(n * xy - x * y, np.where(variation, np.sqrt(np.abs(vx * vy)), 0)), -1, 1)


def spearman(x: np.ndarray, y: np.ndarray, resamples: int = 2000, seed: int = 0, groups: np.ndarray | None = None) -> Agreement:
    """Correlation of ranks, equal values sharing theirs: of any monotone relation, not only a straight one.

    Interval as Pearson's; every resample is ranked anew. Source: Spearman 1904; Efron and Tibshirani 1993.
    """
    x, y, rows = _without_nan(x, y)
    rho = estimate(product_moment(midranks(x), midranks(y), rows), resamples=0)._replace(name="Spearman's rho")
    if rho.value is None or not resamples:
        return rho
    place = numbered(rows if groups is None else np.asarray(groups)[rows])
    if (many := int(place.max()) + 1) == 1:
        return rho._replace(note=ONE_GROUP, drawn=1)
    ranked, drawn = (_ranker(x), _ranker(y)), []
    for weights in [subsets(many)] if many < FEW else resampling_weights(many, resamples, seed):
        for first in range(0, len(weights), step := max(1, _BLOCK // len(x))):
            times = weights[first : first + step][:, place]  # [resamples, n]
            a, b = (rank(times) for rank in ranked)
            sums = [np.ones_like(a), a, b, a * a, b * b, a * b]
            drawn.append(_correlation(np.stack([(times * term).sum(axis=1) for term in sums], axis=-1)))
    values = np.concatenate(drawn)
    defined = values[~np.isnan(values)]
    rho = rho._replace(resamples=len(values), undefined=len(values) - len(defined), drawn=many)
    if 2 * len(defined) < len(values):
        return rho._replace(note=FEW_DEFINED)
    few = "" if groups is None else few_groups(many)
    low, high = np.clip(bounds_of(rho.value, values, many), -1, 1).tolist()
    return rho._replace(note=TOO_FEW) if np.isnan(low) else rho._replace(low=low, high=high, note=few)


def _ranker(values: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """From how often each value was drawn [resamples, n] to the values' midranks among these, less their mean, a share."""
    order = np.argsort(values, kind="stable")
    _, place, many = np.unique(values, return_inverse=True, return_counts=True)
    starts = many.cumsum() - many

    def ranks(times: np.ndarray) -> np.ndarray:
        each = np.add.reduceat(times[:, order], starts, axis=1)  # of each distinct value
        middle = each.cumsum(axis=1) - each / 2
        return (middle / times.sum(axis=1, keepdims=True) - 0.5)[:, place]

    return ranks


def mean_absolute_error(
    x: np.ndarray, y: np.ndarray, resamples: int = 2000, seed: int = 0, groups: np.ndarray | None = None
) -> Interval:
    """Mean distance of two numbers, bootstrap over rows or groups of them."""
    return mean_interval(np.abs(np.subtract(x, y)), groups, resamples, seed=seed)


def _without_nan(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both without NaN, and which rows these are."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    rows = np.flatnonzero(~(np.isnan(x) | np.isnan(y)))
    return x[rows], y[rows], rows


def pearson_difference(a: np.ndarray, b: np.ndarray, y: np.ndarray, resamples: int = 2000, seed: int = 0) -> Agreement:
    """Pearson's r of a [n] with y, less that of b [n] with y, over the rows that all three have; each resample draws the same rows
    for both. Source: Efron and Tibshirani 1993, section 10.3 (paired bootstrap)."""
    a, b, y = (np.asarray(v, np.float64) for v in (a, b, y))
    usable = ~(np.isnan(a) | np.isnan(b) | np.isnan(y))
    first, second = (product_moment(v[usable], y[usable], np.arange(usable.sum())) for v in (a, b))
    each, width = np.column_stack([first.contributions, second.contributions]), first.contributions.shape[1]

    def value(sums: np.ndarray) -> np.ndarray:
        return first.value(sums[..., :width]) - second.value(sums[..., width:])

    n = int(usable.sum())
    return estimate(Coefficient("difference of Pearson's r", each, value, n, n), resamples, seed)
