"""Bootstrap intervals of means over questions.

The question is the unit of resampling (Sakai 2006, "Evaluating evaluation metrics based on the bootstrap", section 3).
Rows that belong together, as the sentences of one answer do, are drawn together: `groups` says which (Davison and
Hinkley 1997, "Bootstrap methods and their application", section 3.8; Field and Welsh 2007, "Bootstrapping clustered
data").

Of fewer than FEW rows a bootstrap draws too few different samples, and its interval is too short: they have an exact one, or none.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

# Multiplications in one matrix product. Below some millions BLAS uses one thread; waiting for a second one on a busy
# machine takes 10 to 50 times as long as the product.
_PRODUCT = 500_000
_BLOCK = 4_000_000  # weights made at a time: 32 MB
_WIDE = 20  # columns from which mostly empty rows, as counts of pairs of values, are worth a sparse product
_CACHED = 20_000_000  # weights that are kept: 160 MB

_ROUNDING = 1e-12  # bounds closer to 0 are 0
LEVEL = 0.95  # of intervals where nothing else is said
FEW = 10  # rows; with fewer, bounds are those of subsets
ONE_GROUP = "no interval: all of it belongs to one item"
TOO_FEW = "no interval: too few values"
NO_VARIATION = "undefined: no variation"
FEW_GROUPS = 20  # below, a percentile interval misses too often


class Interval(NamedTuple):
    """Mean of the measured values and its interval. None: not measured (n = 0), or no interval (see note)."""

    mean: float | None
    low: float | None
    high: float | None
    n: int  # measured values
    total: int  # all values; n / total is the coverage
    note: str = ""


def intervals(values: np.ndarray, resamples: int = 1000, confidence: float = 0.95, seed: int = 0) -> list[Interval]:
    """Percentile interval (Efron and Tibshirani 1993, equation 13.5) of each column's mean; NaN = unmeasured, left out. Of fewer
    than FEW_GROUPS values Student's t (`bounds_of`), of fewer than FEW an exact one (`limits`), and none where they do not vary.

    values [n] or [n, m] float64: a row a question, a column a metric. All columns share their resamples.
    """
    values = np.asarray(values, np.float64)
    values = values[:, None] if values.ndim == 1 else values
    measured = ~np.isnan(values)
    result: list[Interval | None] = [None] * values.shape[1]
    for mask in {measured[:, column].tobytes(): measured[:, column] for column in range(values.shape[1])}.values():
        columns = np.flatnonzero((measured == mask[:, None]).all(axis=0))
        for column, interval in zip(columns, _intervals(values[mask][:, columns], resamples, confidence, seed), strict=True):
            result[column] = interval._replace(total=len(values))
    return result


def _intervals(values: np.ndarray, resamples: int, confidence: float, seed: int) -> list[Interval]:
    """The same for columns without NaN."""
    n, columns = values.shape
    if n == 0:
        return [Interval(None, None, None, 0, 0, "not measured")] * columns
    means = values.mean(axis=0)
    if n == 1:
        return [Interval(float(mean), None, None, 1, 1, "undefined: one value") for mean in means]
    # the first row is taken off and put back, so that constant columns have constant means to the last bit
    moved = values - values[0]
    bounds = bounds_of(moved.mean(axis=0), drawn_means(moved, resamples, seed), n, confidence) + values[0]
    bounds = np.where(np.abs(bounds) < _ROUNDING, 0.0, bounds)  # an interval that begins at 0 holds it
    return [_bounded(*map(float, row), n, n) for row in zip(means, *bounds, strict=True)]


def mean_bounds(values: np.ndarray, resamples: int, confidence: float, seed: int) -> list[list[float | None]]:
    """[lows, highs] of the columns' means of values [n, m] without NaN, as in `intervals`; None where there is no interval."""
    bounds = intervals(values, resamples, confidence, seed)
    return [[interval.low for interval in bounds], [interval.high for interval in bounds]]


def _bounded(mean: float, low: float, high: float, n: int, total: int) -> Interval:
    if np.isnan(low):
        return Interval(mean, None, None, n, total, TOO_FEW)
    if n < FEW and high - low < 1e-12:
        return Interval(mean, None, None, n, total, NO_VARIATION)
    return Interval(mean, low, high, n, total)


def mean_interval(
    values: np.ndarray,
    groups: Sequence | np.ndarray | None = None,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The same of one column [n] whose rows belong to groups [n], which are drawn whole; None: each row on its own."""
    if groups is None:
        return intervals(values, resamples, confidence, seed)[0]
    values = np.asarray(values, np.float64)
    measured = ~np.isnan(values)
    n, sums = int(measured.sum()), summed(np.column_stack([values, measured])[measured], np.asarray(groups)[measured])
    if len(sums) < 2:
        mean = float(values[measured].mean()) if n else None
        return Interval(mean, None, None, n, len(values), ONE_GROUP if n else "not measured")
    drawn, mean = drawn_means(sums, resamples, seed), float(values[measured].mean())
    low, high = bounds_of(mean, drawn[:, 0] / drawn[:, 1], len(sums), confidence)
    interval = _bounded(mean, float(low), float(high), len(sums), len(values))
    return interval._replace(n=n, note=interval.note or few_groups(len(sums)))


def bounds_of(value: float | np.ndarray, drawn: np.ndarray, many: int, confidence: float = LEVEL) -> np.ndarray:
    """Bounds [2, ...] float64 of a statistic [...] from what `drawn_means` gave [draws, ...] of so many rows, or groups of them: those
    of `limits`; of FEW to FEW_GROUPS Student's t with one degree of freedom fewer than there are times the bootstrap's standard error,
    without its bias, which of means is that of the values: percentiles of so few are too short.

    Source: Efron and Tibshirani 1993, section 12.2; of groups Cameron and Miller 2015, "A practitioner's guide to cluster-robust
    inference", section VI.
    """
    if not FEW <= many < FEW_GROUPS:
        return limits(drawn, many, confidence)
    from scipy.special import stdtrit  # 0.1 s, which a start need not wait for

    half = stdtrit(many - 1, (1 + confidence) / 2) * np.nanstd(drawn, axis=0) * np.sqrt(many / (many - 1))
    return np.stack([value - half, value + half])


def few_groups(many: int) -> str:
    """What is said of an interval over so many groups; "": they are enough."""
    return "" if many >= FEW_GROUPS else f"resampled in only {many:,} group{'s' * (many != 1)}"


def summed(rows: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Sums [groups, m] of the rows [n, m] of each group [n], in order of first appearance."""
    place = numbered(groups)
    order = np.argsort(place, kind="stable")
    return np.add.reduceat(rows[order], np.flatnonzero(np.diff(place[order], prepend=-1)), axis=0)


def or_rows(groups: Sequence | np.ndarray | None, n: int) -> np.ndarray:
    """The groups [n] of rows; None: each row on its own."""
    return np.arange(n) if groups is None else np.asarray(groups)


def numbered(groups: Sequence | np.ndarray) -> np.ndarray:
    """Names of groups [n] as numbers from 0, in order of first appearance."""
    _, first, place = np.unique(groups, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[place]


def drawn_means(values: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Means [draws, m] float64 of the columns of values [n, m] over resampled rows; of fewer than FEW rows, over each subset."""
    n = len(values)
    if n >= FEW:
        return resampled_means(values, resamples, seed)
    chosen = subsets(n)
    return chosen @ values / chosen.sum(axis=1, keepdims=True)


def subsets(n: int) -> np.ndarray:
    """[2^n - 1, n] float64: which rows each subset of n holds, 1 or 0; without the empty one."""
    return ((np.arange(1, 2**n)[:, None] >> np.arange(n)) & 1).astype(np.float64)


def limits(drawn: np.ndarray, n: int, confidence: float = LEVEL) -> np.ndarray:
    """Bounds [2, ...] float64 of a statistic [draws, ...] of what `drawn_means` drew from n rows, NaN where a draw has no value; NaN:
    n rows allow no interval.

    Of fewer than FEW rows the wider of two on either side. Exact: the means of all subsets divide the line into 2^n parts, each of
    which holds the true mean with the same chance where values lie symmetrically about it, whatever their distribution; so the
    interval leaves out 0 only where a sign-flip test of the same values does, and n values allow none where even the widest is
    too sure: fewer than 6 at 95%; nor is there any where it would not hold the value of all rows. And Student's t of the jackknife,
    which of means is that of the values: with many ties, as differences have, values are far from symmetric.
    Source: Hartigan 1969, "Using subsample values as typical values", theorem 1; Efron and Tibshirani 1993, equation 11.5.
    """
    tail = (1 - confidence) / 2
    if n >= FEW:
        quantiles = np.nanquantile if np.isnan(drawn).any() else np.quantile  # the former goes column by column
        return quantiles(drawn, [tail, 1 - tail], axis=0)
    left_out = int(tail * 2**n + 1e-9)
    if not left_out:
        return np.full((2, *drawn.shape[1:]), np.nan)
    from scipy.special import stdtrit  # 0.1 s, which a start need not wait for

    ordered, missing = np.sort(drawn, axis=0), np.isnan(drawn).sum(axis=0)  # NaN last
    exact = ordered[left_out - 1], np.take_along_axis(ordered, (len(drawn) - missing - left_out)[None], axis=0)[0]
    without = drawn[2**n - 2 - 2 ** np.arange(n)]  # one row each
    half = stdtrit(n - 1, 1 - tail) * np.sqrt((n - 1) / n * ((without - without.mean(axis=0)) ** 2).sum(axis=0))
    bounds = np.stack([np.fmin(exact[0], drawn[-1] - half), np.fmax(exact[1], drawn[-1] + half)])
    # of a ratio some subsets have no value, and the others may all lie on one side of that of all rows
    room = 1e-9 * np.maximum(1.0, np.abs(drawn[-1]))
    inside = (bounds[0] <= drawn[-1] + room) & (drawn[-1] - room <= bounds[1])
    return np.where(inside, bounds, np.nan)


def resampled_means(values: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Means [resamples, m] float64 of the columns of values [n, m] over resampled rows."""
    n, columns = values.shape
    if columns > _WIDE and np.count_nonzero(values) < values.size / 10:
        from scipy.sparse import csr_array

        sparse = csr_array(values)
        return np.concatenate([weights @ sparse for weights in resampling_weights(n, resamples, seed)]) / n
    step = max(1, _PRODUCT // (n * columns))
    sums = [
        weights[i : i + step] @ values for weights in resampling_weights(n, resamples, seed) for i in range(0, len(weights), step)
    ]
    return np.concatenate(sums) / n


def resampling_weights(n: int, resamples: int, seed: int):
    """Blocks [rows, n] float64, `resamples` rows in all: how often each resample draws each value (multinomial counts).

    The same for the same arguments; kept in memory unless they are large.
    """
    if n * resamples <= _CACHED:
        return _kept_weights(n, resamples, seed)
    return _drawn_weights(n, resamples, seed)


@lru_cache(maxsize=4)
def _kept_weights(n: int, resamples: int, seed: int) -> tuple[np.ndarray, ...]:
    return tuple(_drawn_weights(n, resamples, seed))


def _drawn_weights(n: int, resamples: int, seed: int):
    rng = np.random.default_rng([seed, n])
    step = max(1, _BLOCK // n)
    for first in range(0, resamples, step):
        rows = min(step, resamples - first)
        drawn = rng.integers(0, n, (rows, n), dtype=np.int32) + np.arange(rows)[:, None] * n
        yield np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)
