"""A coefficient as labels come in, and when to stop."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from core.statistics.agreement.coefficient import Agreement, Coefficient, estimate

FEWEST = 30  # items (answers) with two labels: below that, a narrow interval is luck
RESAMPLES = 2000  # of alpha wherever it stands, so that it has one interval


def growth(
    values: np.ndarray,
    order: np.ndarray,
    coefficient: Callable[[np.ndarray], Coefficient],
    checkpoints: Sequence[int] | int = 20,
    resamples: int = RESAMPLES,
    seed: int = 0,
    groups: np.ndarray | None = None,
) -> Iterator[tuple[int, Agreement]]:
    """(labels so far, the coefficient then), one after the other.

    values [items, annotators]; order of the same shape: when each label was given (a time or a rank); groups [items]: which
    belong together. checkpoints: numbers of labels, or how many of them, evenly.
    """
    rows, columns = np.nonzero(~np.isnan(values))
    arrival = np.argsort(order[rows, columns], kind="stable")
    rows, columns = rows[arrival], columns[arrival]
    if isinstance(checkpoints, int):
        checkpoints = np.unique(np.linspace(0, len(rows), checkpoints + 1).round().astype(int)[1:])
    for labels in map(int, checkpoints):
        if labels:
            seen = np.full(values.shape, np.nan)
            seen[rows[:labels], columns[:labels]] = values[rows[:labels], columns[:labels]]
            yield labels, estimate(coefficient(seen), resamples, seed, groups)


def met(rule: str, target: float, agreement: Agreement) -> bool:
    """Whether a stop rule is met: half_width, the interval's half-width is at most the target; alpha, the value is at least it;
    all_labelled never is before the end. Looked at from 30 items on.

    A rule on the width does not look at where the interval lies, so that looking often does not favour a result (Kelley and
    Maxwell 2003, "Sample size for multiple regression: obtaining regression coefficients that are accurate, not simply
    significant", on planning for accuracy). A rule on the value stops at lucky ones.
    """
    if agreement.value is None or agreement.drawn < FEWEST:
        return False
    if rule == "alpha":
        return agreement.value >= target
    return rule == "half_width" and agreement.low is not None and (agreement.high - agreement.low) / 2 <= target
