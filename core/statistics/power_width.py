"""How many items and annotators make an interval narrow enough? Half-widths of a rate and of alpha, by formula and simulation."""

from collections.abc import Callable
from functools import cache
from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np
from scipy.special import gammaln, ndtri, xlogy

from core.statistics.agreement.alpha import alpha
from core.statistics.agreement.coefficient import Coefficient
from core.statistics.agreement.ratings import counts
from core.statistics.bootstrap import LEVEL
from core.statistics.proportion import wilson

RARE = 30  # items with other labels than the most frequent, from which the formula for alpha is within 1 point
_PATTERNS = 3000  # beyond which items are drawn one by one
_BLOCK = 500_000  # of these at a time


class Profile(NamedTuple):
    """How often each pattern of labels on one item is to be expected."""

    coefficient: Coefficient  # with a row for each pattern
    shares: np.ndarray  # [patterns], sum 1


def rate_half_width(rate: float, items: int, annotators: int = 1, agreement: float = 1.0) -> float:
    """Of Wilson's interval for a share of yes among the labels, `annotators` an item.

    agreement: alpha (the correlation of two labels of an item). At 1, more annotators add nothing; the effective number of
    labels is items k / (1 + (k - 1) agreement) (Kish 1965, "Survey sampling").
    """
    effective = items * annotators / (1 + (annotators - 1) * agreement)
    interval = wilson(rate * effective, effective)
    return (interval.high - interval.low) / 2


def rate_simulated(
    rate: float, items: int, annotators: int = 1, agreement: float = 1.0, studies: int = 4000, seed: int = 0
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
    intervals = [wilson(count * each, items * annotators * each) for count in yes]
    width = times @ [interval.high - interval.low for interval in intervals] / studies
    return float(width / 2), float(times @ [interval.low <= rate <= interval.high for interval in intervals] / studies)


def assumed_profile(
    agreement: float, prevalence: np.ndarray, annotators: int, make: Callable[[np.ndarray], Coefficient] = alpha
) -> Profile:
    """Without a pilot: items have a true category; all annotators hit it with the same chance, else any other alike. The
    chance and the true shares are those that give this nominal alpha and the shares `prevalence` [q] of the labels."""
    prevalence = np.asarray(prevalence, np.float64) / np.sum(prevalence)
    true, confusion = _confusion(agreement, prevalence)
    patterns = np.array(list(combinations_with_replacement(range(len(prevalence)), annotators)), np.float64)
    table = counts(patterns, len(prevalence))  # [patterns, q]
    ways = gammaln(annotators + 1) - gammaln(table + 1).sum(axis=1)
    each = np.exp(ways[:, None] + xlogy(table[:, None, :], confusion).sum(axis=2))  # [patterns, true]
    return Profile(make(patterns), each @ true)


def alpha_half_width(profile: Profile, items: int) -> float | None:
    """By the delta method: each item moves the coefficient by its influence, and their variances add up.

    None: undefined without variation. Too narrow for few items, or few with a rare label: see `alpha_planned`.
    Source: Efron and Tibshirani 1993, "An introduction to the bootstrap", chapter 21 (the infinitesimal
    jackknife), with the influence as the change by one item more and an average one less.
    """
    coefficient, shares = profile
    mean = shares @ coefficient.contributions
    whole = coefficient.value(items * mean)
    influence = coefficient.value(items * mean + coefficient.contributions - mean) - whole
    if np.isnan(whole) or np.isnan(influence).any():
        return None
    variance = shares @ influence**2 - (shares @ influence) ** 2
    return float(ndtri((1 + LEVEL) / 2) * np.sqrt(items * variance))


def alpha_simulated(profile: Profile, items: int, studies: int = 4000, seed: int = 0) -> float | None:
    """The same from simulated studies: half of the range that holds the middle 95% of their coefficients. None where more
    studies than that range leaves out on one side have no coefficient, for want of variation."""
    values = profile.coefficient.value(_drawn(profile, items, studies, np.random.default_rng(seed)))
    values, tail = values[~np.isnan(values)], (1 - LEVEL) / 2
    if len(values) < studies * (1 - tail):
        return None
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(high - low) / 2


def _drawn(profile: Profile, items: int, studies: int, rng: np.random.Generator) -> np.ndarray:
    """Sums [studies, d] of the contributions of `items` patterns each."""
    each, shares = profile.coefficient.contributions, profile.shares
    if len(shares) <= _PATTERNS:
        return rng.multinomial(items, shares, studies) @ each
    edges, step = shares.cumsum() / shares.sum(), max(1, _BLOCK // items)
    rows = [min(step, studies - first) for first in range(0, studies, step)]
    return np.concatenate([each[edges.searchsorted(rng.random((n, items)), "right")].sum(axis=1) for n in rows])


def alpha_planned(profile: Profile, rare: float) -> Callable[[int], float | None]:
    """Half-width for any number of items: by formula from on so many that 30 of them have other labels than the most
    frequent one, were people of one mind (rare: share of these labels), else by simulation, from which the formula is up to
    40 points away there."""

    @cache
    def width(items: int) -> float | None:
        if items * rare >= RARE:
            return alpha_half_width(profile, items)
        return alpha_simulated(profile, items, studies=2000)

    return width


def _confusion(agreement: float, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(true shares [q], confusion [q true, q given]), by bisection on the chance of the right label.

    A share of labels below that of errors, as of a rare one where people hardly agree, is reached as nearly as possible.
    """
    q = len(labels)
    if q < 2 or not 0 <= agreement <= 1 or labels.max() >= 1:
        raise ValueError("an alpha from 0 to 1 and two categories that occur are needed")
    low, high = 1 / q, 1.0
    for _ in range(60):
        hit = (low + high) / 2
        miss = (1 - hit) / (q - 1)
        true = np.maximum(labels - miss, 0) + 1e-12 * labels
        true /= true.sum()
        confusion = np.full((q, q), miss) + np.eye(q) * (hit - miss)
        same, chance = hit**2 + (q - 1) * miss**2, ((true @ confusion) ** 2).sum()
        low, high = (hit, high) if (same - chance) / (1 - chance) <= agreement + 1e-12 else (low, hit)
    return true, confusion
