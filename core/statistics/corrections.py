"""Corrections for testing several hypotheses at once: adjusted p values, in the order given."""

import numpy as np


def holm(p: np.ndarray) -> np.ndarray:
    """Bounds the chance of any false discovery. Choose it for the few comparisons that a claim rests on.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure", section 3.
    """
    p, order = _checked(p)
    steps = p[order] * np.arange(len(p), 0, -1)
    return _restored(np.minimum(np.maximum.accumulate(steps), 1), order)


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Bounds the expected share of false discoveries among all. Choose it for screening many configurations.

    Source: Benjamini and Hochberg 1995, "Controlling the false discovery rate", procedure (1), as adjusted p values.
    """
    p, order = _checked(p)
    steps = p[order] * (len(p) / np.arange(1, len(p) + 1))  # a factor of at least 1: p never shrinks by rounding
    return _restored(np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1), order)


def _checked(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p = np.asarray(p, np.float64)
    if not ((p >= 0) & (p <= 1)).all():  # false for NaN
        raise ValueError("p values must lie between 0 and 1; leave out tests that are undefined")
    return p, np.argsort(p, kind="stable")


def _restored(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    result = np.empty_like(values)
    result[order] = values
    return result
