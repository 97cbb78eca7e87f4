"""Intervals of quantiles, as of latencies, whose rows may hang together in time."""

import numpy as np

from core.statistics.bootstrap import TOO_FEW, Interval
from core.statistics.proportion import effective


def quantile_interval(values: np.ndarray, share: float, groups: np.ndarray | None = None, confidence: float = 0.95) -> Interval:
    """The smallest of the values [n] that so large a share of them does not pass (in `mean`), between two others of them.

    The bounds are order statistics: the number of values below the true quantile is binomial, whatever the distribution (David and
    Nagaraja 2003, "Order statistics", section 7.1). groups [n]: rows that hang together, as requests that wait in the same queue;
    the number of rows is then the effective one of the share below the quantile (Woodruff 1952, "Confidence intervals for medians
    and other position measures"). Values may be infinite: a quantile or a bound among them is None, and so is one that n values are
    too few for, as they are for the upper bound of a 99th percentile below 368.
    """
    values = np.asarray(values, np.float64)
    n = len(values)
    if n == 0:
        return Interval(None, None, None, 0, 0, "not measured")
    from scipy.special import bdtr  # 0.1 s, which a start need not wait for

    ordered = np.sort(values)
    quantile = ordered[max(0, int(np.ceil(share * n - 1e-9)) - 1)]
    number = max(1, int(effective(values <= quantile, groups, confidence)))
    tail = (1 - confidence) / 2
    below = bdtr(np.arange(number), number, share)  # [k]: chance that at most k of `number` lie below the true quantile
    lowest, highest = np.searchsorted(below, tail, "right"), np.searchsorted(below, 1 - tail)
    low = ordered[max(1, int(lowest * n / number)) - 1] if lowest else np.inf
    high = ordered[min(n, int(np.ceil((highest + 1) * n / number))) - 1] if highest < number else np.inf
    bounds = [float(bound) if np.isfinite(bound) else None for bound in (quantile, low, high)]
    return Interval(*bounds, n, n, TOO_FEW if None in bounds[1:] else "")
