"""Is a score of 0.8 right in 80% of cases?"""

from typing import NamedTuple

import numpy as np

from core.statistics.bootstrap import Interval, intervals, resampled_means
from core.statistics.proportion import wilson


class Bin(NamedTuple):
    low: float
    high: float
    score: float | None  # mean score of the bin; None where it is empty
    share: Interval  # of positives, Wilson


class Calibration(NamedTuple):
    error: Interval  # expected calibration error
    brier: Interval  # mean squared distance of score and label
    bins: list[Bin]


def calibration(
    scores: np.ndarray,
    positive: np.ndarray,
    bins: int = 10,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Calibration:
    """scores [n] within 0 to 1, positive [n] 1 or 0; rows with a NaN are left out. Bins of equal width.

    Error: mean over the items of |share of positives - mean score| of their bin, with a bootstrap interval over items;
    it is above 0 by chance even for a calibrated score, more so with many bins and few items.
    Source: Naeini, Cooper and Hauskrecht 2015, "Obtaining well calibrated probabilities using Bayesian binning";
    Guo et al. 2017, "On calibration of modern neural networks", equation 3.
    """
    scores, positive = np.asarray(scores, np.float64), np.asarray(positive, np.float64)
    known = ~(np.isnan(scores) | np.isnan(positive))
    total, scores, positive = len(scores), scores[known], positive[known]
    if len(scores) and not (scores.min() >= 0 and scores.max() <= 1):
        raise ValueError("calibration is of scores from 0 to 1")
    place = np.minimum((scores * bins).astype(np.int64), bins - 1)
    member = (place[:, None] == np.arange(bins)).astype(np.float64)  # [n, bins]
    number, right, mean = member.sum(axis=0).astype(int), member.T @ positive, member.T @ scores
    found = [
        Bin(b / bins, (b + 1) / bins, float(mean[b] / number[b]) if number[b] else None, wilson(int(right[b]), int(number[b]), confidence))
        for b in range(bins)
    ]  # fmt: skip
    [brier] = intervals((scores - positive) ** 2, resamples, confidence, seed)
    if len(scores) < 2:
        return Calibration(Interval(None, None, None, len(scores), total, "not measured"), brier, found)
    error = float(np.abs(right - mean).sum() / len(scores))
    drawn = np.abs(resampled_means(member * (positive - scores)[:, None], resamples, seed)).sum(axis=1)
    tail = (1 - confidence) / 2
    low, high = map(float, np.quantile(drawn, [tail, 1 - tail]))
    return Calibration(Interval(error, low, high, len(scores), total), brier._replace(total=total), found)
