"""Intervals of a mean beside the percentile bootstrap of `bootstrap`: by Student's t, and the bootstrap corrected for skew."""

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from core.statistics.bootstrap import FEW, NO_VARIATION, TOO_FEW, Interval, or_rows, resampled_means, summed

_CONSTANT = 1e-12


def t_interval(values: np.ndarray, confidence: float = 0.95) -> Interval:
    """mean ± t s / sqrt(n); NaN = unmeasured, left out. Choose it for few values that are roughly normal, as differences often are.

    Source: Student 1908, "The probable error of a mean".
    """
    values = np.asarray(values, np.float64)
    measured = values[~np.isnan(values)]
    if problem := _problem(measured):
        return Interval(float(measured.mean()) if len(measured) else None, None, None, len(measured), len(values), problem)
    mean, n = float(measured.mean()), len(measured)
    half = float(stdtrit(n - 1, (1 + confidence) / 2) * measured.std(ddof=1) / np.sqrt(n))
    return Interval(mean, mean - half, mean + half, n, len(values))


def bca_interval(values: np.ndarray, groups=None, resamples: int = 2000, confidence: float = 0.95, seed: int = 0) -> Interval:
    """Bias-corrected and accelerated bootstrap of a mean [n]; NaN left out. groups: rows that are drawn together, as in `bootstrap`.

    Choose it over the percentile interval where values are skewed, as rare failures are: it moves both ends towards the long tail, so
    that it misses as often above as below. It does not miss less often: few values stay few, and fewer than FEW have none.
    Source: Efron 1987, "Better bootstrap confidence intervals"; Efron and Tibshirani 1993, equations 14.9 to 14.15.
    """
    values = np.asarray(values, np.float64)
    measured = ~np.isnan(values)
    own = values[measured]
    sums = (
        summed(np.column_stack([own, np.ones(len(own))]), or_rows(groups, len(values))[measured])
        if len(own)
        else np.zeros((0, 2))
    )
    if problem := _problem(own) or ("undefined: one group" if len(sums) < 2 else TOO_FEW if len(sums) < FEW else ""):
        return Interval(float(own.mean()) if len(own) else None, None, None, len(own), len(values), problem)
    mean = float(own.mean())
    drawn = resampled_means(sums, resamples, seed)
    means = np.sort(drawn[:, 0] / drawn[:, 1])
    below = ((means < mean - _CONSTANT).sum() + (means <= mean + _CONSTANT).sum()) / 2  # equals count half
    bias = ndtri(np.clip(below / resamples, 0.5 / resamples, 1 - 0.5 / resamples))
    without = (sums.sum(axis=0) - sums)[:, 0] / (sums.sum(axis=0) - sums)[:, 1]
    off = without.mean() - without
    acceleration = (off**3).sum() / (6 * max((off**2).sum(), 1e-300) ** 1.5)
    z = ndtri(np.array([(1 - confidence) / 2, (1 + confidence) / 2]))
    low, high = np.quantile(means, ndtr(bias + (bias + z) / (1 - acceleration * (bias + z))))
    return Interval(mean, float(low), float(high), len(own), len(values))


def _problem(measured: np.ndarray) -> str:
    if len(measured) < 2:
        return "undefined: one value" if len(measured) else "not measured"
    return NO_VARIATION if np.ptp(measured) <= _CONSTANT else ""
