"""Inverted lists: compare the query with a few neighbourhoods instead of everything.

k-means cuts the space into nlist cells; each vector goes into the list of its cell. A query is compared with the nlist
centroids, then with the vectors of the nprobe nearest lists. Cost: nlist + nprobe * n / nlist comparisons, least for
nlist = sqrt(nprobe * n). A true neighbour is missed when its cell is not among the nearest nprobe: the query lies near a
border. nprobe = nlist is exact search.
Source: Sivic and Zisserman 2003 (the inverted file); Jégou, Douze and Schmid 2011, section IV (IVFADC, residuals).
"""

from dataclasses import dataclass

import numpy as np

from core.index.common import allowed, asked, checked
from core.records import Candidates
from core.scratch.indexes import pq
from core.scratch.indexes.distance import Metric, distances, nearest
from core.scratch.indexes.kmeans import kmeans


@dataclass(frozen=True)
class IVF:
    """vectors [n, dim], centroids [nlist, dim], lists: the ids in each cell. With `quantiser` the vectors are kept as
    codes [n, m] of what is left after subtracting their centroid (IVF-PQ), and `vectors` is empty."""

    vectors: np.ndarray
    centroids: np.ndarray
    lists: tuple[np.ndarray, ...]
    metric: Metric
    quantiser: pq.ProductQuantiser | None = None
    codes: np.ndarray | None = None

    def search(self, queries: np.ndarray, depth: int, nprobe: int) -> Candidates:
        """The nearest of the nprobe nearest lists, for each query [q, dim]; fewer than depth where the lists are short."""
        if not 1 <= nprobe <= len(self.lists):
            raise allowed("nprobe", nprobe, f"1 to {len(self.lists)}", f"there are {len(self.lists)} lists")
        queries = asked(queries, self.metric, self.centroids.shape[1])
        return nearest([self._compare(query, nprobe) for query in queries], depth, self.metric)

    def _compare(self, query: np.ndarray, nprobe: int) -> tuple[np.ndarray, np.ndarray]:
        """ids and distances of everything in the probed lists."""
        coarse = distances(self.centroids, query, self.metric)  # [nlist]
        probed = np.argsort(coarse, kind="stable")[:nprobe]
        ids = np.concatenate([self.lists[cell] for cell in probed])
        if self.quantiser is None:
            return ids, distances(self.vectors[ids], query, self.metric)
        return ids, np.concatenate([self._residual(query, cell, coarse[cell]) for cell in probed])

    def _residual(self, query: np.ndarray, cell: int, coarse: float) -> np.ndarray:
        """Distances to one list's codes. |q - (c + r)|^2 = |(q - c) - r|^2: a table for each cell. q.(c + r) = q.c + q.r:
        one table would serve all cells (it is made again here, to keep one path)."""
        if self.metric == "l2":
            return pq.adc(self.quantiser.tables(query - self.centroids[cell], "l2"), self.codes[self.lists[cell]])
        return coarse + pq.adc(self.quantiser.tables(query, self.metric), self.codes[self.lists[cell]])


def build(
    vectors: np.ndarray, nlist: int, metric: Metric = "cosine", *, centroids: np.ndarray | None = None, seed: int = 0
) -> IVF:
    """IVF-Flat of vectors [n, dim]; `centroids` [nlist, dim]: those of another index, instead of our k-means."""
    vectors = checked(vectors, metric)
    if not 1 <= nlist <= len(vectors):
        raise allowed("nlist", nlist, f"1 to {len(vectors)}", f"there are {len(vectors)} vectors")
    if centroids is None:
        centroids = kmeans(vectors, nlist, spherical=metric != "l2", seed=seed).centroids
    # by the metric a query is compared with: another one would look for a vector in a list it is not in
    cell = np.array([distances(centroids, vector, metric).argmin() for vector in vectors])  # [n]
    return IVF(vectors, centroids, tuple(np.flatnonzero(cell == i) for i in range(nlist)), metric)


def compress(ivf: IVF, m: int, *, nbits: int = 8, quantiser: pq.ProductQuantiser | None = None, seed: int = 0) -> IVF:
    """IVF-PQ of an IVF-Flat. Residuals lie around zero whatever the cell, so one small set of codebooks fits them
    better than the vectors themselves."""
    residuals = ivf.vectors.copy()  # [n, dim]
    for ids, centroid in zip(ivf.lists, ivf.centroids, strict=True):
        residuals[ids] -= centroid
    quantiser = quantiser or pq.train(residuals, m, nbits=nbits, seed=seed)
    return IVF(ivf.vectors[:0], ivf.centroids, ivf.lists, ivf.metric, quantiser, quantiser.encode(residuals))
