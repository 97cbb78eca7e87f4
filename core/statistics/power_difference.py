"""How many items and annotators show a difference between two systems? Each power by formula and by simulation."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.special import bdtr, bdtrik, gammaln, nctdtr, stdtrit, xlogy

_BLOCK = 4_000_000  # labels simulated at a time: 32 MB


class Proportions(NamedTuple):
    """Two systems' answers to the same questions, judged yes or no by the majority of some annotators."""

    rate_a: float  # true shares of yes
    rate_b: float
    discordant: float  # share of questions whose two answers differ in truth; at least |rate_a - rate_b|
    accuracy: float = 1.0  # of one annotator's label
    annotators: int = 1  # an answer; where their number is even, a tie falls to either side


class Means(NamedTuple):
    """Two systems' scores on the same questions, each the mean over some annotators."""

    difference: float
    sd_items: float  # of the true difference, over questions
    sd_label: float = 0.0  # of one annotator's difference around the question's true one
    annotators: int = 1


def proportions_power(design: Proportions, items: int, alpha: float = 0.05) -> float:
    """Power of McNemar's exact test, summed over all numbers of discordant questions.

    Source: Duffy 1984, "Asymptotic and exact power for the McNemar test and its analogue with R controls per case".
    """
    only_a, only_b = observed(design)
    discordant = only_a + only_b
    if discordant == 0:
        return 0.0
    spread = 10 * np.sqrt(items * discordant * (1 - discordant)) + 10
    m = np.arange(max(0, int(items * discordant - spread)), min(items, int(items * discordant + spread)) + 1)
    chance = np.exp(
        gammaln(items + 1) - gammaln(m + 1) - gammaln(items - m + 1) + xlogy(m, discordant) + xlogy(items - m, 1 - discordant)
    )
    bound = _critical(m, alpha)
    reject = _lower_tail(bound, m, only_a / discordant) + _lower_tail(bound, m, only_b / discordant)
    return float(min(chance @ reject, 1))


def proportions_simulated(design: Proportions, items: int, alpha: float = 0.05, studies: int = 4000, seed: int = 0) -> float:
    """The same from simulated studies: truths, every annotator's labels, majorities, the test."""
    cells = _cells(design)
    rng, k = np.random.default_rng(seed), design.annotators
    step, rejected = max(1, _BLOCK // items), 0
    for first in range(0, studies, step):
        truth = rng.choice(4, (min(step, studies - first), items), p=cells)
        said = [_majority(rng, np.isin(truth, yes), k, design.accuracy) for yes in ((0, 1), (0, 2))]
        only_a, only_b = (said[0] & ~said[1]).sum(axis=1), (~said[0] & said[1]).sum(axis=1)
        rejected += int((np.minimum(only_a, only_b) <= _critical(only_a + only_b, alpha)).sum())
    return rejected / studies


def means_power(design: Means, items: int, alpha: float = 0.05) -> float:
    """Power of the two-sided paired t test. Source: Cohen 1988, "Statistical power analysis"; noncentral t."""
    spread = np.sqrt(design.sd_items**2 + design.sd_label**2 / design.annotators)
    if items < 2 or spread == 0:
        return float(items >= 2 and design.difference != 0)
    shift, bound = abs(design.difference) / spread * np.sqrt(items), stdtrit(items - 1, 1 - alpha / 2)
    below = np.nan_to_num([nctdtr(items - 1, shift, side * bound) for side in (1, -1)])  # NaN: too small to compute
    return float(1 - below[0] + below[1])


def means_simulated(design: Means, items: int, alpha: float = 0.05, studies: int = 4000, seed: int = 0) -> float:
    """The same from simulated studies with normal scores of every annotator."""
    rng, k, rejected = np.random.default_rng(seed), design.annotators, 0
    step, bound = max(1, _BLOCK // (items * k)), stdtrit(items - 1, 1 - alpha / 2)
    for first in range(0, studies, step):
        rows = min(step, studies - first)
        true = rng.normal(design.difference, design.sd_items, (rows, items))
        scored = (true[:, :, None] + rng.normal(0, design.sd_label, (rows, items, k))).mean(axis=2)
        t = scored.mean(axis=1) / (scored.std(axis=1, ddof=1) / np.sqrt(items))
        rejected += int((np.abs(t) >= bound).sum())
    return rejected / studies


def means_from_pilot(differences: np.ndarray, annotators: int) -> Means:
    """Mean and both spreads from a pilot's differences [items, annotators], NaN = missing.

    Analysis of variance of one factor, unequal numbers: Searle, Casella and McCulloch 1992, "Variance components".
    With one label an item, all spread counts as that of the items.
    """
    labelled = ~np.isnan(differences)
    differences, labelled = differences[labelled.any(axis=1)], labelled[labelled.any(axis=1)]
    n, k = len(differences), labelled.sum(axis=1)
    mean, within_df = np.nanmean(differences, axis=1), int(k.sum() - n)
    within = float(((differences - mean[:, None])[labelled] ** 2).sum() / within_df) if within_df else 0.0
    grand = differences[labelled].mean()
    between = (k * (mean - grand) ** 2).sum() / (n - 1)
    usual = (k.sum() - (k**2).sum() / k.sum()) / (n - 1)
    return Means(float(mean.mean()), float(np.sqrt(max((between - within) / usual, 0))), float(np.sqrt(within)), annotators)


def items_needed(power: Callable[[int], float], target: float = 0.8, most: int = 100_000) -> int | None:
    """The smallest number of items with the power, by bisection; None: more than `most`. power: of a number of items."""
    low, high = 1, 2
    while power(high) < target:
        if high >= most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= target else (middle, high)
    return high


def smallest_detectable(sd: float, items: int, target: float = 0.8, alpha: float = 0.05) -> float | None:
    """The smallest true mean difference that the paired t test shows with this power, by bisection. sd: of the differences over
    items. None: below two items, or no variation. Source: Cohen 1988, "Statistical power analysis", section 2.4."""
    if items < 2 or not sd > 0:
        return None
    low, high = 0.0, sd
    while means_power(Means(high, sd), items, alpha) < target:
        high *= 2
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if means_power(Means(middle, sd), items, alpha) >= target else (middle, high)
    return high


def observed(design: Proportions) -> tuple[float, float]:
    """Shares of questions on which only a, only b is judged right, by labels as they come."""
    right = np.array([1.0])
    for _ in range(design.annotators):  # distribution of the number of right labels
        right = np.convolve(right, [1 - design.accuracy, design.accuracy])
    number, k = np.arange(design.annotators + 1), design.annotators
    hit = right[2 * number > k].sum() + right[2 * number == k].sum() / 2
    both, a, b, neither = _cells(design)
    flip = np.array([[hit, 1 - hit], [1 - hit, hit]])
    seen = flip @ np.array([[both, a], [b, neither]]).T @ flip  # rows: a judged yes, no; columns: b
    return float(seen[1, 0]), float(seen[0, 1])


def _cells(design: Proportions) -> np.ndarray:
    """True shares: both yes, only a, only b, neither."""
    rate_a, rate_b, discordant = design[:3]
    only_a = (discordant + rate_a - rate_b) / 2
    cells = np.array([rate_a - only_a, only_a, discordant - only_a, 1 - rate_a - (discordant - only_a)])
    if cells.min() < -1e-9:
        low, high = abs(rate_a - rate_b), min(rate_a + rate_b, 2 - rate_a - rate_b)
        raise ValueError(f"with these rates the discordant share lies between {low:g} and {high:g}, not at {discordant:g}")
    cells = np.maximum(cells, 0)
    return cells / cells.sum()


def _majority(rng: np.random.Generator, truth: np.ndarray, annotators: int, accuracy: float) -> np.ndarray:
    right = rng.binomial(annotators, accuracy, truth.shape) * 2 - annotators
    return np.where(right == 0, rng.random(truth.shape) < 0.5, truth == (right > 0))


def _critical(m: np.ndarray, alpha: float) -> np.ndarray:
    """Largest smaller count of m discordant ones that the exact test rejects; -1: none."""
    bound = np.floor(np.nan_to_num(bdtrik(alpha / 2, np.maximum(m, 1), 0.5), nan=-1)) + 1
    for _ in range(3):  # the inverse is a continuous one; NaN where the bound exceeds m
        bound = np.where((bound >= 0) & ~(2 * bdtr(np.maximum(bound, 0), m, 0.5) <= alpha), bound - 1, bound)
    return bound


def _lower_tail(bound: np.ndarray, m: np.ndarray, p: float) -> np.ndarray:
    return np.where(bound >= 0, bdtr(np.maximum(bound, 0), m, p), 0)
