"""Chunks and questions together in the plane: PCA (linear, true to large distances) or t-SNE (true to neighbourhoods).

On a t-SNE map only who is near whom means something: the size of a cluster and the distance between two do not, and
another seed gives another map. Sources: Hotelling 1933; van der Maaten and Hinton 2008, in the version of van der
Maaten 2014 (Barnes-Hut), set as Kobak and Berens 2019 advise (start from PCA, learning rate n / 12), by scikit-learn.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from core.embedding.transform import principal
from core.errors import WorkbenchError
from core.labs.encoders.diagnostics import unit
from core.records import Progress

LIMITS = {"pca": 4_000, "tsne": 2_000}  # points: a browser draws no more at ease; t-SNE takes some 10 s on one core
CELLS = 48  # of the density, along each axis
PERPLEXITY = 30.0  # of t-SNE, less where there are few points
_TSNE_DIMENSIONS = 50  # principal directions it starts from, as its authors did


class Density(NamedTuple):
    """How many chunks lie in each cell of the plane, all of them counted."""

    count: np.ndarray  # [CELLS, CELLS] int64, a row for each step of y
    x: np.ndarray  # [CELLS] float64, the middle of each cell
    y: np.ndarray


@dataclass(frozen=True)
class FlatMap:
    """Points of the rows that were drawn, and of a PCA of more chunks than that the density of all."""

    method: str
    chunk_rows: np.ndarray  # [a] int64
    chunk_xy: np.ndarray  # [a, 2] float32
    query_rows: np.ndarray  # [b] int64
    query_xy: np.ndarray  # [b, 2] float32
    variance: tuple[float, float] | None  # PCA: share of the chunks' variance on each axis
    seed: int
    density: Density | None = None


def flat_map(
    chunks: np.ndarray,
    queries: np.ndarray,
    method: Literal["pca", "tsne"] = "pca",
    keep: np.ndarray | None = None,
    seed: int = 0,
    limit: int | None = None,
) -> Generator[Progress, None, FlatMap]:
    """Map of the directions of chunks [n, dim] and queries [m, dim] float32, whose axes the chunks decide.

    At most `limit` points (default LIMITS): of the questions a random draw of up to half, then the chunks in `keep` (row
    numbers, such as those a question is about), then a random draw of chunks. The same seed gives the same map.
    """
    if method not in LIMITS:
        raise WorkbenchError(f"There is no map '{method}'.", where="method", todo=f"Allowed: {', '.join(LIMITS)}.")
    limit, rng = limit or LIMITS[method], np.random.default_rng(seed)
    query_rows = _drawn(_usable(queries), limit // 2, rng)
    chunk_rows = _drawn(_usable(chunks), limit - len(query_rows), rng, keep)
    if len(chunk_rows) < 3:
        raise WorkbenchError(f"A map needs at least 3 chunks with a vector; there are {len(chunk_rows)}.")
    yield Progress(0, 2, "Principal directions of the chunks")
    every = unit(chunks)
    basis = principal(every)
    points = unit(np.concatenate([chunks[chunk_rows], queries[query_rows]])) - basis.mean.astype(np.float32)
    wide = points @ basis.directions[:, :_TSNE_DIMENSIONS].astype(np.float32)
    if basis.rank == 0:
        raise WorkbenchError("The chunks' vectors are all the same: there is nothing to map.")
    xy = wide[:, :2] if wide.shape[1] > 1 else np.pad(wide, ((0, 0), (0, 1)))
    if method == "tsne":
        yield Progress(1, 2, f"t-SNE of {len(points):,} points")
        xy = _tsne(wide, xy, min(PERPLEXITY, (len(points) - 1) / 3), seed)
    yield Progress(2, 2, f"{len(points):,} points on the map")
    share = basis.variance[:2] / basis.variance.sum()
    variance = (float(share[0]), float(share[1]) if len(share) > 1 else 0.0) if method == "pca" else None
    split, density = len(chunk_rows), None
    if method == "pca" and split < len(every) and basis.rank > 1:
        density = _density(every, basis.mean, basis.directions[:, :2])
    return FlatMap(method, chunk_rows, xy[:split], query_rows, xy[split:], variance, seed, density)


def _density(every: np.ndarray, mean: np.ndarray, directions: np.ndarray) -> Density:
    x, y = (every @ directions.astype(np.float32) - (mean @ directions).astype(np.float32)).T
    count, *edges = np.histogram2d(y, x, CELLS)
    down, across = ((edge[1:] + edge[:-1]) / 2 for edge in edges)
    return Density(count.astype(np.int64), across, down)


def _tsne(wide: np.ndarray, xy: np.ndarray, perplexity: float, seed: int) -> np.ndarray:
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    start = xy / max(float(xy[:, 0].std()), 1e-12) * 1e-4
    with threadpool_limits(1, user_api="openmp"):  # several threads add in any order, and the map would change from run to run
        return TSNE(perplexity=perplexity, init=start, random_state=seed, max_iter=500).fit_transform(wide).astype(np.float32)


def _usable(vectors: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.einsum("ij,ij->i", vectors, vectors) > 0)


def _drawn(rows: np.ndarray, limit: int, rng: np.random.Generator, keep: np.ndarray | None = None) -> np.ndarray:
    """At most `limit` of the rows, ascending; those in `keep` before others."""
    if len(rows) <= limit:
        return rows
    order = rng.permutation(rows)
    if keep is not None:
        wanted = np.isin(order, keep)
        order = np.concatenate([order[wanted], order[~wanted]])
    return np.sort(order[:limit])
