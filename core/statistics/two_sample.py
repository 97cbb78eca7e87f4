"""Do two samples come from the same distribution? A kernel test for vectors of any length, a number being a vector of one."""

from typing import NamedTuple

import numpy as np

FEWEST = 20  # of each sample: of fewer hardly any difference could be told
_BLOCK = 64  # permutations at a time


class TwoSampleTest(NamedTuple):
    """mmd: the squared distance of the samples' means in the kernel's space, from 0. p: by permutation, exact at any size."""

    mmd: float
    p: float


def kernel_two_sample(first: np.ndarray, second: np.ndarray, permutations: int = 999, seed: int = 0) -> TwoSampleTest:
    """first [n, d], second [m, d] float64, rows drawn independently of each other. ValueError where one is empty or holds NaN.

    Maximum mean discrepancy with a Gaussian kernel, as wide as the median distance of two different rows of both samples together: any
    difference of distributions is told with rows enough. p is the share of divisions of all rows into n and m that are as far apart, this
    one among them, and so valid at any size (p <= a with a chance of at most a, where both are alike); rows that stand in both samples
    make it larger, not smaller. It holds for one look.
    Source: Gretton, Borgwardt, Rasch, Schölkopf and Smola 2012, "A kernel two-sample test", equation 5 and section 8; p with the division
    itself: Phipson and Smyth 2010, "Permutation p-values should never be zero".
    """
    n, rows = len(first), np.concatenate([first, second]).astype(np.float64)
    if not (n and len(second)) or np.isnan(rows).any():
        raise ValueError("both samples need rows, and no row may hold NaN")
    squares = (rows**2).sum(axis=1)
    distances = np.maximum(squares[:, None] + squares[None] - 2 * rows @ rows.T, 0.0)
    apart = distances[np.triu_indices(len(rows), 1)]
    apart = apart[apart > 1e-12 * max(1.0, float(squares.max()))]
    if not len(apart):  # all rows are the same
        return TwoSampleTest(0.0, 1.0)
    kernel = np.exp(-distances / (2 * np.median(apart)))
    weights = np.concatenate([np.full(n, 1 / n), np.full(len(second), -1 / len(second))])
    own, rng, reached = float(weights @ kernel @ weights), np.random.default_rng(seed), 0
    for start in range(0, permutations, _BLOCK):
        drawn = rng.permuted(np.tile(weights, (min(_BLOCK, permutations - start), 1)), axis=1)
        reached += int(((drawn @ kernel * drawn).sum(axis=1) >= own * (1 - 1e-9)).sum())
    return TwoSampleTest(own, (1 + reached) / (1 + permutations))
