"""Bootstrap intervals of means over questions.

The question is the unit of resampling (Sakai 2006, "Evaluating evaluation metrics based on the bootstrap", section 3).
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

# Multiplications in one matrix product. Below some millions BLAS uses one thread; waiting for a second one on a busy
# machine takes 10 to 50 times as long as the product.
_PRODUCT = 500_000
_BLOCK = 4_000_000  # weights made at a time: 32 MB
_CACHED = 20_000_000  # weights that are kept: 160 MB


class Interval(NamedTuple):
    """Mean of the measured values and its interval. None: not measured (n = 0), or no interval (see note)."""

    mean: float | None
    low: float | None
    high: float | None
    n: int  # measured values
    total: int  # all values; n / total is the coverage
    note: str = ""


def intervals(values: np.ndarray, resamples: int = 1000, confidence: float = 0.95, seed: int = 0) -> list[Interval]:
    """Percentile interval (Efron and Tibshirani 1993, equation 13.5) of each column's mean; NaN = unmeasured, left out.

    values [n] or [n, m] float64: a row a question, a column a metric. All columns share their resamples.
    """
    values = np.asarray(values, np.float64)
    values = values[:, None] if values.ndim == 1 else values
    known = ~np.isnan(values)
    result: list[Interval | None] = [None] * values.shape[1]
    for mask in {known[:, column].tobytes(): known[:, column] for column in range(values.shape[1])}.values():
        columns = np.flatnonzero((known == mask[:, None]).all(axis=0))
        measured = _intervals(values[mask][:, columns], resamples, confidence, seed)
        for column, interval in zip(columns, measured, strict=True):
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
    tail = (1 - confidence) / 2
    # the first row is taken off and put back, so that constant columns have constant means to the last bit
    resampled = resampled_means(values - values[0], resamples, seed) + values[0]
    bounds = np.quantile(resampled, [tail, 1 - tail], axis=0)
    return [Interval(*map(float, row), n, n) for row in zip(means, *bounds, strict=True)]


def resampled_means(values: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Means [resamples, m] float64 of the columns of values [n, m] over resampled rows."""
    n, columns = values.shape
    step = max(1, _PRODUCT // (n * columns))
    sums = [
        weights[i : i + step] @ values
        for weights in resampling_weights(n, resamples, seed)
        for i in range(0, len(weights), step)
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
