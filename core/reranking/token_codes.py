"""Token vectors in a few bytes: a centroid's number and what the centroid leaves over, in 1, 2 or 4 bits a dimension.

A token [dim] is projected to `dimensions` numbers: the directions of most energy in a sample of the corpus' tokens, then a
random rotation, so that each number carries as much as the others and one set of levels serves them all. Of that it keeps
the nearest of the k-means centroids of the sample, and of each number of the residual the nearest of 2^bits levels, which
have the least squared error on the sample (Lloyd 1982). Read back, a vector is scaled to length 1; questions stay exact.

Santhanam et al. 2022, "ColBERTv2: Effective and Efficient Retrieval via Lightweight Late Interaction", arXiv:2112.01488,
section 3.3 (residual compression; there without projection, and with levels at the quantiles).
"""

import zlib
from typing import NamedTuple

import numpy as np

ROUNDS = 10  # of k-means, and of the levels
TOKENS_FITTED = 16_384
LEVELS_FITTED = 200_000  # numbers of residuals


class Quantiser(NamedTuple):
    projection: np.ndarray  # [dim, dimensions] float32, orthonormal columns
    centroids: np.ndarray  # [at most 65,536, dimensions] float32
    levels: np.ndarray  # [2^bits] float32, ascending

    @property
    def bits(self) -> int:
        return len(self.levels).bit_length() - 1

    @property
    def id_bytes(self) -> int:
        return 1 if len(self.centroids) <= 256 else 2

    @property
    def width(self) -> int:
        """Bytes of a token."""
        return self.id_bytes + self.centroids.shape[1] * self.bits // 8

    def digest(self) -> str:
        """Of its numbers: what another one wrote cannot be read with this one."""
        return f"{zlib.crc32(b''.join(array.tobytes() for array in self)):08x}"

    def encode(self, vectors: np.ndarray) -> np.ndarray:
        """Codes [n, width] uint8 of tokens [n, dim]: the number of the centroid, then the levels, the first in the lowest bits."""
        x = vectors @ self.projection
        nearest = assign(x, self.centroids)
        edges = (self.levels[1:] + self.levels[:-1]) / 2
        level = np.searchsorted(edges, x - self.centroids[nearest]).astype(np.uint8)  # [n, dimensions]
        shifts = np.arange(0, 8, self.bits, dtype=np.uint8)
        packed = (level.reshape(len(x), -1, len(shifts)) << shifts).sum(2, dtype=np.uint8)
        ids = nearest.astype("<u2").view(np.uint8).reshape(-1, 2)[:, : self.id_bytes]
        return np.concatenate([ids, packed], 1)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """The tokens that codes [n, width] stand for, [n, dimensions] float32, each of length 1."""
        ids = codes[:, : self.id_bytes].astype(np.uint16) @ np.array([1, 256][: self.id_bytes], np.uint16)
        x = self.byte_levels().take(codes[:, self.id_bytes :], 0).reshape(len(codes), -1)
        x += self.centroids.take(ids, 0)
        x /= np.maximum(np.sqrt(np.einsum("ij,ij->i", x, x)), 1e-12)[:, None]
        return x

    def byte_levels(self) -> np.ndarray:
        """The levels that each byte stands for: [256, 8 / bits] float32."""
        shifts = np.arange(0, 8, self.bits)
        return self.levels[np.arange(256)[:, None] >> shifts & (len(self.levels) - 1)]

    def questions(self, vectors: np.ndarray) -> np.ndarray:
        """Tokens of a question [n, dim] in the space of the decoded ones, unquantised."""
        return product(vectors, self.projection.T)


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a @ b.T by torch: in a thread that works alone nothing is shared out. numpy shares out what takes half a millisecond, and
    then waits, on a busy machine ten times as long as it works."""
    import torch

    return (torch.from_numpy(a) @ torch.from_numpy(b).T).numpy()


def fit(tokens: np.ndarray, dimensions: int, bits: int, centroids: int, seed: int = 0) -> Quantiser:
    """Of a sample of tokens [n, dim] float32 of length 1. The same sample gives the same one."""
    rng = np.random.default_rng(seed)
    if len(tokens) > TOKENS_FITTED:
        tokens = tokens[np.sort(rng.permutation(len(tokens))[:TOKENS_FITTED])]
    d = min(dimensions, tokens.shape[1] // 8 * 8)
    moment = tokens.T.astype(np.float64) @ tokens
    directions = np.linalg.eigh(moment)[1][:, ::-1][:, :d]
    rotation = np.linalg.qr(rng.normal(size=(d, d)))[0]
    projection = (directions @ rotation).astype(np.float32)
    x = tokens @ projection
    means = kmeans(x, min(centroids, len(x)), rng)
    residuals = (x - means[assign(x, means)]).ravel()
    return Quantiser(projection, means, lloyd(residuals[:: max(1, len(residuals) // LEVELS_FITTED)], 2**bits))


def kmeans(x: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Centroids [k, d] of [n, d] by Lloyd's algorithm, from k of the vectors; one without a vector stays where it is."""
    means = x[np.sort(rng.permutation(len(x))[:k])]
    for _ in range(ROUNDS):
        nearest = assign(x, means)
        order, filled = np.argsort(nearest, kind="stable"), np.unique(nearest)
        starts = np.searchsorted(nearest[order], filled)
        means = means.copy()
        means[filled] = np.add.reduceat(x[order], starts, axis=0) / np.bincount(nearest)[filled, None]
    return means.astype(np.float32)


def assign(x: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """The nearest centroid of each vector, [n] int64."""
    half, step = (centroids * centroids).sum(1) / 2, max(1, (1 << 22) // len(centroids))
    blocks = [(x[i : i + step] @ centroids.T - half).argmax(1) for i in range(0, len(x), step)]
    return np.concatenate([np.empty(0, np.int64), *blocks])


def lloyd(numbers: np.ndarray, count: int) -> np.ndarray:
    """So many levels [count] float32, ascending, of least squared error to the numbers: Lloyd's algorithm from their quantiles."""
    levels = np.quantile(numbers, (np.arange(count) + 0.5) / count)
    for _ in range(ROUNDS):
        nearest = np.searchsorted((levels[1:] + levels[:-1]) / 2, numbers)
        sums, counts = np.bincount(nearest, numbers, count), np.bincount(nearest, minlength=count)
        levels = np.where(counts > 0, sums / np.maximum(counts, 1), levels)
    return levels.astype(np.float32)
