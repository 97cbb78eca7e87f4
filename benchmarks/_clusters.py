"""Synthetic vectors about as hard to search as an encoder's: a seeded mixture of Gaussians on the unit sphere.

A cluster's centre is drawn from a Gaussian whose spectrum falls as an encoder's does, around a common direction; its
vectors spread in 32 directions of its own, and a little in all. Clusters differ in size (Zipf). All is turned at random,
so that no coordinate is special to a product quantiser. There are as many clusters for each vector at any size, so that a
larger set is not an easier one: each block has its own. `benchmarks.index` measures how hard they are beside MedQuAD's.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np

DIM = 384
BLOCK = 20_000  # vectors made at a time
PER_CLUSTER = 32  # vectors, on average
FALL = 0.5  # direction i of the centres deviates i^-0.5 as much as the first
COMMON, WITHIN, NOISE = 0.45, 0.9, 0.15  # lengths of a vector's parts; its centre's own part is about 1 long
DIRECTIONS = 32


def blocks(num: int, seed: int = 0) -> Iterator[np.ndarray]:
    """Vectors [num, DIM] float32 of length 1, in blocks."""
    for number, size in enumerate(_sizes(num)):
        yield _drawn(size, size, seed, number, 0)


def queries(num: int, among: int, seed: int = 0) -> np.ndarray:
    """Questions [num, DIM] float32 out of the clusters of `among` vectors; none of them is one of the vectors."""
    sizes = _sizes(among)
    shares = [len(part) for part in np.array_split(np.arange(num), len(sizes))]
    return np.concatenate([_drawn(share, size, seed, b, 1) for b, (share, size) in enumerate(zip(shares, sizes, strict=True))])


def _sizes(num: int) -> list[int]:
    return [min(BLOCK, num - first) for first in range(0, num, BLOCK)]


def _drawn(num: int, among: int, seed: int, block: int, stream: int) -> np.ndarray:
    """[num, DIM] float32 from the clusters of block `block`, which holds `among` vectors."""
    spectrum, common, turned = _common(seed)
    rng = np.random.default_rng([seed, block])
    clusters = max(1, among // PER_CLUSTER)
    centres = rng.standard_normal((clusters, DIM), np.float32) * spectrum + common
    own = np.argsort(rng.random((clusters, DIM), np.float32), axis=1)[:, :DIRECTIONS]
    share = np.arange(1, clusters + 1) ** -0.5

    rng = np.random.default_rng([seed, block, stream])
    cluster = rng.choice(clusters, num, p=share / share.sum())
    vectors = centres[cluster] + NOISE * spectrum * rng.standard_normal((num, DIM), np.float32)
    spread = rng.standard_normal((num, DIRECTIONS), np.float32) * np.float32(WITHIN / DIRECTIONS**0.5)
    np.put_along_axis(vectors, own[cluster], np.take_along_axis(vectors, own[cluster], 1) + spread, 1)
    vectors = vectors @ turned
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@cache
def _common(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What all blocks share: deviation in each direction [DIM], the common direction [DIM], the rotation [DIM, DIM]."""
    rng = np.random.default_rng(seed)
    spectrum = np.arange(1, DIM + 1) ** -FALL
    common = rng.standard_normal(DIM, np.float32)
    turned = np.linalg.qr(rng.standard_normal((DIM, DIM)))[0]
    return (
        (spectrum / np.linalg.norm(spectrum)).astype(np.float32),
        COMMON * common / np.linalg.norm(common),
        turned.astype(np.float32),
    )
