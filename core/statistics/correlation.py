"""Correlation of a score with people's judgement, and its mean error."""

import numpy as np
from scipy.special import ndtri

from core.statistics.agreement.coefficient import Agreement, Coefficient, divided, estimate
from core.statistics.bootstrap import Interval, intervals
from core.statistics.roc import midranks


def pearson(x: np.ndarray, y: np.ndarray, resamples: int = 2000, confidence: float = 0.95, seed: int = 0) -> Agreement:
    """Linear correlation of x [n] and y [n], rows with a NaN left out; interval by bootstrap over rows, as judgements are
    far from normal. Source: Pearson 1896; Efron and Tibshirani 1993."""
    x, y = _known(x, y)
    return estimate(product_moment(x, y, np.arange(len(x))), resamples, confidence, seed)


def product_moment(x: np.ndarray, y: np.ndarray, items: np.ndarray) -> Coefficient:
    """Pearson's correlation as sums over items; an item may have several rows, which are resampled together."""
    if len(x):
        x, y = ((v - v.mean()) / (v.std() or 1) for v in (np.asarray(x, np.float64), np.asarray(y, np.float64)))
    _, place = np.unique(items, return_inverse=True)
    rows = np.column_stack([np.ones(len(x)), x, y, x * x, y * y, x * y])
    each = np.zeros((place.max(initial=-1) + 1, 6))
    np.add.at(each, place, rows)

    def value(sums: np.ndarray) -> np.ndarray:
        n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
        vx, vy = n * xx - x * x, n * yy - y * y
        variation = (vx > 1e-9 * n) & (vy > 1e-9 * n)
        return np.clip(divided(n * xy - x * y, np.where(variation, np.sqrt(np.abs(vx * vy)), 0)), -1, 1)

    return Coefficient("Pearson's r", each, value, len(each), len(x))


def spearman(x: np.ndarray, y: np.ndarray, confidence: float = 0.95) -> Agreement:
    """Correlation of ranks, equal values sharing theirs: of any monotone relation, not only a straight one.

    Interval: Fisher's z with variance (1 + r² / 2) / (n - 3).
    Source: Spearman 1904; Bonett and Wright 2000, "Sample size requirements for estimating Pearson, Kendall and Spearman
    correlations".
    """
    x, y = _known(x, y)
    n = len(x)
    found = estimate(product_moment(midranks(x), midranks(y), np.arange(n)), resamples=0)
    found = found._replace(name="Spearman's rho")
    if found.value is None or n < 4 or abs(found.value) > 1 - 1e-12:
        return found
    half = ndtri((1 + confidence) / 2) * np.sqrt((1 + found.value**2 / 2) / (n - 3))
    low, high = np.tanh(np.arctanh(found.value) + np.array([-half, half]))
    return found._replace(low=float(low), high=float(high))


def mean_absolute_error(
    x: np.ndarray, y: np.ndarray, resamples: int = 2000, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """Mean distance of two numbers, bootstrap over rows."""
    return intervals(np.abs(np.subtract(x, y)), resamples, confidence, seed)[0]


def _known(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    known = ~(np.isnan(x) | np.isnan(y))
    return x[known], y[known]
