"""Intraclass correlation: agreement of numbers (scores, sliders) among annotators who all label the same items.

Which form: "1" where other people rate each item, "2" where the same people do and stand for people at large, "3" where
these very people are meant (their level does not count, only the order). ",1": of a single rating; ",k": of the mean
over the annotators. Use interval alpha where labels are missing.
"""

import numpy as np

from core.statistics.agreement.coefficient import Coefficient, divided

FORMS = ("1,1", "2,1", "3,1", "1,k", "2,k", "3,k")


def icc(values: np.ndarray, form: str = "2,1") -> Coefficient:
    """Share of the ratings' variance that lies between items. Items that anyone left out do not count.

    Undefined where the items do not differ at all. Can be negative: items differ less than chance would have it.
    Source: Shrout and Fleiss 1979, "Intraclass correlations: uses in assessing rater reliability", pages
    421 to 426; McGraw and Wong 1996.
    """
    if form not in FORMS:
        raise ValueError(f"the form has to be one of {', '.join(FORMS)}, not {form!r}")
    complete = values[~np.isnan(values).any(axis=1)]
    if values.shape[1] < 2:
        complete = complete[:0]
    k = values.shape[1]
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
        inside, error = within / (n * (k - 1)), divided(within - judges, (n - 1) * (k - 1))
        noise = inside if form[0] == "1" else error
        level = k * (judge - error) / n if form[0] == "2" else 0.0
        below = items + (k - 1) * noise + level if form[-1] == "1" else items + level / k
        return divided(items - noise, below, smallest / np.maximum(n, 1).max())

    return Coefficient(f"ICC({form})", contributions, value, len(complete), complete.size)
