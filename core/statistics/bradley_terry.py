"""Bradley and Terry's model: a strength for each of several systems from comparisons of two.

Choose it over the sign test for three systems or more, or where not all pairs were compared.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import expit, log_expit

from core.statistics.bootstrap import FEW, LEVEL, TOO_FEW, Interval, resampled_means

APART = "undefined: the systems fall into two groups without a defeat of one by the other, so that no strength is finite"


OPEN = "no bound on one side or both: in too many resamples the system wins or loses everything"


class BradleyTerry(NamedTuple):
    """None and NaN: undefined, for the reason in `note`; of an interval's bounds: there is none, as `OPEN` says."""

    strengths: list[Interval]  # log, mean 0 over the systems: the chance of i over j is 1 / (1 + exp(s_j - s_i))
    wins: np.ndarray  # [systems, systems]: of the row over the column, ties half
    chances: np.ndarray  # [systems, systems]: of the row over the column, by the model
    undefined: int  # resamples in which not all strengths are finite
    note: str = ""


def bradley_terry(
    items: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    outcome: np.ndarray,
    systems: int,
    resamples: int = 1000,
    seed: int = 0,
) -> BradleyTerry:
    """One row a comparison: item, the two systems' numbers, 1 if the first won, 0 the second, 0.5 a tie: half a win to each.

    Intervals: percentile bootstrap over items, whose comparisons belong together; of fewer than FEW items none. In a resample in
    which a system stands above all others without a defeat its strength is infinite, below all without a win minus infinite;
    where it is neither and yet not finite, it counts as either. So a bound is missing where more resamples than the interval
    leaves out have none.
    Source: Bradley and Terry 1952; Hunter 2004, "MM algorithms for generalized Bradley-Terry models", assumption 1 (when
    strengths are finite).
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
    above = reached(drawn)  # [resamples, i, j]: j is beaten by a chain of wins from i
    over, under = above.all(axis=2), above.all(axis=1)  # [resamples, systems]
    whole, tail = over.all(axis=1), (1 - LEVEL) / 2
    least, most = np.full(over.shape, -np.inf), np.full(over.shape, np.inf)
    least[over & ~under], most[under & ~over] = np.inf, -np.inf
    least[whole] = most[whole] = strengths(drawn[whole])
    # no interpolation: there is none between infinities
    low, high = np.quantile(least, tail, axis=0, method="lower"), np.quantile(most, 1 - tail, axis=0, method="higher")
    n = len(distinct)
    if n < FEW:
        low, high = np.full(systems, np.nan), np.full(systems, np.nan)
    open_note = TOO_FEW if n < FEW else OPEN
    intervals = [
        Interval(
            float(s), *(float(x) if np.isfinite(x) else None for x in pair), n, n, "" if np.isfinite(pair).all() else open_note
        )
        for s, *pair in zip(strength, low, high, strict=True)
    ]
    chances = 1 / (1 + np.exp(np.subtract.outer(strength, strength).T))
    np.fill_diagonal(chances, np.nan)
    return BradleyTerry(intervals, wins, chances, int((~whole).sum()))


def strengths(wins: np.ndarray, steps: int = 200, tolerance: float = 1e-10) -> np.ndarray:
    """Log strengths [batch, systems] of connected win tables [batch, systems, systems]: Newton's steps, halved while they
    lose likelihood. Hunter's algorithm takes thousands of steps along a chain of systems."""
    games, won = wins + np.swapaxes(wins, 1, 2), wins.sum(axis=2)
    log, level = np.zeros(won.shape), np.full(wins.shape[1:], 1 / wins.shape[1])  # level: takes away the free mean
    for _ in range(steps):
        chance = expit(log[:, :, None] - log[:, None, :])
        noise = games * chance * (1 - chance)
        curvature = noise.sum(axis=2)[:, :, None] * np.eye(wins.shape[1]) - noise
        step = np.linalg.solve(curvature + level, (won - (games * chance).sum(axis=2))[:, :, None])[:, :, 0]
        step /= np.maximum(np.abs(step).max(axis=1, keepdims=True, initial=0), 1)
        before = _likelihood(wins, log)
        while (worse := _likelihood(wins, log + step) < before - 1e-9 * np.abs(before)).any():
            step[worse] /= 2
        log = log + step - step.mean(axis=1, keepdims=True)
        if np.abs(step).max(initial=0) < tolerance:
            break
    return log


def _likelihood(wins: np.ndarray, log: np.ndarray) -> np.ndarray:
    return (wins * log_expit(log[:, :, None] - log[:, None, :])).sum(axis=(1, 2))


def connected(wins: np.ndarray) -> np.ndarray:
    """[batch] bool: can every system be reached from every other by a chain of wins? (Hunter 2004, assumption 1)"""
    return reached(wins).all(axis=(1, 2))


def reached(wins: np.ndarray) -> np.ndarray:
    """[batch, i, j] bool: is there a chain of wins from i to j?"""
    reach = (wins > 0) | np.eye(wins.shape[1], dtype=bool)
    for _ in range(max(1, int(np.ceil(np.log2(wins.shape[1]))))):
        reach = np.matmul(reach.astype(np.float32), reach.astype(np.float32)) > 0
    return reach
