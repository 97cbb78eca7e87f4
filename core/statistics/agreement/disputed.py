"""The items on which people disagree most: candidates for adjudication, and for a clearer rubric."""

from typing import NamedTuple

import numpy as np

from core.statistics.agreement.ratings import counts


class Disputed(NamedTuple):
    item: int
    entropy: float  # bits
    counts: tuple[int, ...]  # labels of each category


def disputed(values: np.ndarray, categories: int) -> list[Disputed]:
    """Items with two different labels or more: most disputed first, then most labels, then the item's order.

    Entropy of the shares of the labels: 0 where all agree, 1 bit for an even split in two.
    Source: Shannon 1948, "A mathematical theory of communication", section 6.
    """
    table = counts(values, categories)
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    entropy = -(shares * np.log2(np.where(shares > 0, shares, 1))).sum(axis=1)
    split = np.flatnonzero((table > 0).sum(axis=1) >= 2)
    order = split[np.lexsort((split, -table.sum(axis=1)[split], -entropy.round(12)[split]))]
    return [Disputed(int(i), float(entropy[i]), tuple(map(int, table[i]))) for i in order]
