"""What near means to the indexes of this folder: a distance, smaller is nearer, so that one loop serves every metric.

l2: the squared Euclidean distance (the root would change no order). dot: minus the dot product, which is no distance in
the strict sense (x need not be nearest to itself) but ranks rightly. cosine: dot on vectors of length 1.
"""

from typing import Literal

import numpy as np

from core.records import Candidates

Metric = Literal["cosine", "dot", "l2"]


def distances(vectors: np.ndarray, query: np.ndarray, metric: Metric) -> np.ndarray:
    """Of vectors [n, dim] to one query [dim]: [n] float32. For cosine both are of length 1 already."""
    if metric != "l2":
        return -(vectors @ query)
    apart = vectors - query  # not |x|^2 - 2xq + |q|^2: between near vectors that loses the digits that matter
    return np.einsum("ij,ij->i", apart, apart)


def pairwise(a: np.ndarray, b: np.ndarray, metric: Metric) -> np.ndarray:
    """Of each row of a [n, dim] to each of b [m, dim]: [n, m] float32, by one matrix product."""
    product = a @ b.T  # [n, m]
    if metric != "l2":
        return -product
    product *= -2
    product += np.einsum("ij,ij->i", a, a)[:, None]
    product += np.einsum("ij,ij->i", b, b)
    return np.maximum(product, 0, out=product)  # rounding may leave less than nothing


def score(distance: np.ndarray, metric: Metric) -> np.ndarray:
    """As the parts report it, higher is better: cosine, dot product, minus the Euclidean distance."""
    return -np.sqrt(distance) if metric == "l2" else -distance


def nearest(compared: list[tuple[np.ndarray, np.ndarray]], depth: int, metric: Metric) -> Candidates:
    """Candidates of what was compared for each query: (ids [c], distances [c]), in any order."""
    chunk = np.full((len(compared), depth), -1, np.int32)
    scores = np.full((len(compared), depth), np.nan, np.float32)
    for row, (ids, distance) in enumerate(compared):
        best = np.lexsort((ids, distance))[:depth]  # the smaller id first where distances are equal
        chunk[row, : len(best)], scores[row, : len(best)] = ids[best], score(distance[best], metric)
    return Candidates(chunk, scores)
