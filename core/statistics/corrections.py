"""Corrections for testing several hypotheses at once: adjusted p values, in the order given.

of: how many hypotheses there are, where some were compared and their p values are not known. They count as 1, which is the worst
that they can be for those that are known: whatever the unseen are, what is significant here is so among all of them.
"""

from collections.abc import Callable, Sequence

import numpy as np


def holm(p: np.ndarray, of: int | None = None) -> np.ndarray:
    """Bounds the chance of any false discovery. Choose it for the few comparisons that a claim rests on.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure", section 3.
    """
    p, of = _checked(p, of)
    order, adjusted = np.argsort(p, kind="stable"), np.empty_like(p)
    steps = p[order] * (of - np.arange(len(p)))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def benjamini_hochberg(p: np.ndarray, of: int | None = None) -> np.ndarray:
    """Bounds the expected share of false discoveries among the discoveries, of tests that are independent or lean the same way.
    Choose it to screen many. Where only the best are shown of many, the bound is of all discoveries, not of those shown.

    Source: Benjamini and Hochberg 1995, "Controlling the false discovery rate", section 3.
    """
    p, of = _checked(p, of)
    order, adjusted = np.argsort(p, kind="stable"), np.empty_like(p)
    steps = p[order] * of / np.arange(1, len(p) + 1)
    adjusted[order] = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1)
    return adjusted


def correct_defined(
    p: Sequence[float | None], correct: Callable[[np.ndarray, int | None], np.ndarray] = holm, of: int | None = None
) -> list[float | None]:
    """A correction of tests of which some are undefined (None): these stay so, and are none of the hypotheses."""
    corrected = iter(correct(np.array([value for value in p if value is not None], np.float64), of).tolist())
    return [None if value is None else next(corrected) for value in p]


def _checked(p: np.ndarray, of: int | None) -> tuple[np.ndarray, int]:
    p = np.asarray(p, np.float64)
    if not ((p >= 0) & (p <= 1)).all():  # false for NaN
        raise ValueError("p values must lie between 0 and 1; leave out tests that are undefined")
    if of is not None and of < len(p):
        raise ValueError(f"{len(p)} p values are more than {of} hypotheses")
    return p, len(p) if of is None else of
