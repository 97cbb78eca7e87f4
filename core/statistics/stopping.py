"""When a comparison may stop: looked at as often as one likes, while values come in."""

from typing import NamedTuple

import numpy as np

from core.statistics.anytime import anytime_interval
from core.statistics.bootstrap import LEVEL, Interval

BETTER, WORSE, ALIKE, ON = "better", "worse", "alike", "go on"
FEWEST = 10  # pairs, from which it is told how many more are needed
MOST = 20_000


class Stopping(NamedTuple):
    """difference: of the second from the first, in the mean, at all looks together. verdict: of the second."""

    verdict: str
    difference: Interval
    pairs: int


def sequential_difference(first: np.ndarray, second: np.ndarray, margin: float, confidence: float = LEVEL) -> Stopping:
    """first [n], second [m]: values from 0 to 1 in the order in which they came, no NaN. The k-th of one is held against the k-th of the
    other: the same question answered twice, or two that were sent to either by chance; those without a partner wait for one.

    It stops where the interval of the mean difference leaves out 0, or lies within the margin on either side of it. The interval holds at
    all looks together (`anytime_interval`), so that no look raises the chance of a wrong stop above 1 - confidence.
    Source: Waudby-Smith and Ramdas 2024, "Estimating means of bounded random variables by betting", section 4.
    """
    differences = _differences(first, second)
    difference = anytime_interval(differences, -1.0, 1.0, confidence)
    return Stopping(_verdict(difference, margin), difference, len(differences))


def pairs_to_go(first: np.ndarray, second: np.ndarray, margin: float, confidence: float = LEVEL) -> int | None:
    """About how many more pairs it takes to stop, were the next like those so far; None: more than MOST, or too few came to say."""
    differences = _differences(first, second)
    low = len(differences)

    def stops(number: int) -> bool:
        return _verdict(anytime_interval(np.resize(differences, number), -1.0, 1.0, confidence), margin) != ON

    if low < FEWEST:
        return None
    high = 2 * low
    while not stops(high):
        low, high = high, 2 * high
        if high > MOST:
            return None
    while high - low > len(differences) / 8:
        middle = (low + high) // 2
        low, high = (low, middle) if stops(middle) else (middle, high)
    return high - len(differences)


def _differences(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    pairs = min(len(first), len(second))
    return np.asarray(second, np.float64)[:pairs] - np.asarray(first, np.float64)[:pairs]


def _verdict(difference: Interval, margin: float) -> str:
    if difference.low is None:
        return ON
    if difference.low > 0 or difference.high < 0:
        return BETTER if difference.low > 0 else WORSE
    return ALIKE if -margin <= difference.low and difference.high <= margin else ON
