"""Bradley and Terry's model: a strength for each of several systems from comparisons of two.

Choose it over the sign test for three systems or more, or where not all pairs were compared.
"""

from typing import NamedTuple

import numpy as np

from core.statistics.bootstrap import Interval, resampled_means

APART = (
    "undefined: the systems fall into two groups without a defeat of one by the other, so that no strength is finite"
)


class BradleyTerry(NamedTuple):
    """None and NaN: undefined, for the reason in `note`."""

    strengths: list[Interval]  # log, mean 0 over the systems: the chance of i over j is 1 / (1 + exp(s_j - s_i))
    wins: np.ndarray  # [systems, systems]: of the row over the column, ties half
    chances: np.ndarray  # [systems, systems]: of the row over the column, by the model
    undefined: int  # resamples without finite strengths, left out of the intervals
    note: str = ""


def bradley_terry(
    items: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    outcome: np.ndarray,
    systems: int,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> BradleyTerry:
    """One row a comparison: item, the two systems' numbers, 1 if the first won, 0 the second, 0.5 a tie: half a win to each.

    Intervals: percentile bootstrap over items, whose comparisons belong together.
    Source: Bradley and Terry 1952; Hunter 2004, "MM algorithms for generalized Bradley-Terry models", equation 3 (the
    algorithm) and assumption 1 (when strengths are finite).
    """
    items, first, second, outcome = (np.asarray(column) for column in (items, first, second, outcome))
    distinct, rows = np.unique(items, return_inverse=True)
    each = np.zeros((len(distinct), systems, systems))
    np.add.at(each, (rows, first, second), outcome)
    np.add.at(each, (rows, second, first), 1 - outcome)
    wins = each.sum(axis=0)
    if not len(distinct) or not connected(wins[None])[0]:
        none = Interval(None, None, None, len(distinct), len(distinct), APART)
        return BradleyTerry([none] * systems, wins, np.full(wins.shape, np.nan), 0, APART)
    strength = strengths(wins[None])[0]
    flat = resampled_means(each.reshape(len(distinct), -1), resamples, seed) * len(distinct)
    drawn = flat.round(9).reshape(-1, systems, systems)
    whole = connected(drawn)
    tail = (1 - confidence) / 2
    low = high = [None] * systems
    if whole.mean() >= 0.5:
        low, high = np.quantile(strengths(drawn[whole]), [tail, 1 - tail], axis=0).tolist()
    n = len(distinct)
    found = [Interval(float(s), lo, hi, n, n) for s, lo, hi in zip(strength, low, high, strict=True)]
    chances = 1 / (1 + np.exp(np.subtract.outer(strength, strength).T))
    np.fill_diagonal(chances, np.nan)
    return BradleyTerry(found, wins, chances, int((~whole).sum()))


def strengths(wins: np.ndarray, steps: int = 2000, tolerance: float = 1e-9) -> np.ndarray:
    """Log strengths [batch, systems] of connected win tables [batch, systems, systems]."""
    games, won = wins + np.swapaxes(wins, 1, 2), wins.sum(axis=2)
    power = np.ones(won.shape)
    for _ in range(steps):
        raised = won / (games / (power[:, :, None] + power[:, None, :])).sum(axis=2)
        raised /= np.exp(np.log(raised).mean(axis=1, keepdims=True))
        moved, power = np.abs(raised / power - 1).max(), raised
        if moved < tolerance:
            break
    return np.log(power)


def connected(wins: np.ndarray) -> np.ndarray:
    """[batch] bool: can every system be reached from every other by a chain of wins? (Hunter 2004, assumption 1)"""
    reach = (wins > 0) | np.eye(wins.shape[1], dtype=bool)
    for _ in range(max(1, int(np.ceil(np.log2(wins.shape[1]))))):
        reach = np.matmul(reach.astype(np.float32), reach.astype(np.float32)) > 0
    return reach.all(axis=(1, 2))
