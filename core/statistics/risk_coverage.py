"""What becomes of an answerer that is silent where it is unsure: the share it answers against the share right of what it answers."""

from typing import NamedTuple

import numpy as np

from core.statistics.bootstrap import FEW, LEVEL, TOO_FEW, Interval, bounds_of, few_groups, numbered, or_rows, resampling_weights
from core.statistics.proportion import wilson_grouped


class RiskCoverage(NamedTuple):
    """The curve's points go from the strictest threshold to the loosest, a point a score that there is; ties are answered together."""

    thresholds: np.ndarray  # [t]: answered at or above, descending
    coverage: np.ndarray  # [t] share answered of all rows
    right: np.ndarray  # [t] share right of those answered: 1 - selective risk
    low: np.ndarray  # [t] bounds of `right`; NaN where fewer than FEW groups are answered
    high: np.ndarray
    area: Interval  # under the risk: AURC, less is better


def risk_coverage(
    scores: np.ndarray,
    right: np.ndarray,
    groups: np.ndarray | None = None,
    resamples: int = 1000,
    confidence: float = LEVEL,
    seed: int = 0,
) -> RiskCoverage:
    """scores [n], higher = surer, NaN: silent at any threshold; right [n] 1 or 0, rows with a NaN are left out; groups [n]: which rows
    belong together.

    Coverage and selective risk as in El-Yaniv and Wiener 2010, "On the foundations of noise-free selective classification", section 2,
    and Geifman and El-Yaniv 2017, "Selective classification for deep neural networks", section 2. The area is the mean over the rows
    answered at the loosest threshold of the risk at each one's own score (AURC; Geifman, Uziel and El-Yaniv 2019, "Bias-reduced
    uncertainty estimation for deep neural classifiers", section 3). Where the scores tell nothing it is about the share wrong of all
    that is answered. Band: Wilson's interval of the effective number of those answered, point by point, as `answered_at` has it, for
    where all of few are right a bootstrap collapses. Interval of the area: percentile bootstrap over groups.
    """
    scores, right, groups = _usable(scores, right, groups)
    total, told = len(scores), ~np.isnan(scores)
    order = np.argsort(-scores[told], kind="stable")
    scores, right, place = scores[told][order], right[told][order], numbered(groups[told])[order]
    if not len(scores):
        nothing = np.array([])
        return RiskCoverage(*[nothing] * 5, Interval(None, None, None, 0, total, "not measured"))
    last = np.flatnonzero(np.r_[np.diff(scores) != 0, True])  # of each run of equal scores
    share, area = _curve(np.ones((1, len(scores))), right, last)
    first = np.zeros(len(scores), bool)
    first[np.unique(place, return_index=True)[1]] = True
    many = first.cumsum()[last]  # groups answered there
    low, high, interval = np.full(len(last), np.nan), np.full(len(last), np.nan), (None, None, TOO_FEW)
    if many[-1] >= FEW:
        for at in np.flatnonzero(many >= FEW).tolist():
            low[at], high[at] = wilson_grouped(right[: last[at] + 1], place[: last[at] + 1], confidence)[1:3]
        areas = [_curve(weights[:, place], right, last)[1] for weights in resampling_weights(int(many[-1]), resamples, seed)]
        areas = np.concatenate(areas)
        bounds = np.clip(bounds_of(float(area[0]), areas, int(many[-1]), confidence), 0, 1)
        interval = (*map(float, bounds), few_groups(int(many[-1])))
    told_area = Interval(float(area[0]), *interval[:2], len(scores), total, interval[2])
    return RiskCoverage(scores[last], (last + 1) / total, share[0], low, high, told_area)


def _usable(scores: np.ndarray, right: np.ndarray, groups: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    scores, right = np.asarray(scores, np.float64), np.asarray(right, np.float64)
    usable = ~np.isnan(right)
    return scores[usable], right[usable] > 0.5, or_rows(groups, len(scores))[usable]


def _curve(weights: np.ndarray, right: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(share right of those answered [draws, t], area [draws]) of rows in the order of their scores, drawn so often [draws, n]."""
    answered = weights.cumsum(axis=1)[:, last]
    with np.errstate(invalid="ignore"):  # nothing answered: NaN
        share = (weights * right).cumsum(axis=1)[:, last] / answered
    own = np.diff(answered, prepend=0, axis=1)
    return share, np.nansum(own * (1 - share), axis=1) / answered[:, -1]


def lowest_threshold(scores: np.ndarray, right: np.ndarray, wished: float) -> float | None:
    """The threshold that answers most of those at which at least `wished` of what is answered is right, half-way to the next lower
    score; 0 where all may be answered, None where none does. scores and right [n] as for `risk_coverage`, scores above 0.

    It is chosen by its success on these rows, which is luck in part: what it is worth, others tell (`answered_at`).
    """
    curve = risk_coverage(scores, right, resamples=1)
    enough = np.flatnonzero(curve.right >= wished - 1e-12)
    if not len(enough):
        return None
    at = enough[-1]
    if at == len(curve.right) - 1:
        return 0.0
    low, high = float(curve.thresholds[at + 1]), float(curve.thresholds[at])
    middle = round((low + high) / 2, 3)
    return middle if low < middle <= high else (low + high) / 2


def answered_at(
    scores: np.ndarray, right: np.ndarray, threshold: float, groups: np.ndarray | None = None, confidence: float = LEVEL
) -> tuple[Interval, Interval]:
    """(share answered of all rows, share right of those answered) at this threshold, with Wilson's intervals of the effective number.
    scores, right and groups [n] as for `risk_coverage`."""
    scores, right, groups = _usable(scores, right, groups)
    with np.errstate(invalid="ignore"):
        answered = scores >= threshold  # NaN: not
    return wilson_grouped(answered, groups, confidence), wilson_grouped(right[answered], groups[answered], confidence)
