"""How well does a score separate what people call right from what they call wrong?"""

from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit, ndtri, stdtrit

from core.statistics.bootstrap import FEW_GROUPS, LEVEL, Interval, few_groups, or_rows, summed
from core.statistics.proportion import wilson

ONE_KIND = "undefined: people gave one label only"


class Roc(NamedTuple):
    """The curve's points go from the strictest threshold (nothing accepted) to the loosest."""

    auc: Interval  # 0.5: no better than chance
    thresholds: np.ndarray  # [t]: accepted at or above; the first is infinite
    false_positive: np.ndarray  # [t]
    true_positive: np.ndarray  # [t]


def roc(scores: np.ndarray, positive: np.ndarray, groups: np.ndarray | None = None) -> Roc:
    """scores [n], higher = more surely positive; positive [n] 1 or 0; rows with a NaN are left out.

    AUC: chance that a positive has the higher score than a negative, ties half (Hanley and McNeil 1982). Interval: by
    the variance of DeLong, DeLong and Clarke-Pearson 1988, in logits, so that it stays within 0 and 1; where rows belong
    to groups [n], as the sentences of one answer, by that of Obuchowski 1997, "Nonparametric analysis of clustered ROC
    curve data"; of fewer than FEW_GROUPS with Student's t. Where all scores are separated no variance is seen: Wilson's of as
    many as there are of the rarer kind, A (1 - A) / min(m, n) being the most that it can be.
    """
    scores, positive = np.asarray(scores, np.float64), np.asarray(positive, np.float64)
    usable = ~(np.isnan(scores) | np.isnan(positive))
    groups = or_rows(groups, len(scores))
    total, scores, positive, groups = len(scores), scores[usable], positive[usable] > 0.5, groups[usable]
    n, m = len(scores), int(positive.sum())
    if m in (0, n):
        nothing = np.array([])
        return Roc(Interval(None, None, None, n, total, ONE_KIND), nothing, nothing, nothing)
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.r_[np.diff(scores[order]) != 0, True])  # of each run of equal scores
    hits, alarms = positive[order].cumsum()[last], (~positive[order]).cumsum()[last]
    curve = (np.r_[np.inf, scores[order][last]], np.r_[0, alarms] / (n - m), np.r_[0, hits] / m)
    return Roc(_delong(scores, positive, groups)._replace(total=total), *curve)


def _delong(scores: np.ndarray, positive: np.ndarray, groups: np.ndarray) -> Interval:
    all_ranks, n, m = midranks(scores), len(scores), int(positive.sum())
    above = (all_ranks[positive] - midranks(scores[positive])) / (n - m)  # of each positive: negatives below it
    below = 1 - (all_ranks[~positive] - midranks(scores[~positive])) / m
    auc = float(above.mean())
    yes, no = len(np.unique(groups[positive])), len(np.unique(groups[~positive]))  # groups with a label of the kind
    if min(yes, no) < 2:
        return Interval(auc, None, None, n, n, "no interval: labels of a kind on one item only")
    parts = np.zeros((n, 2))  # of each row, in the mean above and in the mean below
    parts[positive, 0], parts[~positive, 1] = (above - auc) / m, (below - auc) / (n - m)
    a, b = summed(parts, groups).T
    many = len(a)
    if np.ptp(scores) == 0:
        return Interval(auc, None, None, n, n, "no interval: all scores are equal")
    error = np.sqrt(max(yes / (yes - 1) * (a @ a) + no / (no - 1) * (b @ b) + 2 * many / (many - 1) * (a @ b), 0))
    if error < 1e-12:  # as large as it can be: Birnbaum and Klose 1957, "Bounds for the variance of the Mann-Whitney statistic"
        fewest = min(yes, no)
        return wilson(auc * fewest, fewest)._replace(n=n, total=n, note="all scores are separated")
    tail = (1 + LEVEL) / 2
    quantile = stdtrit(many - 1, tail) if many < FEW_GROUPS else ndtri(tail)
    half = quantile * error / (auc * (1 - auc))
    return Interval(auc, float(expit(logit(auc) - half)), float(expit(logit(auc) + half)), n, n, few_groups(many))


def midranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, equal values sharing their mean rank."""
    _, place, many = np.unique(values, return_inverse=True, return_counts=True)
    return (many.cumsum() - (many - 1) / 2)[place]
