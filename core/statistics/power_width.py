"""How many items and annotators make an interval narrow enough? Half-widths of a rate and of alpha, by formula and simulation."""

from collections.abc import Callable
from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np
from scipy.special import gammaln, ndtri, xlogy

from core.statistics.agreement.alpha import alpha
from core.statistics.agreement.coefficient import Coefficient
from core.statistics.agreement.ratings import counts
from core.statistics.proportion import wilson


class Profile(NamedTuple):
    """How often each pattern of labels on one item is to be expected."""

    coefficient: Coefficient  # with a row for each pattern
    shares: np.ndarray  # [patterns], sum 1


def rate_half_width(
    rate: float, items: int, annotators: int = 1, agreement: float = 1.0, confidence: float = 0.95
) -> float:
    """Of Wilson's interval for a share of yes among the labels, `annotators` an item.

    agreement: alpha (the correlation of two labels of an item). At 1, more annotators add nothing; the effective number of
    labels is items k / (1 + (k - 1) agreement) (Kish 1965, "Survey sampling").
    """
    effective = items * annotators / (1 + (annotators - 1) * agreement)
    found = wilson(rate * effective, effective, confidence)
    return (found.high - found.low) / 2


def rate_simulated(
    rate: float,
    items: int,
    annotators: int = 1,
    agreement: float = 1.0,
    confidence: float = 0.95,
    studies: int = 4000,
    seed: int = 0,
) -> tuple[float, float]:
    """(mean half-width, share of intervals that hold the rate) of simulated studies; items' own rates from a beta distribution."""
    rng, shape = np.random.default_rng(seed), (studies, items)
    if agreement >= 1 or rate in (0, 1):
        own = (rng.random(shape) < rate).astype(np.float64)
    elif agreement <= 0:
        own = np.full(shape, rate)
    else:
        scale = (1 - agreement) / agreement
        own = rng.beta(rate * scale, (1 - rate) * scale, shape)
    yes, times = np.unique(rng.binomial(annotators, own).sum(axis=1), return_counts=True)
    each = 1 / (1 + (annotators - 1) * agreement)  # effective labels a label
    found = [wilson(count * each, items * annotators * each, confidence) for count in yes]
    width = times @ [one.high - one.low for one in found] / studies
    return float(width / 2), float(times @ [one.low <= rate <= one.high for one in found] / studies)


def pilot_profile(coefficient: Coefficient) -> Profile:
    """The pilot's own items, each as often."""
    n = len(coefficient.contributions)
    return Profile(coefficient, np.full(n, 1 / n))


def assumed_profile(
    agreement: float,
    prevalence: np.ndarray,
    annotators: int,
    make: Callable[[np.ndarray], Coefficient] = alpha,
) -> Profile:
    """Without a pilot: items have a true category, in shares `prevalence` [q]; all annotators hit it with the same chance,
    else any other alike; the chance is the one that gives this nominal alpha."""
    prevalence = np.asarray(prevalence, np.float64) / np.sum(prevalence)
    confusion = _confusion(agreement, prevalence)
    patterns = np.array(list(combinations_with_replacement(range(len(prevalence)), annotators)), np.float64)
    table = counts(patterns, len(prevalence))  # [patterns, q]
    ways = gammaln(annotators + 1) - gammaln(table + 1).sum(axis=1)
    each = np.exp(ways[:, None] + xlogy(table[:, None, :], confusion).sum(axis=2))  # [patterns, true]
    return Profile(make(patterns), each @ prevalence)


def alpha_half_width(profile: Profile, items: int, confidence: float = 0.95) -> float | None:
    """By the delta method: each item moves the coefficient by its influence, and their variances add up.

    None: undefined without variation. Source: Efron and Tibshirani 1993, "An introduction to the bootstrap", chapter
    21 (the infinitesimal jackknife), with the influence as the change by one item more and an average one less.
    """
    found, shares = profile
    mean = shares @ found.contributions
    whole = found.value(items * mean)
    influence = found.value(items * mean + found.contributions - mean) - whole
    if np.isnan(whole) or np.isnan(influence).any():
        return None
    variance = shares @ influence**2 - (shares @ influence) ** 2
    return float(ndtri((1 + confidence) / 2) * np.sqrt(items * variance))


def alpha_simulated(
    profile: Profile, items: int, confidence: float = 0.95, studies: int = 4000, seed: int = 0
) -> float | None:
    """The same from simulated studies: half of the range that holds the middle 95% of their coefficients."""
    drawn = np.random.default_rng(seed).multinomial(items, profile.shares, studies)
    values = profile.coefficient.value(drawn @ profile.coefficient.contributions)
    values = values[~np.isnan(values)]
    if len(values) < studies / 2:
        return None
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(high - low) / 2


def _confusion(agreement: float, prevalence: np.ndarray) -> np.ndarray:
    """[q true, q given], by bisection on the chance of the right label."""
    q = len(prevalence)
    if q < 2 or not 0 <= agreement <= 1 or prevalence.max() >= 1:
        raise ValueError("an alpha from 0 to 1 and two categories that occur are needed")
    low, high = 1 / q, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        confusion = np.full((q, q), (1 - middle) / (q - 1)) + np.eye(q) * (middle - (1 - middle) / (q - 1))
        same, chance = prevalence @ (confusion**2).sum(axis=1), ((prevalence @ confusion) ** 2).sum()
        low, high = (middle, high) if (same - chance) / (1 - chance) < agreement else (low, middle)
    return confusion
