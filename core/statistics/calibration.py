"""Is a score of 0.8 right in 80% of cases?"""

from typing import NamedTuple

import numpy as np

from core.statistics.bootstrap import (
    FEW,
    FEW_GROUPS,
    LEVEL,
    TOO_FEW,
    Interval,
    drawn_means,
    few_groups,
    mean_interval,
    or_rows,
    summed,
)
from core.statistics.proportion import wilson_grouped

_STEPS = 24  # halvings of a bound


class Bin(NamedTuple):
    low: float
    high: float
    score: float | None  # mean score of the bin; None where it is empty
    share: Interval  # of positives, Wilson's of the effective number


class Calibration(NamedTuple):
    error: Interval  # expected calibration error
    brier: Interval  # mean squared distance of score and label
    bins: list[Bin]


def calibration(
    scores: np.ndarray,
    positive: np.ndarray,
    bins: int = 10,
    resamples: int = 2000,
    seed: int = 0,
    groups: np.ndarray | None = None,
) -> Calibration:
    """scores [n] within 0 to 1, positive [n] 1 or 0; rows with a NaN are left out; groups [n]: which rows belong together.
    Bins of equal width.

    Error: mean over the rows of |share of positives - mean score| of their bin; it is above 0 by chance even for a calibrated score,
    more so with many bins and few items. Its resamples add as much once more, so that their percentiles leave out what is true; see
    `_error_bounds` for its interval, of fewer than FEW groups none.
    Source: Naeini, Cooper and Hauskrecht 2015, "Obtaining well calibrated probabilities using Bayesian binning";
    Guo et al. 2017, "On calibration of modern neural networks", equation 3.
    """
    scores, positive = np.asarray(scores, np.float64), np.asarray(positive, np.float64)
    usable = ~(np.isnan(scores) | np.isnan(positive))
    groups = or_rows(groups, len(scores))
    total, scores, positive, groups = len(scores), scores[usable], positive[usable], groups[usable]
    if len(scores) and not (scores.min() >= 0 and scores.max() <= 1):
        raise ValueError("calibration is of scores from 0 to 1")
    place = np.minimum((scores * bins).astype(np.int64), bins - 1)
    member = (place[:, None] == np.arange(bins)).astype(np.float64)  # [n, bins]
    rows = []
    for b in range(bins):
        mine = place == b
        mean = float(scores[mine].mean()) if mine.any() else None
        rows.append(Bin(b / bins, (b + 1) / bins, mean, wilson_grouped(positive[mine], groups[mine])))
    brier = mean_interval((scores - positive) ** 2, groups, resamples, seed=seed)._replace(total=total)
    if len(scores) < 2:
        return Calibration(Interval(None, None, None, len(scores), total, "not measured"), brier, rows)
    sums = summed(np.column_stack([member * (positive - scores)[:, None], np.ones(len(scores))]), groups)
    off, many = sums[:, :-1].sum(axis=0) / len(scores), len(sums)
    error = Interval(float(np.abs(off).sum()), None, None, len(scores), total, TOO_FEW)
    if many >= FEW:
        drawn = drawn_means(sums, resamples, seed)
        low, high = _error_bounds(off, drawn[:, :-1] / drawn[:, -1:], many)
        error = error._replace(low=low, high=high, note=few_groups(many))
    return Calibration(error, brier, rows)


def _error_bounds(off: np.ndarray, drawn: np.ndarray, many: int) -> tuple[float, float]:
    """Of the sum of |off| [bins], from resampled ones [draws, bins] over so many groups: those multiples of what was found, from none
    upwards, to which the resamples' noise makes it neither among the largest nor the smallest 2.5% (a bootstrap test, inverted: Davison
    and Hinkley 1997, "Bootstrap methods and their application", section 5.4); of few groups with the noise as `bounds_of` widens it."""
    from scipy.special import ndtri, stdtrit  # 0.1 s, which a start need not wait for

    tail, error = (1 - LEVEL) / 2, float(np.abs(off).sum())
    wider = stdtrit(many - 1, 1 - tail) / ndtri(1 - tail) * np.sqrt(many / (many - 1)) if many < FEW_GROUPS else 1.0
    noise = (drawn - off) * wider

    def least(share: float, above: bool) -> float:
        """The multiple from which on this share of the draws, or more, is at least as large as what was found, or larger."""
        low, high = 0.0, 1.0
        reached = np.greater_equal if above else np.greater

        def enough(times: float) -> bool:
            return bool(reached(np.abs(times * off + noise).sum(axis=1), error).mean() >= share)

        if enough(0.0) or error == 0:
            return 0.0
        while not enough(high):
            high *= 2
        for _ in range(_STEPS):
            middle = (low + high) / 2
            low, high = (low, middle) if enough(middle) else (middle, high)
        return high

    return error * min(least(tail, True), 1.0), min(error * max(least(1 - tail, False), 1.0), 1.0)
