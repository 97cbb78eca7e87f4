"""Wilcoxon's signed-rank test of paired differences, and the effect sizes that go by order alone."""

import numpy as np
from scipy.special import ndtr

_EXACT = 25  # differences up to which the distribution is counted
_TIE = 1e-12


def signed_rank(differences: np.ndarray) -> tuple[float | None, float | None]:
    """(two-sided p, rank-biserial correlation) of paired differences [n]; NaN left out, and zeros, which have no sign.

    H0: the differences lie symmetrically about 0. The correlation is the share of the rank sum in favour minus that against, -1 to 1.
    Choose it over `paired` where single differences are so large that they decide a mean. Equal sizes share
    their mean rank. Of up to 25 differences all signs are counted, of more: normal approximation with the correction for ties. None:
    no difference is other than 0.
    Source: Wilcoxon 1945, "Individual comparisons by ranking methods"; Pratt and Gibbons 1981; Kerby 2014, "The simple difference
    formula: an approach to teaching nonparametric correlation".
    """
    measured = np.asarray(differences, np.float64)
    nonzero = measured[~np.isnan(measured) & (np.abs(measured) > _TIE)]
    n = len(nonzero)
    if not n:
        return None, None
    _, place, count = np.unique(np.round(np.abs(nonzero), 12), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    above, whole = ranks[nonzero > 0].sum(), n * (n + 1) / 2
    correlation = float((2 * above - whole) / whole)
    if n <= _EXACT:
        # twice the ranks: shared ones are whole or half
        ways = np.zeros(n * (n + 1) + 1)
        ways[0] = 1
        for rank in (2 * ranks).astype(int):
            ways[rank:] += ways[:-rank].copy()
        return min(1.0, float(2 * ways[: int(2 * min(above, whole - above)) + 1].sum() / 2.0**n)), correlation
    variance = n * (n + 1) * (2 * n + 1) / 24 - (count**3 - count).sum() / 48
    return float(2 * ndtr(-abs(above - whole / 2) / np.sqrt(variance))), correlation


def cliffs_delta(a: np.ndarray, b: np.ndarray) -> float | None:
    """Chance that a value of a exceeds one of b, minus that of the reverse: -1 to 1, whatever the scale; NaN left out.

    It does not pair: of systems on the same questions it tells how far the two clouds of values lie apart. None: nothing measured.
    Source: Cliff 1993, "Dominance statistics: ordinal analyses to answer ordinal questions", equation 1.
    """
    a, b = (np.sort(x[~np.isnan(x)]) for x in (np.asarray(a, np.float64), np.asarray(b, np.float64)))
    if not (len(a) and len(b)):
        return None
    below, upto = np.searchsorted(b, a, "left").sum(), np.searchsorted(b, a, "right").sum()
    return float((below - (len(a) * len(b) - upto)) / (len(a) * len(b)))
