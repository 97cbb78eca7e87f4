"""Rogan and Gladen's estimator: a machine's rate of yes, corrected for its sensitivity and specificity.

Choose it for yes/no verdicts where the machine is good and its errors are the same kind everywhere (it also holds where the
labelled items are not a random sample, if these two rates carry over); prediction-powered inference for scores, and
where the labelled items are a random sample of all.
"""

import numpy as np
from scipy.special import ndtri

from core.statistics.bootstrap import Interval
from core.statistics.corrected import Corrected
from core.statistics.proportion import wilson

METHOD = "Rogan-Gladen"
NO_BETTER = "refused: the machine is not shown to be better than chance (its sensitivity + specificity - 1 may be 0)"


def rogan_gladen(unlabelled: np.ndarray, machine: np.ndarray, human: np.ndarray, confidence: float = 0.95) -> Corrected:
    """unlabelled [N]: the machine's verdicts (1 yes, 0 no) where no person judged; machine, human [n]: where one did.

    (rate + specificity - 1) / (sensitivity + specificity - 1), within 0 and 1. The interval carries the uncertainty of
    all three rates: it is Fieller's for this ratio, with z² / 2 verdicts of either kind added to the rate and half a
    verdict to the other two, so that rates of 0 and 1 have a variance (Agresti and Coull 1998). Refused where
    Fieller's interval is unbounded or that of sensitivity + specificity - 1 reaches 0.
    Source: Rogan and Gladen 1978, "Estimating prevalence from the results of a screening test";
    Fieller 1954, "Some problems in interval estimation".
    """
    unlabelled, machine, human = (_verdicts(column) for column in (unlabelled, machine, human))
    yes, no, many = int(human.sum()), int((~human).sum()), len(unlabelled)
    hits, rejected = int((machine & human).sum()), int((~machine & ~human).sum())
    z = float(ndtri((1 + confidence) / 2))
    rates = (wilson(yes, yes + no, confidence), wilson(int(unlabelled.sum()), many, confidence))
    if not (yes and no and many):
        why = "undefined: people have to have said both yes and no, and some items have to be unlabelled"
        skill = Interval(None, None, None, len(human), len(human), why)
        return Corrected(METHOD, None, None, None, *rates, skill, len(human), many, why)
    skill = youden(hits, yes, rejected, no, confidence)
    if skill.low <= 0:
        return Corrected(METHOD, None, None, None, *rates, skill, len(human), many, NO_BETTER)
    value = float(np.clip((unlabelled.mean() + rejected / no - 1) / skill.mean, 0, 1))
    rate, noise = _smoothed(int(unlabelled.sum()), many, z**2 / 2)
    sensitivity, noise_yes = _smoothed(hits, yes, 0.5)
    specificity, noise_no = _smoothed(rejected, no, 0.5)
    above, below = rate + specificity - 1, sensitivity + specificity - 1  # specificity is in both: their covariance
    bounded = below**2 - z**2 * (noise_yes + noise_no)
    if bounded <= 0:
        return Corrected(METHOD, None, None, None, *rates, skill, len(human), many, NO_BETTER)
    middle = above * below - z**2 * noise_no
    half = np.sqrt(max(middle**2 - bounded * (above**2 - z**2 * (noise + noise_no)), 0))
    low, high = (float(np.clip((middle + side * half) / bounded, 0, 1)) for side in (-1, 1))
    return Corrected(METHOD, value, min(low, value), max(high, value), *rates, skill, len(human), many)


def _smoothed(successes: int, n: int, added: float) -> tuple[float, float]:
    """A share and its variance, with `added` successes and failures."""
    total = n + 2 * added
    share = (successes + added) / total
    return share, share * (1 - share) / total


def youden(hits: int, yes: int, rejected: int, no: int, confidence: float) -> Interval:
    """Sensitivity + specificity - 1, that is, the share of yes where people say yes less that where they say no.

    Interval: Newcombe 1998, "Interval estimation for the difference between independent proportions", method 10.
    """
    a, b = wilson(hits, yes, confidence), wilson(no - rejected, no, confidence)
    difference = a.mean - b.mean
    low = difference - np.hypot(a.mean - a.low, b.high - b.mean)
    high = difference + np.hypot(a.high - a.mean, b.mean - b.low)
    return Interval(difference, float(low), float(high), yes + no, yes + no)


def _verdicts(column: np.ndarray) -> np.ndarray:
    column = np.asarray(column, np.float64)
    if not np.isin(column, (0, 1)).all():  # NaN included
        raise ValueError("verdicts have to be 1 or 0; leave out items without one")
    return column > 0.5
