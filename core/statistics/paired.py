"""Paired comparison of two systems on the same questions."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from core.statistics.bootstrap import FEW, NO_VARIATION, Interval, intervals

_EXACT = 16  # differences up to which all 2^n sign patterns are counted: below a millisecond
_TIE = 1e-12  # values closer than this are equal: rounding of metrics
_BLOCK = 100_000  # signs in one matrix product: small, for the reason given in bootstrap.py
_CACHED = 16_000_000  # signs that are kept: 64 MB
AT_ODDS = (  # told where it occurs
    "Where few questions differ, or p is corrected for several comparisons, the interval of a difference can exclude zero although the "
    "test does not reject; the verdict follows the test"
)
FEW_DIFFER = "no interval: too few of the pairs differ"


class Paired(NamedTuple):
    """a - b over the questions measured under both. None: undefined, for the reason in `note`."""

    difference: float | None  # mean of a - b
    low: float | None
    high: float | None
    p: float | None  # two-sided sign-flip permutation test
    exact: bool  # all sign patterns were counted
    effect_size: float | None  # dz: mean difference / standard deviation of the differences
    wins: int  # questions on which a is above b
    losses: int
    ties: int
    n: int
    total: int
    note: str = ""

    def won_and_lost(self, direction: int) -> tuple[int, int]:
        """By a; where less is better (direction -1) the lower value wins."""
        return (self.wins, self.losses)[::direction]

    @property
    def between(self) -> str:
        """The interval in words: "-0.012 to +0.034"; why there is none, where there is none."""
        return self.note if self.low is None else f"{self.low:+.3f} to {self.high:+.3f}"


def at_odds(low: float | None, high: float | None, p: float | None, level: float) -> bool:
    """Whether an interval excludes 0 and p is not significant at its level."""
    return None not in (low, high, p) and low * high > 0 and p >= 1 - level


def paired_difference(
    a: np.ndarray, b: np.ndarray, resamples: int = 1000, confidence: float = 0.95, permutations: int = 10_000, seed: int = 0
) -> list[Paired]:
    """Compares each column of a [n] or [n, m] with that of b, higher being better; NaN = unmeasured, left out.

    Interval: percentile bootstrap of the mean difference; of fewer than FEW differences an exact one, and none where so many as are
    not 0 cannot be told from chance by the test (5 at 95%), for then the few that are may lie on one side by luck alone. Test:
    H0 says that the two systems are exchangeable on each question, so each difference could as well have the other sign; p is the
    share of sign patterns with a mean at least as far from 0 (Fisher's randomisation test: Smucker, Allan and Carterette 2007, "A
    comparison of statistical significance tests for information retrieval evaluation", section 3.1). With up to 16 differences all
    patterns are counted; else p = (1 + count) / (1 + permutations). Effect size: Cohen's dz (Lakens 2013, equation 6).
    """
    differences = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    differences = without_rounding(differences[:, None] if differences.ndim == 1 else differences)
    bounds = intervals(differences, resamples, confidence, seed)
    tests = sign_flip_p(differences, permutations, seed)
    return [
        _compared(differences[:, column], interval, confidence, *test)
        for column, (interval, test) in enumerate(zip(bounds, tests, strict=True))
    ]


def without_rounding(differences: np.ndarray) -> np.ndarray:
    """Differences of which those are 0 that are rounding of metrics; NaN stays."""
    return np.where(np.abs(differences) < _TIE, 0.0, differences)


def _compared(difference: np.ndarray, interval: Interval, confidence: float, p: float | None, exact: bool) -> Paired:
    measured = difference[~np.isnan(difference)]
    counts = (int((measured > 0).sum()), int((measured < 0).sum()), int((measured == 0).sum()))
    deviation = measured.std(ddof=1) if len(measured) > 1 else 0.0
    varies = len(measured) > 1 and np.ptp(measured) > _TIE
    effect = float(measured.mean() / deviation) if varies else None
    if varies and len(measured) < FEW and 2.0 ** (1 - counts[0] - counts[1]) > 1 - confidence + 1e-9:
        interval = interval._replace(low=None, high=None, note=interval.note or FEW_DIFFER)
    note = interval.note or ("" if varies else NO_VARIATION)
    mean, low, high, n, total, _ = interval
    return Paired(mean, low, high, p, exact, effect, *counts, n, total, note)


def sign_flip_p(differences: np.ndarray, permutations: int = 10_000, seed: int = 0) -> list[tuple[float | None, bool]]:
    """(p, exact) for each column of differences [n, m]; p None where nothing was measured, 1 where all are 0."""
    result: list[tuple[float | None, bool]] = []
    sampled = []  # columns with too many differences to count every pattern
    for column, difference in enumerate(differences.T):
        nonzero = difference[~np.isnan(difference) & (difference != 0)]
        if np.isnan(difference).all():
            result.append((None, True))
        elif len(nonzero) <= _EXACT:
            result.append((_exact_p(nonzero), True))
        else:
            result.append((None, False))
            sampled.append(column)
    for column, p in zip(sampled, _sampled_p(np.nan_to_num(differences[:, sampled]), permutations, seed), strict=True):
        result[column] = (float(p), False)
    return result


def _exact_p(nonzero: np.ndarray) -> float:
    sums = np.zeros(1)
    for difference in np.abs(nonzero):
        sums = np.concatenate([sums + difference, sums - difference])
    limit = np.abs(nonzero.sum()) - 1e-9 * np.abs(nonzero).sum()
    return float(np.mean(np.abs(sums) >= limit))


def _sampled_p(differences: np.ndarray, permutations: int, seed: int) -> np.ndarray:
    """Monte-Carlo p of each column [m] float64; all columns share their signs."""
    rows = np.flatnonzero((differences != 0).any(axis=1))
    used = np.ascontiguousarray(differences[rows].T, np.float32)
    # float32 sums are off by some 1e-7 of the sum of magnitudes; a sum that near to the observed one counts as equal
    total = np.abs(used).sum(axis=1, dtype=np.float64)
    limit = np.abs(used.sum(axis=1, dtype=np.float64)) - 1e-6 * total
    count = np.zeros(len(used))
    for signs in _signs(len(differences), permutations, seed) if len(used) else ():
        count += (np.abs(used @ signs[rows]) >= limit[:, None]).sum(axis=1)
    return (1 + count) / (1 + permutations)


def _signs(n: int, permutations: int, seed: int):
    """Blocks [n, columns] float32 of random signs, `permutations` columns in all; kept in memory unless large."""
    if n * permutations <= _CACHED:
        return _kept_signs(n, permutations, seed)
    return _drawn_signs(n, permutations, seed)


@lru_cache(maxsize=2)
def _kept_signs(n: int, permutations: int, seed: int) -> tuple[np.ndarray, ...]:
    return tuple(_drawn_signs(n, permutations, seed))


def _drawn_signs(n: int, permutations: int, seed: int):
    rng = np.random.default_rng([seed, n])
    step = max(16, _BLOCK // n)
    for first in range(0, permutations, step):
        size = n * min(step, permutations - first)
        bits = np.unpackbits(np.frombuffer(rng.bytes((size + 7) // 8), np.uint8), count=size)
        yield bits.reshape(n, -1).astype(np.float32) * 2 - 1
