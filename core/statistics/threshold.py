"""A cut-off for a score, chosen on one half of the items and reported on the other."""

from typing import NamedTuple

import numpy as np

from core.statistics.agreement.coefficient import Agreement, estimate
from core.statistics.agreement.kappa import cohen
from core.statistics.bootstrap import Interval
from core.statistics.proportion import wilson
from core.statistics.roc import ONE_KIND, roc


class Threshold(NamedTuple):
    """None: undefined, for the reason in `note`. All shares are of the half that the threshold has not seen, Wilson."""

    threshold: float | None  # positive at or above
    fitted_on: int
    tested_on: int
    accuracy: Interval | None = None
    sensitivity: Interval | None = None
    specificity: Interval | None = None
    kappa: Agreement | None = None
    note: str = ""


def fit_threshold(scores: np.ndarray, positive: np.ndarray, confidence: float = 0.95, seed: int = 0) -> Threshold:
    """scores [n], positive [n] 1 or 0; rows with a NaN are left out. Halves are drawn within each label, seeded.

    The threshold with the largest sensitivity + specificity - 1, half-way between two scores; of equals the one in the
    middle. Source: Youden 1950, "Index for rating diagnostic tests".
    """
    scores, positive = np.asarray(scores, np.float64), np.asarray(positive, np.float64)
    known = ~(np.isnan(scores) | np.isnan(positive))
    scores, positive = scores[known], positive[known]
    first = half(positive, seed)
    curve = roc(scores[first], positive[first])
    if curve.auc.mean is None or len(np.unique(positive[~first])) < 2:
        return Threshold(None, int(first.sum()), int((~first).sum()), note=ONE_KIND)
    gain = curve.true_positive - curve.false_positive
    best = np.flatnonzero(gain > gain.max() - 1e-12)
    chosen = int(best[len(best) // 2])
    # the first point accepts nothing and ties at worst with the last one, so it is never the one in the middle
    cut = float(curve.thresholds[chosen] + curve.thresholds[min(chosen + 1, len(gain) - 1)]) / 2
    said, truth = scores[~first] >= cut, positive[~first] > 0.5
    kappa = estimate(cohen(np.column_stack([said, truth]).astype(np.float64), 2), confidence=confidence, seed=seed)
    return Threshold(
        cut, int(first.sum()), len(said),
        wilson(int((said == truth).sum()), len(said), confidence),
        wilson(int((said & truth).sum()), int(truth.sum()), confidence),
        wilson(int((~said & ~truth).sum()), int((~truth).sum()), confidence),
        kappa,
    )  # fmt: skip


def half(positive: np.ndarray, seed: int) -> np.ndarray:
    """[n] bool: half of the items of each label."""
    rng, first = np.random.default_rng(seed), np.zeros(len(positive), bool)
    for label in np.unique(positive):
        rows = rng.permutation(np.flatnonzero(positive == label))
        first[rows[: (len(rows) + 1) // 2]] = True
    return first
