"""Is a score of 0.8 right in 80% of cases?"""

from typing import NamedTuple

import numpy as np

from core.statistics.agreement.coefficient import Coefficient, estimate
from core.statistics.bootstrap import Interval, mean_interval, or_rows
from core.statistics.proportion import wilson_grouped


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

    Error: mean over the rows of |share of positives - mean score| of their bin, with a bootstrap interval; it is above 0
    by chance even for a calibrated score, more so with many bins and few items.
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
    parts = np.column_stack([np.ones(len(scores)), member * (positive - scores)[:, None]])
    whole = Coefficient(
        "error", parts, lambda s: np.abs(s[..., 1:]).sum(axis=-1) / s[..., 0], len(parts), len(parts), limits=(0.0, 1.0)
    )
    error = estimate(whole, resamples, seed, groups)
    return Calibration(Interval(*error[1:4], len(scores), total, error.note), brier, rows)
