"""What the shape of an encoder's vectors says about search with them: pure functions, each with its formula and source.

Most look at directions, since cosine is what ranks: `unit` first. Where the cost grows with the square of the number of
vectors a seeded sample stands for all, and the result says how many were used (`n`).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from core.embedding.transform import principal
from core.models.threads import one_thread

SAMPLE = 5_000  # vectors whose neighbours are sought: under a second on two cores
_BLOCK = 16_000_000  # numbers at a time


@dataclass(frozen=True)
class Diagnosis:
    """All numbers of one set of vectors."""

    n: int  # vectors given
    n_neighbours: int  # of them used for hubness and the intrinsic dimensions
    dim: int
    average_cosine: float
    isotropy: float
    isoscore: float
    effective_rank: float
    participation_ratio: float
    spectrum: np.ndarray  # [dim] share of the variance in each principal direction, falling
    hubness: "Hubness"
    two_nn: float
    mle: float


def diagnose(vectors: np.ndarray, seed: int = 0, sample: int = SAMPLE, k: int = 10) -> Diagnosis:
    """Every number of vectors [n, dim] float32, taken as directions."""
    directions = unit(vectors)
    variance = principal(directions).variance
    near = neighbours(directions, max(k, MLE_NEIGHBOURS[1]), seed, sample)
    return Diagnosis(
        n=len(vectors),
        n_neighbours=len(near.ids),
        dim=vectors.shape[1],
        average_cosine=average_cosine(directions),
        isotropy=partition_isotropy(directions),
        isoscore=isoscore(variance),
        effective_rank=effective_rank(variance),
        participation_ratio=participation_ratio(variance),
        spectrum=_shares(variance),
        hubness=hubness(near.ids[:, :k], len(near.ids)),
        two_nn=two_nn(near.distances),
        mle=mle(near.distances),
    )


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1 [n, dim] float32; zero rows are left out."""
    vectors = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(vectors, axis=1)
    return vectors[lengths > 0] / lengths[lengths > 0, None]


# Isotropy: do the vectors use all directions?


def average_cosine(directions: np.ndarray) -> float:
    """Mean cosine of two different vectors, over all pairs: (|sum of x|^2 - n) / (n (n - 1)) for unit rows.

    0: no common direction; near 1: all in a narrow cone. Source: Ethayarajh 2019, "How Contextual are Contextualized Word
    Representations?", section 3.3, there estimated from 1,000 pairs. NaN for fewer than two vectors.
    """
    n = len(directions)
    if n < 2:
        return np.nan
    total = directions.sum(axis=0, dtype=np.float64)
    return float((total @ total - n) / (n * (n - 1)))


def partition_isotropy(vectors: np.ndarray) -> float:
    """min over c of Z(c) / max over c of Z(c), Z(c) = sum over x of exp(c . x), c the eigenvectors of X'X, both signs.

    1: no direction is preferred. It depends on the vectors' length; for length 1 it lies between exp(-2) and 1.
    Source: Mu and Viswanath 2018, "All-but-the-Top", equation 2 and the set C that they evaluate it on.
    """
    second = np.zeros((vectors.shape[1],) * 2)
    step = max(1, _BLOCK // vectors.shape[1])
    blocks = [vectors[i : i + step] for i in range(0, len(vectors), step)]
    for block in blocks:
        second += block.T.astype(np.float64) @ block
    with one_thread():  # as in `principal`
        c = np.linalg.eigh(second)[1].astype(np.float32)
    z = np.zeros((2, vectors.shape[1]))
    for block in blocks:
        along = block @ c  # [n, dim]
        z += np.exp(along).sum(axis=0, dtype=np.float64), np.exp(-along).sum(axis=0, dtype=np.float64)
    return float(z.min() / z.max())


def isoscore(variance: np.ndarray) -> float:
    """Share of the dimensions that are evenly used: 1 if all variances are equal, 0 if only one is not zero.

    With s = sqrt(d) variance / |variance|, defect D = |s - 1| / sqrt(2 (d - sqrt d)), phi = (d - D^2 (d - sqrt d))^2 / d^2:
    (d phi - 1) / (d - 1). Source: Rudman et al. 2022, "IsoScore", algorithm 1. NaN without variance.
    """
    d = len(variance)
    if d < 2 or not variance.any():
        return np.nan
    s = np.sqrt(d) * variance / np.linalg.norm(variance)
    room = d - np.sqrt(d)
    defect = np.linalg.norm(s - 1) / np.sqrt(2 * room)
    phi = (d - defect**2 * room) ** 2 / d**2
    return float((d * phi - 1) / (d - 1))


def effective_rank(variance: np.ndarray) -> float:
    """exp(-sum p log p), p the singular values' (roots of the variances) shares of their sum: directions in effect.

    Source: Roy and Vetterli 2007, "The effective rank", definition 1, here of the centred vectors.
    """
    p = _shares(np.sqrt(variance))
    p = p[p > 0]
    return float(np.exp(-(p * np.log(p)).sum())) if len(p) else np.nan


def participation_ratio(variance: np.ndarray) -> float:
    """(sum of variances)^2 / sum of their squares: as effective_rank, dominated by the large ones.

    Source: Gao et al. 2017, "A theory of multineuronal dimensionality, dynamics and measurement", equation 5.
    """
    squares = float((variance**2).sum())
    return float(variance.sum()) ** 2 / squares if squares else np.nan


def _shares(values: np.ndarray) -> np.ndarray:
    return values / values.sum() if values.any() else np.full(len(values), np.nan)


# Neighbours: hubs and intrinsic dimension


class Neighbours(NamedTuple):
    ids: np.ndarray  # [n, k] int32 rows of the sample, nearest first, without the row itself
    distances: np.ndarray  # [n, k] float64, Euclidean
    rows: np.ndarray  # [n] int64: which of the vectors given were used


def neighbours(vectors: np.ndarray, k: int, seed: int = 0, sample: int = SAMPLE) -> Neighbours:
    """Exact nearest neighbours among vectors [n, dim] float32; of more than `sample` a random draw, searched in itself.

    k shrinks to n - 1 where there are fewer.
    """
    rows = np.arange(len(vectors))
    if len(rows) > sample:
        rows = np.sort(np.random.default_rng(seed).choice(len(rows), sample, replace=False))
    x = np.ascontiguousarray(vectors[rows], np.float32)
    x = x - x.mean(axis=0)  # leaves the distances, and float32 more digits for them
    n, k = len(x), min(k, len(x) - 1)
    ids, distances = np.zeros((n, max(k, 0)), np.int32), np.zeros((n, max(k, 0)))
    if k < 1:
        return Neighbours(ids, distances, rows)
    squared = np.einsum("ij,ij->i", x, x)
    step = max(1, _BLOCK // max(n, k * x.shape[1]))
    for start in range(0, n, step):
        block = slice(start, min(start + step, n))
        far = squared - 2 * (x[block] @ x.T)
        far[np.arange(len(far)), np.arange(start, start + len(far))] = np.inf
        near = np.argpartition(far, k - 1, axis=1)[:, :k]
        apart = x[near] - x[block, None]  # again from the differences: the products above lose the digits of close pairs
        exact = np.sqrt(np.einsum("nkd,nkd->nk", apart, apart, dtype=np.float64))
        order = np.argsort(exact, axis=1, kind="stable")
        ids[block] = np.take_along_axis(near, order, axis=1)
        distances[block] = np.take_along_axis(exact, order, axis=1)
    return Neighbours(ids, distances, rows)


class Hubness(NamedTuple):
    skewness: float  # 0: every vector is a neighbour about equally often; above 1: hubs. NaN without variation
    antihubs: float  # share of the vectors that are in nobody's list
    largest: int  # lists that the greatest hub is in
    share_of_top: float  # share of all places that the 1% greatest hubs take
    counts: np.ndarray  # [n] int64: in how many lists each vector is


def hubness(ids: np.ndarray, n: int) -> Hubness:
    """N_k(x), in how many of the lists ids [lists, k] (-1: no neighbour) each of n vectors is; its skewness
    E[(N - mean)^3] / sd^3. Hubs come up whatever is asked, antihubs never. The lists may be a search's results too.

    Source: Radovanovic et al. 2010, "Hubs in Space", equation 1.
    """
    counts = np.bincount(ids[ids >= 0].ravel(), minlength=n)
    apart = counts - counts.mean()
    deviation = apart.std()
    skewness = float((apart**3).mean() / deviation**3) if deviation else np.nan
    top = np.sort(counts)[::-1][: max(1, n // 100)].sum()
    return Hubness(skewness, float((counts == 0).mean()), int(counts.max()), float(top / max(1, counts.sum())), counts)


def two_nn(distances: np.ndarray, share: float = 0.9) -> float:
    """Intrinsic dimension from the ratio m of second to first neighbour's distance: the slope through the origin of
    -log(1 - F(m)) over log m, F the empirical distribution, its tail above `share` left out.

    Duplicates (distance 0) are left out. Source: Facco et al. 2017, "Estimating the intrinsic dimension of datasets by a
    minimal neighborhood information", algorithm steps 1 to 5. NaN for fewer than ten ratios.
    """
    if distances.shape[1] < 2:
        return np.nan
    first, second = distances[distances[:, 0] > 0, :2].T
    n = len(first)
    if n < 10:
        return np.nan
    x = np.sort(np.log(second / first))
    y = -np.log1p(-np.arange(1, n + 1)[:-1] / n)
    x, y = x[: int(share * n)], y[: int(share * n)]
    return float(x @ y / (x @ x)) if x.any() else np.nan


MLE_NEIGHBOURS = (10, 20)


def mle(distances: np.ndarray, low: int = MLE_NEIGHBOURS[0], high: int = MLE_NEIGHBOURS[1]) -> float:
    """Intrinsic dimension of maximal likelihood: m_k(x) = [1/(k-2) sum over j < k of log(T_k / T_j)]^-1, T_j the distance
    to neighbour j; the mean over the vectors, then over k = low .. high.

    Vectors with a duplicate are left out. Source: Levina and Bickel 2004, "Maximum Likelihood Estimation of Intrinsic
    Dimension", equations 8 to 10, with the divisor k-2 that they name as the unbiased one. As two_nn, it falls short in
    high dimensions with few vectors. NaN with fewer neighbours than `high`.
    """
    if distances.shape[1] < high:
        return np.nan
    logs = np.log(distances[distances[:, 0] > 0, :high])
    estimates = []
    for k in range(low, high + 1):
        mean = (logs[:, k - 1 : k] - logs[:, : k - 1]).sum(axis=1) / (k - 2)
        estimates.append((1 / mean[mean > 0]).mean() if (mean > 0).any() else np.nan)
    return float(np.mean(estimates))


# Gold against random pairs


class Separation(NamedTuple):
    edges: np.ndarray  # [bins + 1] of cosine
    gold_counts: np.ndarray  # [bins]
    random_counts: np.ndarray  # [bins]
    gold: np.ndarray  # [n_gold] float32 cosines
    random: np.ndarray  # [n_random] float32
    auc: float  # chance that a gold pair is more similar than a random one, ties half
    d_prime: float  # (mean gold - mean random) / root of the mean variance


def separation(
    queries: np.ndarray, chunks: np.ndarray, pairs: np.ndarray, seed: int = 0, random_pairs: int = 20_000, bins: int = 60
) -> Separation:
    """Cosines of questions with their gold chunks against those with random others.

    queries [m, dim], chunks [n, dim] float32; pairs [p, 2] int: question and chunk that is relevant to it. Random pairs
    come from the same questions. auc is Mann and Whitney's U / (n_gold n_random), d_prime as in Green and Swets 1966;
    both NaN where a side is empty, d_prime also without variation.
    """
    pairs = np.asarray(pairs, np.int64).reshape(-1, 2)
    rng = np.random.default_rng(seed)
    drawn = np.empty((0, 2), np.int64)
    if len(pairs) and len(chunks):
        drawn = np.stack([rng.choice(np.unique(pairs[:, 0]), random_pairs), rng.integers(len(chunks), size=random_pairs)], axis=1)
        drawn = drawn[~np.isin(drawn @ [len(chunks), 1], pairs @ [len(chunks), 1])]
    gold, random = _cosines(queries, chunks, pairs), _cosines(queries, chunks, drawn)
    every = np.concatenate([gold, random])
    low, high = (float(every.min()), float(every.max())) if len(every) else (-1.0, 1.0)
    edges = np.linspace(low, max(high, low + 1e-6), bins + 1)
    auc = d_prime = np.nan
    if len(gold) and len(random):
        below = np.sort(random)
        auc = float((np.searchsorted(below, gold, "left") + np.searchsorted(below, gold, "right")).mean() / 2 / len(random))
        spread = np.sqrt((gold.var(dtype=np.float64) + random.var(dtype=np.float64)) / 2)
        d_prime = float((gold.mean(dtype=np.float64) - random.mean(dtype=np.float64)) / spread) if spread else np.nan
    return Separation(edges, np.histogram(gold, edges)[0], np.histogram(random, edges)[0], gold, random, auc, d_prime)


def _cosines(queries: np.ndarray, chunks: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    cosines = np.empty(len(pairs), np.float32)
    step = max(1, _BLOCK // max(1, queries.shape[1]))
    for start in range(0, len(pairs), step):
        a, b = queries[pairs[start : start + step, 0]], chunks[pairs[start : start + step, 1]]
        lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        cosines[start : start + step] = np.einsum("ij,ij->i", a, b) / np.where(lengths > 0, lengths, 1)
    return cosines
