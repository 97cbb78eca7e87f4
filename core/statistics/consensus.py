"""One label an item from several, and the rate of a system from these."""

from typing import NamedTuple

import numpy as np

from core.statistics.agreement.ratings import counts
from core.statistics.bootstrap import Interval, intervals
from core.statistics.proportion import wilson


class Consensus(NamedTuple):
    labels: np.ndarray  # [items] float64; NaN: a tie, or no label
    share: np.ndarray  # [items]: of the labels that are with it; NaN without labels
    ties: int
    unlabelled: int


class Rate(NamedTuple):
    """A share of yes among items with its interval by two ways; choose Wilson's near 0 and 1."""

    wilson: Interval
    bootstrap: Interval


def majority(values: np.ndarray, categories: int) -> Consensus:
    """The most frequent label of each item. A tie for the first place has none: adjudicate it."""
    table = counts(values, categories)
    most, total = table.max(axis=1), table.sum(axis=1)
    single = (total > 0) & ((table == most[:, None]).sum(axis=1) == 1)
    share = np.divide(most, total, out=np.full(len(table), np.nan), where=total > 0)
    labels = np.where(single, table.argmax(axis=1), np.nan)
    return Consensus(labels, share, int(((total > 0) & ~single).sum()), int((total == 0).sum()))


def rate(positive: np.ndarray, resamples: int = 2000, confidence: float = 0.95, seed: int = 0) -> Rate:
    """positive [items]: 1, 0, or NaN for items without consensus, which are left out and counted in `total`."""
    positive = np.asarray(positive, np.float64)
    known = positive[~np.isnan(positive)]
    found = wilson(int(known.sum()), len(known), confidence)._replace(total=len(positive))
    return Rate(found, intervals(positive, resamples, confidence, seed)[0])
