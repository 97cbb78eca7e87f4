"""Percent agreement and the coefficients that correct it by pooled label shares: Fleiss, Brennan-Prediger, Gwet.

All take missing labels and, for ordered categories, partial credit. Choose Gwet's AC1 (AC2 with partial credit) beside
alpha where one category is rare: kappa and alpha fall there though people agree. Fleiss' kappa for comparison with
earlier work; Brennan-Prediger where chance is taken as a draw among all categories.
Source of the forms with missing labels and weights: Gwet 2014, "Handbook of inter-rater reliability", 4th edition.
"""

import numpy as np

from core.statistics.agreement.coefficient import Coefficient, divided
from core.statistics.agreement.ratings import counts, weights


def percent(values: np.ndarray, categories: int, weighting: str = "identity") -> Coefficient:
    """Share of pairs of labels on the same item that are equal (or their mean credit), a mean over items.

    Not corrected for chance: two coins agree in half of all cases. Source: Fleiss 1971.
    """
    return _coefficient("Percent agreement", values, categories, weighting, None)


def fleiss(values: np.ndarray, categories: int, weighting: str = "identity") -> Coefficient:
    """Chance: every annotator draws from the pooled shares of the categories.

    Source: Fleiss 1971, "Measuring nominal scale agreement among many raters".
    """
    return _coefficient("Fleiss' kappa", values, categories, weighting, lambda shares, w: _crossed(shares, w))


def brennan_prediger(values: np.ndarray, categories: int, weighting: str = "identity") -> Coefficient:
    """Chance: every annotator draws each category alike. Depends on how many categories the rubric offers.

    Source: Brennan and Prediger 1981, "Coefficient kappa: some uses, misuses, and alternatives".
    """
    return _coefficient("Brennan-Prediger", values, categories, weighting, lambda shares, w: np.asarray(w.mean()))


def gwet(values: np.ndarray, categories: int, weighting: str = "identity") -> Coefficient:
    """AC1, with partial credit AC2. Chance: annotators guess only on some items, and guess each category alike.

    Depends on how many categories the rubric offers.
    Source: Gwet 2008, "Computing inter-rater reliability and its variance in the presence of high agreement"
    (AC1); Gwet 2014 (AC2).
    """
    name = "Gwet's AC1" if weighting == "identity" else "Gwet's AC2"

    def expected(shares: np.ndarray, w: np.ndarray) -> np.ndarray:
        return w.sum() / (categories * (categories - 1)) * (shares * (1 - shares)).sum(axis=-1)

    return _coefficient(name, values, categories, weighting, expected)


def _coefficient(name: str, values: np.ndarray, categories: int, weighting: str, expected) -> Coefficient:
    """Sums: credit of items with two labels, their number, items with a label, shares of the categories in these."""
    table, w = counts(values, categories), weights(categories, weighting)
    labels = table.sum(axis=1)
    paired = labels >= 2
    credit = (table * (table @ w - 1)).sum(axis=1) / np.where(paired, labels * (labels - 1), 1)
    shares = table / np.maximum(labels, 1)[:, None]
    contributions = np.column_stack([np.where(paired, credit, 0), paired, labels > 0, shares])[labels > 0]

    def value(sums: np.ndarray) -> np.ndarray:
        observed = divided(sums[..., 0], sums[..., 1])
        if expected is None:
            return observed
        if categories < 2:
            return np.full(observed.shape, np.nan)
        chance = expected(divided(sums[..., 3:], sums[..., 2:3]), w)
        return divided(observed - chance, 1 - chance)

    name = name if weighting == "identity" else f"{name}, {weighting} weights"
    rows = np.flatnonzero(labels > 0)
    return Coefficient(name, contributions, value, int(paired.sum()), int(labels[paired].sum()), rows)


def _crossed(shares: np.ndarray, w: np.ndarray) -> np.ndarray:
    return ((shares @ w) * shares).sum(axis=-1)
