"""What a machine can be measured against: how well one person meets the consensus of the others, and mere guessing."""

from typing import NamedTuple

import numpy as np

from core.statistics.agreement.annotators import dissent, others_majority
from core.statistics.agreement.coefficient import Agreement, Coefficient, divided, estimate
from core.statistics.bootstrap import Interval
from core.statistics.correlation import product_moment
from core.statistics.proportion import wilson


class Ceiling(NamedTuple):
    share: Agreement  # of all labels that are with the majority of the others; bootstrap over items
    people: list[Interval]  # of each annotator, Wilson


def ceiling(
    values: np.ndarray, categories: int, resamples: int = 2000, confidence: float = 0.95, seed: int = 0
) -> Ceiling:
    """Categories. Labels on which the others are tied, or alone, are left out: there is no consensus to meet."""
    majority = others_majority(values, categories)
    judged, equal = ~np.isnan(majority), majority == values
    each = np.column_stack([equal.sum(axis=1), judged.sum(axis=1)]).astype(np.float64)
    each = each[judged.any(axis=1)]
    pooled = Coefficient("A person against the others' majority", each, lambda s: divided(s[..., 0], s[..., 1]), len(each),
                         int(judged.sum()))  # fmt: skip
    return Ceiling(estimate(pooled, resamples, confidence, seed), [one.agreed for one in dissent(values, categories)])


def ceiling_pearson(values: np.ndarray, resamples: int = 2000, confidence: float = 0.95, seed: int = 0) -> Agreement:
    """Numbers: correlation of each label with the mean of the others' on its item, all annotators pooled."""
    known = ~np.isnan(values)
    number, total = known.sum(axis=1, keepdims=True), np.nansum(values, axis=1, keepdims=True)
    usable = known & (number > 1)
    others = (total - np.nan_to_num(values)) / np.maximum(number - 1, 1)
    items = np.nonzero(usable)[0]
    found = estimate(product_moment(values[usable], others[usable], items), resamples, confidence, seed)
    return found._replace(name="A person against the others' mean, Pearson's r")


def majority_baseline(labels: np.ndarray, confidence: float = 0.95) -> Interval:
    """Share right of always saying the most frequent label; labels [n], NaN = none."""
    labels = np.asarray(labels, np.float64)
    _, many = np.unique(labels[~np.isnan(labels)], return_counts=True)
    return wilson(int(many.max(initial=0)), int(many.sum()), confidence)
