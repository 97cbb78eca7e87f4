"""Rogan and Gladen's estimator: a machine's rate of yes, corrected for its sensitivity and specificity.

Choose it for yes/no verdicts where the machine is good and its errors are the same kind everywhere (it also holds where the
labelled items are not a random sample, if these two rates carry over); prediction-powered inference for scores, and
where the labelled items are a random sample of all.
"""

import numpy as np
from scipy.special import ndtri

from core.statistics.bootstrap import LEVEL, Interval, or_rows
from core.statistics.corrected import Corrected
from core.statistics.proportion import effective, wilson_grouped

METHOD = "Rogan-Gladen"
NO_BETTER = "refused: the machine is not shown to be better than chance (its sensitivity + specificity - 1 may be 0)"


def rogan_gladen(
    unlabelled: np.ndarray,
    machine: np.ndarray,
    human: np.ndarray,
    groups: np.ndarray | None = None,
    other_groups: np.ndarray | None = None,
) -> Corrected:
    """unlabelled [N]: the machine's verdicts (1 yes, 0 no) where no person judged; machine, human [n]: where one did.
    groups [n], other_groups [N]: which of these belong together, as the sentences of one answer; None: each on its own.
    All three rates then count with their effective numbers of verdicts, as if independent of each other.

    (rate + specificity - 1) / (sensitivity + specificity - 1), within 0 and 1. The interval carries the uncertainty of
    all three rates: it is Fieller's for this ratio, with z² / 2 verdicts of either kind added to the rate and half a
    verdict to the other two, so that rates of 0 and 1 have a variance (Agresti and Coull 1998). Refused where
    Fieller's interval is unbounded or that of sensitivity + specificity - 1 reaches 0.
    Source: Rogan and Gladen 1978, "Estimating prevalence from the results of a screening test";
    Fieller 1954, "Some problems in interval estimation".
    """
    unlabelled, machine, human = (_verdicts(column) for column in (unlabelled, machine, human))
    groups, many = or_rows(groups, len(human)), len(unlabelled)
    z = float(ndtri((1 + LEVEL) / 2))
    rates = (wilson_grouped(human, groups), wilson_grouped(unlabelled, other_groups))
    if not (many and 0 < human.sum() < len(human)):
        why = "undefined: people have to have said both yes and no, and some items have to be unlabelled"
        skill = Interval(None, None, None, len(human), len(human), why)
        return Corrected(METHOD, None, None, None, *rates, skill, len(human), many, why)
    sensitivity = wilson_grouped(machine[human], groups[human])
    specificity = wilson_grouped(~machine[~human], groups[~human])
    skill = youden(sensitivity, specificity)
    if skill.low <= 0:
        return Corrected(METHOD, None, None, None, *rates, skill, len(human), many, NO_BETTER)
    value = float(np.clip((unlabelled.mean() + specificity.mean - 1) / skill.mean, 0, 1))
    rate, noise = _smoothed(unlabelled, other_groups, z**2 / 2)
    sensitivity, noise_yes = _smoothed(machine[human], groups[human], 0.5)
    specificity, noise_no = _smoothed(~machine[~human], groups[~human], 0.5)
    above, below = rate + specificity - 1, sensitivity + specificity - 1  # specificity is in both: their covariance
    bounded = below**2 - z**2 * (noise_yes + noise_no)
    if bounded <= 0:
        return Corrected(METHOD, None, None, None, *rates, skill, len(human), many, NO_BETTER)
    middle = above * below - z**2 * noise_no
    half = np.sqrt(max(middle**2 - bounded * (above**2 - z**2 * (noise + noise_no)), 0))
    low, high = (float(np.clip((middle + side * half) / bounded, 0, 1)) for side in (-1, 1))
    return Corrected(METHOD, value, min(low, value), max(high, value), *rates, skill, len(human), many)


def _smoothed(right: np.ndarray, groups: np.ndarray | None, added: float) -> tuple[float, float]:
    """A share and its variance, with `added` successes and failures."""
    n = effective(right, groups)
    share = (right.mean() * n + added) / (n + 2 * added)
    return share, share * (1 - share) / (n + 2 * added)


def youden(a: Interval, b: Interval) -> Interval:
    """Sensitivity a + specificity b - 1, that is, the share of yes where people say yes less that where they say no.

    Interval: Newcombe 1998, "Interval estimation for the difference between independent proportions", method 10.
    """
    value = a.mean + b.mean - 1
    low = value - np.hypot(a.mean - a.low, b.mean - b.low)
    high = value + np.hypot(a.high - a.mean, b.high - b.mean)
    return Interval(value, float(low), float(high), a.n + b.n, a.n + b.n)


def _verdicts(column: np.ndarray) -> np.ndarray:
    column = np.asarray(column, np.float64)
    if not np.isin(column, (0, 1)).all():  # NaN included
        raise ValueError("verdicts have to be 1 or 0; leave out items without one")
    return column > 0.5
