"""The paired bootstrap test: is a mean difference 0?"""

import numpy as np

from core.statistics.bootstrap import resampled_means


def bootstrap_p(differences: np.ndarray, resamples: int = 10_000, seed: int = 0) -> float | None:
    """Two-sided p of paired differences [n], NaN left out, from their studentised means over resampled questions, moved to H0.

    The share of resamples whose t about the mean is as large as that of the mean about 0. Choose it to be comparable with work that
    reports it; the sign flips of `paired` need no resampling error of a variance. None: below two differences, or they do not vary.
    Source: Sakai 2006, "Evaluating evaluation metrics based on the bootstrap", figure 5; Efron and Tibshirani 1993, algorithm 16.2.
    """
    values = np.asarray(differences, np.float64)
    values = values[~np.isnan(values)]
    n = len(values)
    if n < 2 or np.ptp(values) <= 1e-12:
        return None
    moved = values - values.mean()
    first, second = resampled_means(np.column_stack([moved, moved**2]), resamples, seed).T
    error = np.sqrt(np.maximum(second - first**2, 0) / (n - 1))
    own = abs(values.mean()) / (values.std(ddof=1) / np.sqrt(n))
    # a resample of one value alone has no error: it is as far off as can be
    return float((1 + (np.abs(first) >= (own - 1e-9) * error).sum()) / (1 + resamples))
