"""Intervals of proportions, and of means of a measure between 0 and 1."""

from collections.abc import Sequence

import numpy as np

from core.statistics.bootstrap import FEW, FEW_GROUPS, Interval, few_groups, intervals, mean_interval, summed

# values off one end of the range: up to the first number the bootstrap draws almost the same sample each time; from the second on it is
# trusted alone. Between them the interval goes over from one to the other: a curve of means else jumps where one value reaches the end
EDGE = 4, 10


def wilson(successes: float, n: float, confidence: float = 0.95) -> Interval:
    """Wilson's score interval, for a share of yes among n; sensible near 0 and 1, where the bootstrap collapses.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference"; as in Brown, Cai and
    DasGupta 2001, "Interval estimation for a binomial proportion", equation 4.
    """
    if n == 0:
        return Interval(None, None, None, 0, 0, "not measured")
    from scipy.special import ndtri  # 0.1 s, which a start need not wait for

    share, z = successes / n, float(ndtri((1 + confidence) / 2))
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # the bounds are 0 and 1 there exactly; rounding would leave a trace
    low, high = (0.0 if successes == 0 else centre - half), (1.0 if successes == n else centre + half)
    return Interval(share, float(low), float(high), n, n)


def unit_intervals(values: np.ndarray, resamples: int = 1000, confidence: float = 0.95, seed: int = 0) -> list[Interval]:
    """Interval of each column's mean, of a measure that lies between 0 and 1; NaN = unmeasured, left out.

    values [n] or [n, m] float64, as for `intervals`, whose percentile interval it is, but for four kinds of columns that have
    Wilson's, with the sum of the values for the number of successes: those of 0 and 1 only, where the mean is a share; those of
    fewer than FEW values; those whose values are all the same; and those with few values off 0, or off 1 (EDGE), where a
    bootstrap collapses ("1.000 to 1.000" of 548 values of 1). It is wide enough there: no measure between 0 and 1 varies more at
    a given mean than one of 0 and 1 only.
    """
    values = np.asarray(values, np.float64)
    values = values[:, None] if values.ndim == 1 else values
    bounds = intervals(values, resamples, confidence, seed)
    for column, interval in enumerate(bounds):
        if interval.low is not None:  # Student's of few values knows no end
            interval = bounds[column] = interval._replace(low=max(interval.low, 0.0), high=min(interval.high, 1.0))
        measured = values[~np.isnan(values[:, column]), column]
        off = min(np.count_nonzero(measured != 0), np.count_nonzero(measured != 1))
        weight = _of_wilson(measured, off, interval.n < FEW)
        if interval.n > 1 and weight:
            share = wilson(min(measured.sum(), interval.n), interval.n, confidence)  # sums of rounded values may pass n
            low, high = _between(share, interval, weight)
            bounds[column] = interval._replace(low=low, high=high, note="")
    return bounds


def unit_interval_grouped(
    values: np.ndarray, groups: Sequence | np.ndarray, resamples: int = 1000, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """Interval of the mean of a measure between 0 and 1, whose rows belong to groups [n]; NaN = unmeasured, left out.

    By bootstrap over groups, as `mean_interval`, but for Wilson's of the effective number of rows where `unit_intervals` has
    Wilson's: of values of 0 and 1 only or all the same, of few groups, here fewer than FEW_GROUPS, and where few groups (EDGE)
    hold a value off 0, or off 1.
    """
    values, groups = np.asarray(values, np.float64), np.asarray(groups)
    measured = ~np.isnan(values)
    own, of = values[measured], groups[measured]
    many = len(np.unique(of))
    weight = 0.0
    if many > 1:
        off = min(len(np.unique(of[own != end])) for end in (0, 1))
        weight = _of_wilson(own, off, many < FEW_GROUPS)
    if weight == 1:  # without a draw
        return wilson_grouped(own, of, confidence)._replace(total=len(values), note=few_groups(many))
    interval = mean_interval(values, groups, resamples, confidence, seed)
    if weight:
        low, high = _between(wilson_grouped(own, of, confidence), interval, weight)
        interval = interval._replace(low=low, high=high, note=few_groups(many))
    return interval


def _of_wilson(values: np.ndarray, off: int, few: bool) -> float:
    """How far Wilson's interval stands for the bootstrap's, from 0 to 1. off: values, or groups of them, off one end of the range."""
    return 1.0 if few or _level(values) or np.isin(values, (0, 1)).all() else float(np.interp(off, EDGE, (1.0, 0.0)))


def _level(values: np.ndarray) -> bool:
    """Whether all values are the same one."""
    return len(values) > 0 and bool((values == values[0]).all())


def _between(share: Interval, bootstrap: Interval, weight: float) -> tuple[float, float]:
    """Bounds that go over from one interval to the other. weight: of the first; at 1 there may be no other."""
    return tuple(
        a if weight == 1 else float(weight * a + (1 - weight) * b) for a, b in zip(share[1:3], bootstrap[1:3], strict=True)
    )


def wilson_grouped(yes: np.ndarray, groups: np.ndarray | None = None, confidence: float = 0.95) -> Interval:
    """The same for yes [n], 1 or 0, whose rows belong to groups [n], as the sentences of one answer do.

    Wilson's interval of the effective number of rows. Source: Korn and Graubard 1998, "Confidence intervals for
    proportions with small expected number of positive counts estimated from survey data"; with Wilson's interval: Dean
    and Pagano 2015, "Evaluating confidence interval methods for binomial proportions in clustered surveys".
    """
    yes = np.asarray(yes, np.float64)
    n = len(yes)
    if n == 0:
        return wilson(0, 0, confidence)
    number, share = effective(yes, groups, confidence), float(yes.mean())
    interval = wilson(share * number, number, confidence)
    return interval._replace(mean=share, n=n, total=n)


def effective(yes: np.ndarray, groups: np.ndarray | None = None, confidence: float = 0.95) -> float:
    """As many independent rows would tell as much of the share of yes [n] as these do in their groups: from 1 to n.

    share (1 - share) / variance of the share between groups (Kish 1965, "Survey sampling"), less what few groups
    leave unknown of that variance (z² / t² of Korn and Graubard). Where all rows say the same it is the number of groups.
    """
    from scipy.special import ndtri, stdtrit

    n = len(yes)
    if groups is None or n == 0:
        return float(n)
    sums = summed(np.column_stack([yes, np.ones(n)]), groups)
    many, share = len(sums), sums[:, 0].sum() / n
    if many == n:
        return float(n)
    if many == 1 or _level(yes):
        return float(many)
    variance = many / (many - 1) * ((sums[:, 0] - share * sums[:, 1]) ** 2).sum() / n**2
    few = (ndtri((1 + confidence) / 2) / stdtrit(many - 1, (1 + confidence) / 2)) ** 2
    return float(np.clip(few * share * (1 - share) / max(variance, 1e-300), 1, n))
