"""BM25 by the formulas of bm25s, scored for all chunks at once."""

from itertools import pairwise
from typing import Literal

import numpy as np

from core.config import knob
from core.records import Candidates
from core.registry import part
from core.retrieval.tokens import Lexical, Tokens
from core.retrieval.top import best

Variant = Literal["lucene", "robertson", "atire", "bm25l", "bm25+"]
_BLOCK = 2_000_000  # scores ranked at a time: 8 MB, and some more for sorting


@part("sparse")
class BM25S(Lexical):
    """BM25 with precomputed scores for every term and chunk, in five variants. The retriever to start with.

    Choose it over `rank_bm25` always, except to reproduce numbers that were made with that package; with the variant
    atire and the idf rank_bm25 it gives that package's scores, some hundred times as fast.
    Formulas and tokeniser are those of the package bm25s; counts are kept, so that a new k1 or b only scores again.
    Source: Lù 2024, "BM25S: Orders of magnitude faster lexical search via eager sparse scoring" (arXiv 2407.03618),
    section 2; the variants as in Kamphuis et al. 2020, "Which BM25 do you mean?", table 1.
    """

    part: Literal["bm25s"] = "bm25s"
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
    variant: Variant = knob("lucene", "Which published form of the term-frequency part is used.")
    idf: Literal["variant", "lucene", "robertson", "atire", "bm25l", "bm25+", "rank_bm25"] = knob(
        "variant", "Weight of rare terms: the variant's own, another variant's, or rank-bm25's with its floor."
    )
    delta: float = knob(
        0.5, "What an occurring term adds at least. Used by the variants bm25l and bm25+ only.", ge=0.0, le=2.0, step=0.05
    )

    def build(self, tokens: Tokens) -> "BM25Searcher":
        from bm25s import scoring

        start, text, count = tokens.postings
        document_frequency = np.diff(start)
        idf = self._idf(document_frequency, len(tokens))
        frequency_part = scoring._select_tfc_scorer(self.variant)
        mean = tokens.lengths.mean() if len(text) else 1.0
        knobs = {"l_avg": mean, "k1": self.k1, "b": self.b, "delta": self.delta}
        scores = np.repeat(idf, document_frequency) * frequency_part(count, tokens.lengths[text], **knobs)
        absent = np.zeros(len(idf))
        if self.variant in ("bm25l", "bm25+"):  # these score a chunk without the term, too
            absent = idf * frequency_part(0, mean, **knobs)
            scores -= np.repeat(absent, document_frequency)
        return BM25Searcher(tokens, scores, absent)

    def _idf(self, document_frequency: np.ndarray, num_texts: int) -> np.ndarray:
        from bm25s import scoring

        if self.idf == "rank_bm25":
            return _floored_idf(document_frequency, num_texts)
        formula = scoring._select_idf_scorer(self.variant if self.idf == "variant" else self.idf)
        distinct, of = np.unique(document_frequency, return_inverse=True)
        return np.array([formula(int(df), N=num_texts) for df in distinct], np.float64)[of]


def _floored_idf(document_frequency: np.ndarray, num_texts: int) -> np.ndarray:
    """Robertson's idf, negative values replaced by a quarter of the mean idf: BM25Okapi of rank-bm25 0.2.2."""
    idf = np.log(num_texts - document_frequency + 0.5) - np.log(document_frequency + 0.5)
    return np.where(idf < 0, 0.25 * idf.mean(), idf) if len(idf) else idf


class BM25Searcher:
    """The score that each term gives to each chunk it is in, and what an absent term gives (0 for most variants)."""

    def __init__(self, tokens: Tokens, scores: np.ndarray, absent: np.ndarray) -> None:
        self._number, self._num_chunks = tokens.term_number, len(tokens)
        self._start, self._chunk, _ = tokens.postings
        self._score, self._absent = scores, absent

    def scores(self, queries: Tokens) -> np.ndarray:
        """Every chunk's score for every query [num_queries, num_chunks] float64."""
        rows = [self._row(terms) + self._offset(terms) for terms in self._terms(queries)]
        return np.array(rows).reshape(len(queries), self._num_chunks)

    def search(self, queries: Tokens, depth: int, tie_order: np.ndarray | None = None) -> Candidates:
        """The best `depth` chunks of each query; chunks that share no scoring term with it are left out."""
        asked = self._terms(queries)
        step = max(1, _BLOCK // max(self._num_chunks, 1))
        blocks = []
        for first in range(0, max(len(asked), 1), step):
            block = np.zeros((len(asked[first : first + step]), self._num_chunks), np.float32)
            for row, terms in zip(block, asked[first : first + step], strict=True):
                row[:] = self._row(terms)
            blocks.append(best(block, depth, tie_order, above=0))
        offsets = np.array([self._offset(terms) for terms in asked], np.float32)[:, None]
        return Candidates(np.concatenate([f.chunk for f in blocks]), np.concatenate([f.score for f in blocks]) + offsets)

    def _terms(self, queries: Tokens) -> list[list[tuple[int, int]]]:
        """The (term, count) of each query that stand in some chunk."""
        number = [self._number.get(term, -1) for term in queries.vocabulary]
        terms = [number[term] for term in queries.term.tolist()]
        pairs = list(zip(terms, queries.count.tolist(), strict=True))
        start = queries.start.tolist()
        return [[pair for pair in pairs[a:b] if pair[0] >= 0] for a, b in pairwise(start)]

    def _row(self, terms: list[tuple[int, int]]) -> np.ndarray:
        """Scores of all chunks [num_chunks] float64, without what absent terms give."""
        if not terms:
            return np.zeros(self._num_chunks)
        parts = [slice(self._start[term], self._start[term + 1]) for term, _ in terms]
        chunk = np.concatenate([self._chunk[part_] for part_ in parts])
        score = np.concatenate([self._score[part_] * count for part_, (_, count) in zip(parts, terms, strict=True)])
        return np.bincount(chunk, score, minlength=self._num_chunks)

    def _offset(self, terms: list[tuple[int, int]]) -> float:
        return sum(self._absent[term] * count for term, count in terms)
