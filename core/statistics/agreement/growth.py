"""A coefficient as labels come in, and when to stop."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from core.statistics.agreement.coefficient import Agreement, Coefficient, estimate

FEWEST = 30  # items with two labels: below that, a narrow interval is luck


class Growth(NamedTuple):
    points: list[tuple[int, Agreement]]  # (labels so far, the coefficient then)
    stop_at: int | None  # labels at the first point whose interval is narrow enough
    target: float  # half-width


def growth(
    values: np.ndarray,
    order: np.ndarray,
    coefficient: Callable[[np.ndarray], Coefficient],
    target: float = 0.1,
    checkpoints: Sequence[int] | int = 20,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Growth:
    """values [items, annotators]; order of the same shape: when each label was given (a time or a rank).

    Stop rule: the first point with 30 items labelled twice whose interval's half-width is at most the target, fixed
    beforehand. It looks at the interval's width alone, not at where it lies, so that looking often does not favour a result
    (Kelley and Maxwell 2003, "Sample size for multiple regression: obtaining regression coefficients that are accurate,
    not simply significant", on planning for accuracy).
    """
    rows, columns = np.nonzero(~np.isnan(values))
    arrival = np.argsort(order[rows, columns], kind="stable")
    rows, columns = rows[arrival], columns[arrival]
    if isinstance(checkpoints, int):
        checkpoints = np.unique(np.linspace(0, len(rows), checkpoints + 1).round().astype(int)[1:])
    points, stop_at = [], None
    for labels in map(int, checkpoints):
        if labels == 0:
            continue
        seen = np.full(values.shape, np.nan)
        seen[rows[:labels], columns[:labels]] = values[rows[:labels], columns[:labels]]
        found = estimate(coefficient(seen), resamples, confidence, seed)
        points.append((labels, found))
        if (
            stop_at is None
            and found.items >= FEWEST
            and found.low is not None
            and (found.high - found.low) / 2 <= target
        ):
            stop_at = labels
    return Growth(points, stop_at, target)
