"""Labels as an array: from (item, annotator, value) to [items, annotators]."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np


class Ratings(NamedTuple):
    values: np.ndarray  # [items, annotators] float64, NaN = not labelled
    items: tuple  # in order of first appearance
    annotators: tuple


def from_triples(triples: Iterable[tuple]) -> Ratings:
    """(item, annotator, value) each; two labels of one item by one annotator are an error: choose the valid one first."""
    triples = list(triples)
    items = {item: row for row, item in enumerate(dict.fromkeys(t[0] for t in triples))}
    annotators = {name: column for column, name in enumerate(dict.fromkeys(t[1] for t in triples))}
    values = np.full((len(items), len(annotators)), np.nan)
    seen = set()
    for item, annotator, value in triples:
        if (item, annotator) in seen:
            raise ValueError(f"item {item!r} has two labels by annotator {annotator!r}")
        seen.add((item, annotator))
        values[items[item], annotators[annotator]] = value
    return Ratings(values, tuple(items), tuple(annotators))


def counts(values: np.ndarray, categories: int) -> np.ndarray:
    """How many annotators gave each category to each item: [items, categories] float64."""
    items, annotators = np.nonzero(~np.isnan(values))
    codes = values[items, annotators]
    if len(codes) and ((codes != np.floor(codes)).any() or codes.min() < 0 or codes.max() >= categories):
        raise ValueError(f"labels have to be codes 0 to {categories - 1}")
    flat = items * categories + codes.astype(np.int64)
    return np.bincount(flat, minlength=len(values) * categories).reshape(len(values), categories).astype(np.float64)


def used_categories(values: np.ndarray) -> int:
    """Categories known from the labels alone: the largest code and those below it."""
    return int(np.nanmax(values)) + 1 if (~np.isnan(values)).any() else 0


def weights(categories: int, weighting: str) -> np.ndarray:
    """Partial credit [q, q] for two labels: 1 on the diagonal, falling with the distance of the codes.

    identity: none but equal labels. linear: 1 - |k - l| / (q - 1). quadratic: 1 - (k - l)² / (q - 1)².
    Source: Cohen 1968, "Weighted kappa"; Gwet 2014, "Handbook of inter-rater reliability".
    """
    distance = np.abs(np.subtract.outer(np.arange(categories), np.arange(categories))) / max(categories - 1, 1)
    return {"identity": (distance == 0).astype(float), "linear": 1 - distance, "quadratic": 1 - distance**2}[weighting]
