"""Intraclass correlation: agreement of numbers (scores, sliders) among annotators.

Which form: "1" where other people rate each item, "2" where the same people do and stand for people at large, "3" where
these very people are meant (their level does not count, only the order). ",1": of a single rating; ",k": of the mean
over an item's ratings. Forms 2 and 3 need items that all annotators rated; form 1 takes whoever rated an item, and unequal
numbers of ratings too. Use interval alpha where few items have as many labels as others.
"""

import numpy as np

from core.statistics.agreement.coefficient import NO_PAIRS, Coefficient, divided

FORMS = ("1,1", "2,1", "3,1", "1,k", "2,k", "3,k")
NOT_BY_ALL = "undefined: nothing was labelled by all annotators"


def icc(values: np.ndarray, form: str = "2,1") -> Coefficient:
    """Share of the ratings' variance that lies between items. Undefined where the items do not differ at all.

    Items with a single rating do not count; in forms 2 and 3 nor do those that anyone left out. Can be negative: items
    differ less than chance would have it.
    Source: Shrout and Fleiss 1979, "Intraclass correlations: uses in assessing rater reliability", pages
    421 to 426; McGraw and Wong 1996; form 1 with unequal numbers: Donner 1986, "A review of inference procedures for the
    intraclass correlation coefficient in the one-way random effects model".
    """
    if form not in FORMS:
        raise ValueError(f"the form has to be one of {', '.join(FORMS)}, not {form!r}")
    return _one_way(values, form) if form[0] == "1" else _two_way(values, form)


def _one_way(values: np.ndarray, form: str) -> Coefficient:
    """Sums over items: items, ratings m, m², total² / m, squares, total."""
    rated = ~np.isnan(values)
    several = np.flatnonzero(rated.sum(axis=1) >= 2)
    values, rated = values[several], rated[several]
    centred = np.where(rated, values - (values[rated].mean() if rated.any() else 0), 0)
    m, total, square = rated.sum(axis=1), centred.sum(axis=1), (centred**2).sum(axis=1)
    smallest = max(1e-12 * square.sum(), 1e-300)

    def value(sums: np.ndarray) -> np.ndarray:
        n, ratings, squared, rows, squares, whole = np.moveaxis(sums, -1, 0)
        items = divided(rows - whole**2 / ratings, n - 1)
        noise = (squares - rows) / (ratings - n)
        usual = divided(ratings - squared / ratings, n - 1)  # ratings an item
        below = items + (usual - 1) * noise if form[-1] == "1" else items
        return divided(items - noise, below, smallest / np.maximum(n, 1).max())

    contributions = np.column_stack([np.ones(len(m)), m, m**2, total**2 / np.maximum(m, 1), square, total])
    return Coefficient(f"ICC({form})", contributions, value, len(m), int(m.sum()), several)


def _two_way(values: np.ndarray, form: str) -> Coefficient:
    k = values.shape[1]
    by_all = np.flatnonzero(~np.isnan(values).any(axis=1)) if k > 1 else np.zeros(0, int)
    complete = values[by_all]
    centred = complete - complete.mean() if complete.size else complete
    row, square = centred.sum(axis=1), (centred**2).sum(axis=1)
    contributions = np.column_stack([np.ones(len(row)), row**2, square, centred])
    smallest = max(1e-12 * square.sum(), 1e-300)

    def value(sums: np.ndarray) -> np.ndarray:
        n, rows, squares, columns = sums[..., 0], sums[..., 1], sums[..., 2], sums[..., 3:]
        mean = columns.sum(axis=-1) ** 2 / (n * k)
        between, judges = rows / k - mean, (columns**2).sum(axis=-1) / n - mean
        within = squares - rows / k
        items, judge = divided(between, n - 1), judges / (k - 1)
        noise = divided(within - judges, (n - 1) * (k - 1))
        level = k * (judge - noise) / n if form[0] == "2" else 0.0
        below = items + (k - 1) * noise + level if form[-1] == "1" else items + level / k
        return divided(items - noise, below, smallest / np.maximum(n, 1).max())

    why = NOT_BY_ALL if k > 1 else NO_PAIRS
    return Coefficient(f"ICC({form})", contributions, value, len(complete), complete.size, by_all, empty=why)
