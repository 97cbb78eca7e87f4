"""k-means: k centroids such that vectors lie near their nearest one. IVF's lists and PQ's codebooks are made with it.

Start: k-means++ (Arthur and Vassilvitskii 2007, section 2.2). Then Lloyd's algorithm (Lloyd 1982, "Least squares
quantization in PCM"): give each vector to its nearest centroid, move each centroid to the mean of its vectors, again.
Neither step can raise the objective, the sum of squared distances; it ends in a local minimum, which the start decides.
"""

from typing import NamedTuple

import numpy as np

from core.index.common import allowed
from core.scratch.indexes.distance import distances, pairwise

_BLOCK = 4_000_000  # distances held at a time: 16 MB


class Clusters(NamedTuple):
    """centroids [k, dim] float32, nearest [n] int32 (the centroid of each vector), objective after each round."""

    centroids: np.ndarray
    nearest: np.ndarray
    objective: tuple[float, ...]


def kmeans(vectors: np.ndarray, k: int, *, rounds: int = 25, spherical: bool = False, seed: int = 0) -> Clusters:
    """Clusters of vectors [n, dim] float32. 25 rounds, as FAISS: later ones move the objective by less than 1%.

    spherical: centroids of length 1, for vectors compared by cosine or dot product (Dhillon and Modha 2001); a mean is
    shorter than its vectors, and a dot product would take short for far.
    """
    if not 1 <= k <= len(vectors):
        raise allowed("number of clusters", k, f"1 to {len(vectors)}", f"there are {len(vectors)} vectors")
    rng = np.random.default_rng(seed)
    centroids, objective, before = plus_plus(vectors, k, rng), [], None  # [k, dim]
    for _ in range(rounds):
        nearest, squared = assign(vectors, centroids)  # [n], [n]
        objective.append(float(squared.sum(dtype=np.float64)))
        if before is not None and (nearest == before).all():
            break
        centroids, before = means(vectors, nearest, squared, k), nearest
        if spherical:
            centroids /= np.maximum(np.linalg.norm(centroids, axis=1, keepdims=True), 1e-30)
    nearest, squared = assign(vectors, centroids)
    return Clusters(centroids, nearest, (*objective, float(squared.sum(dtype=np.float64))))


def plus_plus(vectors: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """k vectors to start from [k, dim]: each next one is drawn with a chance that grows with the squared distance to
    those drawn before, so that they spread. Expected objective: at most 8 (ln k + 2) times the best possible."""
    chosen = [int(rng.integers(len(vectors)))]
    squared = distances(vectors, vectors[chosen[0]], "l2")  # [n], to the nearest chosen one
    for _ in range(k - 1):
        reach = np.cumsum(squared, dtype=np.float64)
        if reach[-1] > 0:
            at = np.searchsorted(reach, rng.random() * reach[-1], side="right")
            chosen.append(min(int(at), len(vectors) - 1))
        else:  # fewer different vectors than centroids: some centroids will be equal
            chosen.append(int(rng.integers(len(vectors))))
        np.minimum(squared, distances(vectors, vectors[chosen[-1]], "l2"), out=squared)
    return vectors[chosen].astype(np.float32)


def assign(vectors: np.ndarray, centroids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest centroid of each vector [n] int32 and the squared distance to it [n] float32."""
    nearest, squared = np.empty(len(vectors), np.int32), np.empty(len(vectors), np.float32)
    step = max(1, _BLOCK // len(centroids))
    for i in range(0, len(vectors), step):
        block = pairwise(vectors[i : i + step], centroids, "l2")  # [step, k]
        nearest[i : i + step] = best = block.argmin(1)
        squared[i : i + step] = block[np.arange(len(block)), best]
    return nearest, squared


def means(vectors: np.ndarray, nearest: np.ndarray, squared: np.ndarray, k: int) -> np.ndarray:
    """The mean of each cluster [k, dim]. An empty one takes the vector that is worst served: that lowers the objective,
    and no centroid is wasted."""
    counts = np.bincount(nearest, minlength=k)  # [k]
    order, filled = np.argsort(nearest, kind="stable"), np.flatnonzero(counts)
    starts = np.concatenate([[0], np.cumsum(counts[filled])[:-1]])
    centroids = np.empty((k, vectors.shape[1]), np.float32)
    centroids[filled] = np.add.reduceat(vectors[order], starts, axis=0, dtype=np.float64) / counts[filled, None]
    empty = np.flatnonzero(counts == 0)
    centroids[empty] = vectors[np.argsort(-squared, kind="stable")[: len(empty)]]
    return centroids
