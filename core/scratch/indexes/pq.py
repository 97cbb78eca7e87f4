"""Product quantisation: a vector as m bytes, and distances to it read from a table.

A vector is cut into m pieces, and each piece is replaced by the number of the nearest of 2^nbits codewords, learnt by
k-means on that piece. 384 floats (1,536 bytes) become 32 bytes; m codebooks of 256 words tell 256^m vectors apart, which
one k-means could never learn. The query stays exact (asymmetric distance computation, ADC): its distance to every
codeword is computed once, then each vector costs m look-ups and additions.
Source: Jégou, Douze and Schmid 2011, "Product quantization for nearest neighbor search", sections II.B (codes) and
III.A (ADC, equation 13).
"""

from dataclasses import dataclass

import numpy as np

from core.index.common import allowed
from core.records import Candidates
from core.scratch.indexes.distance import Metric, nearest
from core.scratch.indexes.kmeans import assign, kmeans


@dataclass(frozen=True)
class ProductQuantiser:
    """codebooks [m, words, dim / m] float32."""

    codebooks: np.ndarray

    def pieces(self, vectors: np.ndarray) -> np.ndarray:
        """[n, dim] -> [m, n, dim / m]"""
        return vectors.reshape(len(vectors), len(self.codebooks), -1).swapaxes(0, 1)

    def encode(self, vectors: np.ndarray) -> np.ndarray:
        """Codes of vectors [n, dim]: the nearest codeword of each piece [n, m] uint8."""
        words = [assign(piece, book)[0] for piece, book in zip(self.pieces(vectors), self.codebooks, strict=True)]
        return np.stack(words, 1).astype(np.uint8)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """The vectors that codes [n, m] stand for [n, dim] float32."""
        return self.codebooks[np.arange(len(self.codebooks)), codes].reshape(len(codes), -1)

    def tables(self, query: np.ndarray, metric: Metric) -> np.ndarray:
        """Distance of each piece of a query [dim] to each codeword [m, words]. Squared distances and dot products of
        pieces add up to those of the whole, which is what makes the look-up right."""
        pieces = self.pieces(query[None])  # [m, 1, dim / m]
        if metric != "l2":
            return -np.einsum("mwd,mud->mw", self.codebooks, pieces)  # [m, words]
        apart = self.codebooks - pieces  # [m, words, dim / m]
        return np.einsum("mwd,mwd->mw", apart, apart)


def train(vectors: np.ndarray, m: int, *, nbits: int = 8, seed: int = 0) -> ProductQuantiser:
    """Codebooks for vectors [n, dim] float32. nbits 8: a code is a byte, and 256 distances of a piece stay in cache."""
    dim, words = vectors.shape[1], 2**nbits
    if dim % m:
        raise allowed("m", m, [d for d in range(1, dim + 1) if dim % d == 0], f"it has to divide the {dim} dimensions")
    if not 1 <= nbits <= 8 or words > len(vectors):
        most = min(8, len(vectors).bit_length() - 1)
        raise allowed("nbits", nbits, f"1 to {most}", f"2^nbits codewords are learnt from {len(vectors)} vectors")
    cut = vectors.reshape(len(vectors), m, dim // m)  # [n, m, dim / m]
    books = [kmeans(np.ascontiguousarray(cut[:, i]), words, seed=seed + i).centroids for i in range(m)]
    return ProductQuantiser(np.stack(books))


def adc(tables: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Asymmetric distances (equation 13): tables [m, words], codes [n, m] -> [n] float32."""
    return tables[np.arange(len(tables)), codes].sum(1)  # [n, m] -> [n]


def search(pq: ProductQuantiser, codes: np.ndarray, queries: np.ndarray, depth: int, metric: Metric) -> Candidates:
    """The nearest codes [n, m] of each query [q, dim], all compared. For cosine the vectors are of length 1 before they
    are encoded; what a code stands for is shorter than that."""
    ids = np.arange(len(codes))
    return nearest([(ids, adc(pq.tables(query, metric), codes)) for query in queries], depth, metric)
