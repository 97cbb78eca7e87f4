"""Interval of a proportion."""

import numpy as np
from scipy.special import ndtri

from core.statistics.bootstrap import Interval


def wilson(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval, for a share of yes among n; sensible near 0 and 1, where the bootstrap collapses.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference"; as in Brown, Cai and
    DasGupta 2001, "Interval estimation for a binomial proportion", equation 4.
    """
    if n == 0:
        return Interval(None, None, None, 0, 0, "not measured")
    share, z = successes / n, float(ndtri((1 + confidence) / 2))
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # the bounds are 0 and 1 there exactly; rounding would leave a trace
    low, high = (0.0 if successes == 0 else centre - half), (1.0 if successes == n else centre + half)
    return Interval(share, float(low), float(high), n, n)
