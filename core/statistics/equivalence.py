"""Equivalence of two systems on the same questions: is their difference smaller than what matters?"""

from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

from core.statistics.bootstrap import intervals

_TIE = 1e-12  # differences closer to 0 than this are rounding of metrics
FEWEST = 20  # differences that are all the same: fewer say nothing of the questions not asked


class Equivalence(NamedTuple):
    """Mean of a - b against a margin around 0. None: undefined, for the reason in `note`.

    low, high: the 1 - 2 alpha interval of the t distribution; it lies within the margin exactly when p < alpha.
    """

    difference: float | None
    margin: float
    alpha: float
    n: int
    total: int
    low: float | None = None
    high: float | None = None
    bootstrap_low: float | None = None  # the same interval from resampled questions: a check on the t distribution
    bootstrap_high: float | None = None
    p: float | None = None  # the larger of the two one-sided tests': H0 says that the difference is at least the margin
    p_different: float | None = None  # two-sided t test: H0 says that the difference is 0
    equivalent: bool | None = None  # p < alpha
    note: str = ""

    @property
    def verdict(self) -> str:
        """equal, lower, higher (a significant difference, two-sided, and not equal), unclear or undefined."""
        if self.equivalent is None:
            return "undefined"
        if self.equivalent:
            return "equal"
        if self.p_different < self.alpha:
            return "higher" if self.difference > 0 else "lower"
        return "unclear"


def tost(differences: np.ndarray, margin: float, alpha: float = 0.05, resamples: int = 1000, seed: int = 0) -> Equivalence:
    """Two one-sided t tests of paired differences [n] float64 against -margin and +margin; NaN = unmeasured, left out.

    Both have to reject for equivalence, so that the chance to call a difference of the margin's size equivalent is at
    most alpha. Where all differences are the same the standard error is 0, and p is that of the test by signs: 1 outside the margin,
    never 0 within; of fewer than 20 such questions nothing is concluded.
    Source: Schuirmann 1987, "A comparison of the two one-sided tests procedure and the power approach for assessing the
    equivalence of average bioavailability"; paired form as in Lakens 2017, "Equivalence tests: a practical primer for t
    tests, correlations, and meta-analyses", equations 1 and 2 of the dependent t test.
    """
    if not margin > 0:
        raise ValueError(f"the margin has to be above 0, not {margin}")
    differences = np.asarray(differences, np.float64)
    measured = differences[~np.isnan(differences)]
    n, rules = len(measured), (margin, alpha, len(measured), len(differences))
    if n < 2:
        mean = float(measured[0]) if n else None
        return Equivalence(mean, *rules, note="only one question is measured" if n else "not measured")
    measured = np.where(np.abs(measured) < _TIE, 0.0, measured)
    if np.ptp(measured) <= _TIE:
        mean = float(measured[0])
        if n < FEWEST and abs(mean) < margin:
            note = f"all differences are equal, and {n} questions are too few to conclude from that"
            return Equivalence(mean, *rules, note=note)
        p = 0.5**n if abs(mean) < margin else 1.0
        return Equivalence(mean, *rules, *[mean] * 4, p, 2 * 0.5**n if mean else 1.0, p < alpha, "all differences are equal")
    mean, error = float(measured.mean()), float(measured.std(ddof=1) / np.sqrt(n))
    half = float(stdtrit(n - 1, 1 - alpha)) * error
    p = max(float(stdtr(n - 1, -(mean + margin) / error)), float(stdtr(n - 1, (mean - margin) / error)))
    p_different = float(2 * stdtr(n - 1, -abs(mean) / error))
    [drawn] = intervals(measured, resamples, 1 - 2 * alpha, seed)
    return Equivalence(mean, *rules, mean - half, mean + half, drawn.low, drawn.high, p, p_different, p < alpha)


def sentence(test: Equivalence, subject: str, reference: str, quantity: str, direction: int = 1, points: float = 100) -> str:
    """The result in words, in points (hundredths of the quantity): "ef_search 24 equals exact within 1 point of nDCG@10
    (90% interval -0.4 to +0.2)". direction: +1 where more of the quantity is better, else -1.
    """
    within = f"{test.margin * points:g} point{'s' * (test.margin * points != 1)} of {quantity}"
    if test.verdict == "undefined":
        return f"{subject} cannot be compared with {reference} in {quantity}: {test.note}"
    interval = f"({1 - 2 * test.alpha:.0%} interval {_signed(test.low * points)} to {_signed(test.high * points)})"
    word = "better" if test.difference * direction > 0 else "worse"
    size = f"{abs(test.difference) * points:.2g}"
    if test.verdict == "equal":
        if test.difference == 0 and test.low == test.high:
            return f"{subject} equals {reference} in {quantity}: no question's value changed"
        also = f", and is measurably {word} by {size}" if test.p_different < test.alpha else ""
        return f"{subject} equals {reference} within {within}{also} {interval}"
    if test.verdict == "unclear":
        return f"{subject} is not shown equal to {reference} within {within} {interval}"
    # significant, though it may still be a small one: the interval says how large
    return f"{subject} is {word} than {reference} by {size} point{'s' * (size != '1')} of {quantity} {interval}"


def _signed(value: float) -> str:
    text = f"{value:+.1f}" if abs(value) >= 0.05 else f"{value:+.2f}"
    return "0" if float(text) == 0 else text
