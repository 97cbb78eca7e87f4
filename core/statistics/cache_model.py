"""How often a cache hits, by its size and the lifetime of its entries: predicted from popularities, and replayed over what was asked.

Predict for a size or traffic that was never seen; replay where the questions are stored: it is exact for them, and holds repetitions
that come close together, which a prediction from popularities does not know of.
"""

import math
from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import numpy as np

from core.statistics.bootstrap import LEVEL

_STEEPEST = 5.0  # exponent that is looked for
_LOG_NEVER = (-9.0, 7.0)  # log of the questions never asked over those asked
_SHAPE = 100.0  # of popularities around the law: a tenth off it each, as no questions follow it exactly


class Zipf(NamedTuple):
    """The r-th of `items` questions is asked in proportion to r to the power -exponent."""

    exponent: float
    low: float  # bounds of the exponent
    high: float
    items: int

    def popularity(self) -> np.ndarray:
        """[items] float64, sums to 1."""
        weights = np.arange(1, self.items + 1, dtype=np.float64) ** -self.exponent
        return weights / weights.sum()


class CachePrediction(NamedTuple):
    hit_rate: float  # of all requests
    by_item: np.ndarray  # [items] float64
    characteristic_s: float  # an entry not asked for so long is evicted; infinite: it never is


def zipf(counts: Sequence[int], items: int | None = None, confidence: float = LEVEL) -> Zipf:
    """Exponent of Zipf's law, and the number of questions that could be asked, from how often each was; items: that number, where it
    is told. Questions never asked may be left out or 0. The interval is that of the profile likelihood.

    Maximum likelihood of how many questions were asked once, twice, ..., each number a Poisson variable with the law's expectation, where
    popularities are gamma distributed around the law with a standard deviation of a tenth (Baayen 2001, "Word frequency distributions";
    Evert 2004, "A simple LNRE model for random character sequences"). Which rank a question has stays open: ranked by their own counts,
    and with those never asked forgotten, 1,000 questions of 3,000 give a law by which a cache of 150 hits up to 17 points too often, by
    this it is 5 at most. Zipf's law of what caches are asked: Breslau and others 1999, "Web caching and Zipf-like distributions:
    evidence and implications".
    """
    from scipy.optimize import brentq, minimize_scalar  # 0.1 s, which a start need not wait for
    from scipy.special import chdtri, gammaln

    counts = np.asarray(counts, np.float64)
    counts = counts[counts > 0]
    times, many = np.unique(counts, return_counts=True)
    distinct = len(counts)
    if len(times) < 2 or items is not None and items < distinct:
        raise ValueError("a law needs questions that were asked unequally often, and no more of them than could be asked")
    ways = gammaln(times + _SHAPE) - gammaln(_SHAPE) - gammaln(times + 1)

    def surprise(exponent: float, could: float) -> float:
        """Minus the log likelihood, up to a constant."""
        widths, middles = _ranks(could)
        weights = middles**-exponent
        rates = counts.sum() * weights / (widths @ weights)
        never = -_SHAPE * np.log1p(rates / _SHAPE)
        with np.errstate(divide="ignore"):  # bins beyond the items are 0 wide
            logs = np.outer(times, np.log(rates / (_SHAPE + rates))) + ways[:, None] + never + np.log(widths)
        return float(widths @ -np.expm1(never) - many @ np.logaddexp.reduce(logs, axis=1))

    def lowest(function: Callable[[float], float], bounds: tuple[float, float]) -> tuple[float, float]:
        """(place, value)"""
        best = minimize_scalar(function, bounds=bounds, method="bounded", options={"xatol": 1e-3})
        return float(best.x), float(best.fun)

    def over_items(exponent: float) -> tuple[float, float]:
        return lowest(lambda log_never: surprise(exponent, distinct * (1 + math.exp(log_never))), _LOG_NEVER)

    def profile(exponent: float) -> float:
        return surprise(exponent, items) if items else over_items(exponent)[1]

    exponent, least = lowest(profile, (0.0, _STEEPEST))
    limit = least + float(chdtri(1, 1 - confidence)) / 2
    low, high = (
        float(brentq(lambda value: profile(value) - limit, *sorted((exponent, end)), xtol=1e-3)) if profile(end) > limit else end
        for end in (0.0, _STEEPEST)
    )
    return Zipf(exponent, low, high, items or round(distinct * (1 + math.exp(over_items(exponent)[0]))))


def _ranks(items: float) -> tuple[np.ndarray, np.ndarray]:
    """(number of ranks, their geometric mean) of bins of the ranks from 1 to items: each of the first 64, then ever wider."""
    edges = np.concatenate([np.arange(1.0, 65.0), np.geomspace(65.0, max(items + 1, 66.0), 128)])
    edges = np.minimum(edges, items + 1)
    first, last = edges[:-1], np.maximum(edges[1:] - 1, edges[:-1])
    return np.diff(edges), np.sqrt(first * last)


def che(rates: np.ndarray, size: int, ttl_s: float = np.inf) -> CachePrediction:
    """Hit rate of a cache with `size` entries, least recently used out first, asked for each item at rates [items] a second (Poisson).

    An entry is evicted once its item was not asked for during the characteristic time T, the same for all, and an item asked for at rate r
    is held with the chance 1 - exp(-r T); T is where these add up to the size. Source: Che, Tung and Wang 2002, "Hierarchical Web caching
    systems: modeling, design and experimental results", section III; why it is good: Fricker, Robert and Roberts 2012.

    ttl_s: lifetime of an entry from when it was written; a hit does not renew it. With D the expected time that an entry lives, an item is
    held, and hit, with the chance r D / (1 + r D): Jung, Berger and Balakrishnan 2003, "Modeling TTL-based internet caches", for a cache
    without end, where D = ttl_s; evicted at T and expiring, it is a cache with two timers (Fofack, Nain, Neglia and Towsley 2014). D is
    exact for ttl_s up to T, and without expiry; between, the time from T to the eviction counts as exponential with its exact mean.
    """
    rates = np.asarray(rates, np.float64)
    if not (size >= 1 and ttl_s > 0 and len(rates) and rates.min() >= 0 and rates.sum() > 0):
        raise ValueError("a cache has an entry at least, a lifetime above 0, and items with rates of 0 and more, not all 0")
    if _held(rates, np.inf, ttl_s).sum() <= size:
        characteristic = np.inf
    else:
        from scipy.optimize import brentq

        most = size / rates.sum()
        while _held(rates, most, ttl_s).sum() < size:
            most *= 2
        characteristic = brentq(lambda time: _held(rates, time, ttl_s).sum() - size, 0.0, most, rtol=1e-12)
    hits = _held(rates, characteristic, ttl_s)
    return CachePrediction(float(rates @ hits / rates.sum()), hits, float(characteristic))


def _held(rates: np.ndarray, time: float, ttl_s: float) -> np.ndarray:
    """The chance with which each item is in the cache."""
    if ttl_s <= time:
        return (rates > 0) * 1.0 if np.isinf(ttl_s) else rates * ttl_s / (1 + rates * ttl_s)
    asked = -np.expm1(-rates * time)  # within T
    if np.isinf(ttl_s):
        return asked
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        beyond = np.expm1(rates * time) - rates * time  # times the rate: expected life beyond T
        share = np.where(beyond > 0, -np.expm1(-asked * rates * (ttl_s - time) / beyond), 0.0)
        lives = rates * time + np.where(np.isfinite(beyond), beyond * share, rates * (ttl_s - time))
    return lives / (1 + lives)


def stack_distances(keys: Sequence[Hashable]) -> np.ndarray:
    """[n] float64: how many different keys were asked since this key was asked last, itself counted; infinite at its first time.

    A cache of s entries, least recently used out first, hits exactly where the distance is at most s, so that one pass tells all sizes.
    Source: Mattson, Gecsei, Slutz and Traiger 1970, "Evaluation techniques for storage hierarchies".
    """
    last: dict[Hashable, int] = {}
    recent: list[int] = []  # the last place of each key, ascending
    distances = np.full(len(keys), np.inf)
    for place, key in enumerate(keys):
        if key in last:
            at = bisect_left(recent, last[key])
            distances[place] = len(recent) - at
            del recent[at]
        recent.append(place)
        last[key] = place
    return distances


def lru_hits(keys: Sequence[Hashable], size: int, times_s: Sequence[float] | None = None, ttl_s: float = np.inf) -> np.ndarray:
    """[n] bool: which requests hit, replayed one by one. times_s [n] ascending; an entry expires ttl_s after it was written, hit or not.

    With a lifetime a larger cache may miss where a smaller one, which wrote the entry later, hits: each size takes a pass of its own.
    """
    entries: OrderedDict[Hashable, float] = OrderedDict()  # key -> written at, least recently used first
    written: deque[tuple[float, Hashable]] = deque()
    hits = np.zeros(len(keys), bool)
    for place, (key, now) in enumerate(zip(keys, [0.0] * len(keys) if times_s is None else times_s, strict=True)):
        while written and written[0][0] + ttl_s <= now:
            since, expired = written.popleft()
            if entries.get(expired) == since:
                del entries[expired]
        if key in entries:
            hits[place] = True
            entries.move_to_end(key)
            continue
        if len(entries) >= size:
            entries.popitem(last=False)
        entries[key] = now
        written.append((now, key))
    return hits
