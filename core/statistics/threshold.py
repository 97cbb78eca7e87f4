"""A cut-off for a score, chosen on one half of the items and reported on the other."""

from typing import NamedTuple

import numpy as np

from core.statistics.agreement.coefficient import Agreement, estimate
from core.statistics.agreement.kappa import cohen
from core.statistics.bootstrap import Interval, numbered, or_rows, summed
from core.statistics.proportion import wilson_grouped
from core.statistics.roc import ONE_KIND, roc


class Threshold(NamedTuple):
    """None: undefined, for the reason in `note`. All shares are of the half that the threshold has not seen, with
    Wilson's interval of the effective number."""

    threshold: float | None  # positive at or above
    fitted_on: int
    tested_on: int
    accuracy: Interval | None = None
    sensitivity: Interval | None = None
    specificity: Interval | None = None
    kappa: Agreement | None = None
    note: str = ""


def fit_threshold(scores: np.ndarray, positive: np.ndarray, seed: int = 0, groups: np.ndarray | None = None) -> Threshold:
    """scores [n], positive [n] 1 or 0; rows with a NaN are left out. Halves are drawn within each label, seeded; rows of one
    group [n], as the sentences of one answer, go to the same half.

    The threshold with the largest sensitivity + specificity - 1, half-way between two scores; of equals the one in the
    middle. Source: Youden 1950, "Index for rating diagnostic tests".
    """
    scores, positive = np.asarray(scores, np.float64), np.asarray(positive, np.float64)
    usable = ~(np.isnan(scores) | np.isnan(positive))
    groups = or_rows(groups, len(scores))
    first = half(np.where(usable, positive, np.nan), seed, groups)[usable]
    scores, positive, groups = scores[usable], positive[usable], groups[usable]
    curve = roc(scores[first], positive[first])
    if curve.auc.mean is None or len(np.unique(positive[~first])) < 2:
        return Threshold(None, int(first.sum()), int((~first).sum()), note=ONE_KIND)
    gain = curve.true_positive - curve.false_positive
    best = np.flatnonzero(gain > gain.max() - 1e-12)
    chosen = int(best[len(best) // 2])
    # the first point accepts nothing and ties at worst with the last one, so it is never the one in the middle
    cut = float(curve.thresholds[chosen] + curve.thresholds[min(chosen + 1, len(gain) - 1)]) / 2
    said, truth, of = scores[~first] >= cut, positive[~first] > 0.5, groups[~first]
    both = cohen(np.column_stack([said, truth]).astype(np.float64), 2)
    return Threshold(
        cut,
        int(first.sum()),
        len(said),
        wilson_grouped(said == truth, of),
        wilson_grouped(said[truth], of[truth]),
        wilson_grouped(~said[~truth], of[~truth]),
        estimate(both, seed=seed, groups=of),
    )


def half(positive: np.ndarray, seed: int, groups: np.ndarray | None = None) -> np.ndarray:
    """[n] bool: half of the groups [n] of each label, half of those with both, and half of those with none (NaN); without
    groups, of the rows."""
    rng, place = np.random.default_rng(seed), numbered(or_rows(groups, len(positive)))
    labelled = ~np.isnan(np.asarray(positive, np.float64))
    share = summed(np.column_stack([np.where(labelled, positive, 0), labelled]), place)
    first = np.zeros(len(share), bool)
    kinds = np.where(share[:, 1] == 0, 3, (share[:, 0] > 0).astype(int) + (share[:, 0] == share[:, 1]))  # no, both, yes, NaN
    for kind in np.unique(kinds):
        rows = rng.permutation(np.flatnonzero(kinds == kind))
        first[rows[: (len(rows) + 1) // 2]] = True
    return first[place]
