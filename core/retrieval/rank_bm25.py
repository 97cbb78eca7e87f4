"""BM25 by the package rank-bm25."""

from typing import Literal

import numpy as np

from core.config import knob
from core.records import Candidates
from core.registry import part
from core.retrieval.tokens import Lexical, Tokens
from core.retrieval.top import best

LEAST_K1 = 1e-9  # at 0 the package divides 0 by 0 for every chunk that lacks a term of the question


@part("sparse")
class RankBM25(Lexical):
    """BM25Okapi of the package rank-bm25, one question after the other.

    Choose it only to reproduce results that were made with that package: a question over 16,000 chunks takes hundreds
    of times as long as with `bm25s`, which gives the same scores with variant atire and idf rank_bm25.
    Source: Trotman, Puurula and Burgess 2014, "Improvements to BM25 and Language Models Examined", section 3 (ATIRE),
    with the package's own floor: a negative idf becomes epsilon times the mean idf.
    """

    part: Literal["rank_bm25"] = "rank_bm25"
    k1: float = knob(
        1.5,
        "How much repeats of a term add: 0 counts each term once, larger values count repeats more.",
        ge=0.0,
        le=5.0,
        step=0.05,
    )
    b: float = knob(
        0.75, "How strongly long chunks are held back: 0 not at all, 1 in proportion to their length.", ge=0.0, le=1.0, step=0.05
    )
    epsilon: float = knob(
        0.25, "Weight of terms that occur in most chunks, as a share of the mean idf.", ge=0.0, le=1.0, step=0.05
    )

    def build(self, tokens: Tokens) -> "OkapiSearcher":
        from rank_bm25 import BM25Okapi

        if not tokens.lengths.sum():  # the package divides by the number of terms
            return OkapiSearcher(None, len(tokens))
        words = [tokens.words(i) for i in range(len(tokens))]
        k1 = max(self.k1, LEAST_K1)
        return OkapiSearcher(BM25Okapi(words, k1=k1, b=self.b, epsilon=self.epsilon), len(tokens))


class OkapiSearcher:
    def __init__(self, okapi, num_chunks: int) -> None:
        self._okapi, self._num_chunks = okapi, num_chunks

    def scores(self, queries: Tokens) -> np.ndarray:
        """Every chunk's score for every query [num_queries, num_chunks] float64."""
        if self._okapi is None:
            return np.zeros((len(queries), self._num_chunks))
        rows = [self._row(queries, i) for i in range(len(queries))]
        return np.array(rows).reshape(len(queries), self._num_chunks)

    def search(self, queries: Tokens, depth: int, tie_order: np.ndarray | None = None) -> Candidates:
        """The best `depth` chunks of each query; chunks with no positive score are left out."""
        depth = min(depth, self._num_chunks)
        chunk = np.full((len(queries), depth), -1, np.int32)
        score = np.full((len(queries), depth), np.nan, np.float32)
        for row in range(len(queries) if self._okapi else 0):
            top = best(self._row(queries, row).astype(np.float32)[None], depth, tie_order, above=0)
            chunk[row], score[row] = top.chunk[0], top.score[0]
        return Candidates(chunk, score)

    def _row(self, queries: Tokens, row: int) -> np.ndarray:
        with np.errstate(invalid="ignore"):  # at b = 1 it divides 0 by 0 for chunks without a word
            return np.nan_to_num(self._okapi.get_scores(queries.words(row)))
