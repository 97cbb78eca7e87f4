"""BM25 by the formulas of bm25s, scored for all chunks at once."""

from itertools import pairwise
from typing import Literal

import numpy as np

from core.config import knob
from core.records import Candidates
from core.registry import part
from core.retrieval.tokens import Lexical, Tokens
from core.retrieval.top import best, best_of_one, ranked, reach

Variant = Literal["lucene", "robertson", "atire", "bm25l", "bm25+"]
_BLOCK = 2_000_000  # scores ranked at a time: 8 MB, and some more for sorting
_SIDE_BY_SIDE = 40_000  # chunks up to which several questions are ranked together; of more each is ranked alone
_FEW = 4  # where fewer than one in so many chunks hold a word of the question, only those are looked at
_LEAST = np.nextafter(np.float32(0), np.float32(1))  # a chunk with less has no scoring word
_SCORED = 1 << 20  # occurrences scored at a time


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
        # bm25l and bm25+ score a chunk without the term, too
        absent = idf * frequency_part(0, mean, **knobs) if self.variant in ("bm25l", "bm25+") else np.zeros(len(idf))
        scores, lengths = np.empty(len(text)), tokens.lengths
        borders = np.unique(np.searchsorted(start, [*range(0, len(text), _SCORED), len(text)]))
        for terms in (slice(a, b) for a, b in pairwise(borders)):  # whole terms
            part_, times = slice(start[terms.start], start[terms.stop]), document_frequency[terms]
            of_count = frequency_part(count[part_].astype(np.float64), lengths[text[part_]], **knobs)
            scores[part_] = np.repeat(idf[terms], times) * of_count - np.repeat(absent[terms], times)
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
        start, self._chunk, _ = tokens.postings
        self._start = start.tolist()  # plain numbers are read several times as fast
        self._score, self._absent, self._offsets = scores, absent, bool(absent.any())

    def scores(self, queries: Tokens) -> np.ndarray:
        """Every chunk's score for every query [num_queries, num_chunks] float64."""
        rows = [self._row(terms) + self._offset(terms) for terms in self._terms(queries)]
        return np.array(rows).reshape(len(queries), self._num_chunks)

    def search(self, queries: Tokens, depth: int, tie_order: np.ndarray | None = None) -> Candidates:
        """The best `depth` chunks of each query; chunks that share no scoring term with it are left out."""
        asked, depth = self._terms(queries), min(depth, self._num_chunks)
        side_by_side = len(asked) != 1 and self._num_chunks <= _SIDE_BY_SIDE
        candidates = (self._together if side_by_side else self._one_by_one)(asked, depth, tie_order)
        if not self._offsets:
            return candidates
        offsets = np.array([self._offset(terms) for terms in asked], np.float32)[:, None]
        return Candidates(candidates.chunk, candidates.score + offsets)

    def _together(self, asked: list[list[tuple[int, int]]], depth: int, tie_order: np.ndarray | None) -> Candidates:
        step = max(1, _BLOCK // max(self._num_chunks, 1))
        blocks = []
        for first in range(0, max(len(asked), 1), step):
            block = np.zeros((len(asked[first : first + step]), self._num_chunks), np.float32)
            for row, terms in zip(block, asked[first : first + step], strict=True):
                row[:] = self._row(terms)
            blocks.append(best(block, depth, tie_order, above=0))
        return Candidates(np.concatenate([f.chunk for f in blocks]), np.concatenate([f.score for f in blocks]))

    def _one_by_one(self, asked: list[list[tuple[int, int]]], depth: int, tie_order: np.ndarray | None) -> Candidates:
        chunk, score = np.full((len(asked), depth), -1, np.int32), np.full((len(asked), depth), np.nan, np.float32)
        for row, terms in enumerate(asked):
            if terms:
                some, scores = self._best(terms, depth, tie_order)
                chunk[row, : len(some)], score[row, : len(some)] = some, scores
        return Candidates(chunk, score)

    def _best(self, terms: list[tuple[int, int]], depth: int, tie_order: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """The best chunks of one question and their scores float32, as `best` ranks them, without looking at all chunks again and again."""
        holding, gains = self._occurrences(terms)
        sums = np.bincount(holding, gains, minlength=self._num_chunks)
        if _FEW * len(holding) >= self._num_chunks:
            return best_of_one(sums.astype(np.float32), depth, tie_order, above=0)
        scores = sums[holding].astype(np.float32)  # a chunk with several of the words stands here as often
        place = np.flatnonzero(scores >= max(reach(scores, depth * len(terms)), _LEAST))
        columns, first = np.unique(holding[place], return_index=True)
        return ranked(scores[place[first]], columns, depth, tie_order)

    def _terms(self, queries: Tokens) -> list[list[tuple[int, int]]]:
        """The (term, count) of each query that stand in some chunk."""
        number = [self._number.get(term, -1) for term in queries.vocabulary]
        terms = [number[term] for term in queries.term.tolist()]
        pairs = list(zip(terms, queries.count.tolist(), strict=True))
        start = queries.start.tolist()
        return [[pair for pair in pairs[a:b] if pair[0] >= 0] for a, b in pairwise(start)]

    def _row(self, terms: list[tuple[int, int]]) -> np.ndarray:
        """Scores of all chunks [num_chunks] float64, without what absent terms give."""
        return np.bincount(*self._occurrences(terms), minlength=self._num_chunks) if terms else np.zeros(self._num_chunks)

    def _occurrences(self, terms: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
        """Chunks that hold the terms, one after the other, int64, and what each gives float64."""
        parts = [(slice(self._start[term], self._start[term + 1]), count) for term, count in terms]
        # np.bincount takes int64 without a copy
        chunk = np.concatenate([self._chunk[part_] for part_, _ in parts], dtype=np.int64)
        return chunk, np.concatenate([self._score[part_] if count == 1 else self._score[part_] * count for part_, count in parts])

    def _offset(self, terms: list[tuple[int, int]]) -> float:
        return sum(self._absent[term] * count for term, count in terms)
