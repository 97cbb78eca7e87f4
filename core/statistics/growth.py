"""How a quantity grows with a size, carried from samples to the whole by one family of curves, from the logarithm to beyond the line.

y = a + b (n^c - 1) / c, which is a + b ln n at c = 0, a root at 1/2, a line at 1: the power transformation of Box and Cox 1964, "An
analysis of transformations", section 2, of the size. For each c of a grid a and b are fitted by weighted least squares; the interval is
the union of the prediction intervals (Draper and Smith 1998, "Applied regression analysis", section 3.1) of all c that an F test does
not reject against the best, so that what the samples do not tell of the curve widens it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

FAMILY = tuple(np.linspace(0, 1.25, 26).tolist())  # powers from the logarithm to beyond the line, as sorting grows
FEWEST = 5  # samples
ROUNDING = 1e-18  # of the weighted squares: residuals below are none


class Growth(NamedTuple):
    """What is to be expected of one more measurement at a size. low, high: bounds of its prediction interval."""

    value: float
    low: float
    high: float
    power: float  # c that fits best
    powers: tuple[float, float]  # the least and the largest that the samples allow


class _Line(NamedTuple):
    power: float
    residual: float  # weighted sum of squares
    value: float
    variance: float  # of a prediction, as a multiple of the residual variance


def grown(
    n: Sequence[float],
    y: Sequence[float],
    at: float,
    powers: Sequence[float] = (0.0,),
    weights: Sequence[float] | None = None,
    weight_at: float = 1.0,
    relative: bool = False,
    confidence: float = 0.95,
) -> Growth:
    """n [samples] sizes, y [samples] what was measured there; at: the size to carry it to. powers: values of c that are thought possible.

    weights [samples]: how many single values each y is a mean of, and weight_at at the whole; relative: y > 0 scatters in proportion to
    itself. Raises ValueError for fewer than FEWEST samples, or fewer sizes than the family has parameters.
    """
    n, y = np.asarray(n, np.float64), np.asarray(y, np.float64)
    least = 3 if len(powers) > 1 else 2
    if len(n) < FEWEST or len(np.unique(n)) < least:
        raise ValueError(f"a curve needs {FEWEST} samples of {least} sizes")
    from scipy.special import fdtri, stdtrit  # 0.1 s, which a start need not wait for

    counts = np.ones(len(n)) if weights is None else np.asarray(weights, np.float64)
    counts = counts / counts.mean()
    weight_at = weight_at if weights is None else weight_at / np.mean(weights)
    if relative:
        slope, start = np.polyfit(np.log(n), np.log(y), 1)
        counts = counts / np.exp(start + slope * np.log(n)) ** 2
    lines = [_line(n, y, at, power, counts, weight_at, relative) for power in powers]
    best = min(lines, key=lambda line: line.residual)
    degrees, none = len(n) - least, ROUNDING * float(counts @ y**2)
    allowed = best.residual * (1 + fdtri(1, degrees, confidence) / degrees) + none if len(powers) > 1 else np.inf
    bounds = []
    for line in (line for line in lines if line.residual <= allowed):
        half = stdtrit(len(n) - 2, (1 + confidence) / 2) * np.sqrt(line.residual / (len(n) - 2) * line.variance)
        bounds.append((line.power, line.value - half, line.value + half))
    possible, low, high = zip(*bounds, strict=True)
    return Growth(best.value, float(min(low)), float(max(high)), best.power, (min(possible), max(possible)))


def _line(n: np.ndarray, y: np.ndarray, at: float, power: float, weights: np.ndarray, weight_at: float, relative: bool) -> _Line:
    scale = n.max()  # so that powers of large sizes lose no digits; it changes a and b alone

    def grows(size: np.ndarray | float) -> np.ndarray:
        return np.log(size / scale) if power == 0 else ((size / scale) ** power - 1) / power

    design = np.column_stack([np.ones(len(n)), grows(n)])
    root = np.sqrt(weights)
    (fitted, *_), here = np.linalg.lstsq(design * root[:, None], y * root, rcond=None), np.array([1.0, grows(at)])
    residual, value = float(weights @ (y - design @ fitted) ** 2), float(here @ fitted)
    spread = here @ np.linalg.inv(design.T @ (design * weights[:, None])) @ here
    return _Line(power, residual, value, float(spread + (value**2 if relative else 1.0) / weight_at))
