"""One label an item from several."""

from typing import NamedTuple

import numpy as np

from core.statistics.agreement.ratings import counts


class Consensus(NamedTuple):
    labels: np.ndarray  # [items] float64; NaN: a tie, or no label
    share: np.ndarray  # [items]: of the labels that are with it; NaN without labels
    ties: int
    unlabelled: int


def majority(values: np.ndarray, categories: int) -> Consensus:
    """The most frequent label of each item. A tie for the first place has none: adjudicate it."""
    table = counts(values, categories)
    most, total = table.max(axis=1), table.sum(axis=1)
    single = (total > 0) & ((table == most[:, None]).sum(axis=1) == 1)
    share = np.divide(most, total, out=np.full(len(table), np.nan), where=total > 0)
    labels = np.where(single, table.argmax(axis=1), np.nan)
    return Consensus(labels, share, int(((total > 0) & ~single).sum()), int((total == 0).sum()))
