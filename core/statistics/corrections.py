"""Corrections for testing several hypotheses at once: adjusted p values, in the order given."""

import numpy as np


def holm(p: np.ndarray) -> np.ndarray:
    """Bounds the chance of any false discovery. Choose it for the few comparisons that a claim rests on.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure", section 3.
    """
    p = np.asarray(p, np.float64)
    if not ((p >= 0) & (p <= 1)).all():  # false for NaN
        raise ValueError("p values must lie between 0 and 1; leave out tests that are undefined")
    order, adjusted = np.argsort(p, kind="stable"), np.empty_like(p)
    steps = p[order] * np.arange(len(p), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted
