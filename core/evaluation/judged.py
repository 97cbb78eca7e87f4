"""Rankings judged against gold spans: the ranks from which every metric is computed.

A chunk covers a gold span when the characters they share are at least `overlap` of the shorter of the two. A unit of
evidence is found by the first chunk that covers one of its spans. A later chunk that covers only units already found
brings nothing new: it counts as relevant for precision, and has no gain for recall, MAP and nDCG. A chunk that covers
several new units brings all of them. Where each relevant chunk covers one unit of its own, as with document-level
judgements on whole documents, all this is trec_eval's definition.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from core.records import Candidates, Chunks, Corpus
from core.retrieval.pool import Pool, make_pool

NOT_FOUND = np.int32(2**31 - 1)  # the rank of what is not in the ranking
_BLOCK = 8_000_000  # scores compared at a time when ranks are counted


@dataclass(frozen=True, eq=False)
class Relevance:
    """Which chunks cover which units of which queries, for one corpus, chunking and overlap. Units have grade >= 1.

    unit_row, unit_grade [U] int32: query and grade of each unit, sorted by query, best grade first.
    pair_row, pair_chunk [H] int32: the distinct (query, relevant chunk), sorted.
    entry_unit, entry_pair [E] int32: unit entry_unit[i] is covered by the chunk of pair entry_pair[i]; sorted by unit.
    """

    num_queries: int
    unit_row: np.ndarray
    unit_grade: np.ndarray
    pair_row: np.ndarray
    pair_chunk: np.ndarray
    entry_unit: np.ndarray
    entry_pair: np.ndarray

    @cached_property
    def units(self) -> np.ndarray:
        """Units of each query [num_queries] int64; 0: nothing to find, so nothing can be measured."""
        return np.bincount(self.unit_row, minlength=self.num_queries)

    @cached_property
    def unit_place(self) -> np.ndarray:
        """Place of each unit among its query's, best grade first, from 1 [U] int64: its rank in the ideal ranking."""
        first = np.concatenate([[0], np.cumsum(self.units)])
        return np.arange(len(self.unit_row)) - first[self.unit_row] + 1


@dataclass(frozen=True, eq=False)
class Judged:
    """Where a ranking has the relevant chunks; all that metrics need. Ranks count from 1, or are NOT_FOUND.

    hit_row, hit_rank [H] int32: query and rank of each distinct relevant chunk in the ranking, sorted.
    unit_rank [U] int32: rank of the first chunk that covers the unit, in the order of relevance.unit_row.
    first_rank [Q] int32: rank of the first relevant chunk of each query.
    """

    relevance: Relevance
    hit_row: np.ndarray
    hit_rank: np.ndarray
    unit_rank: np.ndarray
    first_rank: np.ndarray

    @cached_property
    def measured(self) -> np.ndarray:
        """Which queries have something to find [Q] bool."""
        return self.relevance.units > 0

    @cached_property
    def found_so_far(self) -> np.ndarray:
        """For each unit: how many units of its query are found at its rank or before [U] int64."""
        order = np.lexsort((self.unit_rank, self.relevance.unit_row))
        row, rank = self.relevance.unit_row[order], self.unit_rank[order]
        first = np.concatenate([[0], np.cumsum(self.relevance.units)])[row]
        last_of_tie = np.ones(len(order), bool)
        last_of_tie[:-1] = (row[1:] != row[:-1]) | (rank[1:] != rank[:-1])
        ends = np.flatnonzero(last_of_tie)
        place = ends[np.searchsorted(ends, np.arange(len(order)))] - first + 1
        result = np.empty(len(order), np.int64)
        result[order] = place
        return result

    def per_query(self, rows: np.ndarray, amounts: np.ndarray | None = None) -> np.ndarray:
        """Sums `amounts` (None: counts) by query [Q] float64, NaN for queries without gold evidence."""
        sums = np.bincount(rows, amounts, minlength=self.relevance.num_queries).astype(np.float64, copy=False)
        return np.where(self.measured, sums, np.nan)


def relevance(corpus: Corpus, chunks: Chunks, overlap: float) -> Relevance:
    """Looks up which chunks cover the gold spans of all queries."""
    number = {document.id: i for i, document in enumerate(corpus.documents)}
    spans = [
        (row, gold.unit, gold.grade, number.get(gold.document_id, -1), gold.start, gold.end)
        for row, query in enumerate(corpus.queries)
        for gold in query.relevant
    ]
    row, unit, grade, document, start, end = np.array(spans, np.int64).reshape(-1, 6).T
    unit_row, unit_grade, unit_of_span = _units(row, unit, grade)
    span, chunk = _covering(chunks, document, start, end, overlap)
    pairs, pair_of = np.unique(np.stack([row[span], chunk], axis=1), axis=0, return_inverse=True)
    entries = np.unique(np.stack([unit_of_span[span], pair_of.ravel()], axis=1), axis=0)
    columns = (unit_row, unit_grade, pairs[:, 0], pairs[:, 1], entries[:, 0], entries[:, 1])
    return Relevance(len(corpus.queries), *(column.astype(np.int32) for column in columns))


def _units(row: np.ndarray, unit: np.ndarray, grade: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct units by query and falling grade (the best of their spans): their rows, grades, and each span's unit."""
    distinct, of_span = np.unique(np.stack([row, unit], axis=1), axis=0, return_inverse=True)
    best = np.zeros(len(distinct), np.int64)
    np.maximum.at(best, of_span.ravel(), grade)
    order = np.lexsort((-best, distinct[:, 0]))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return distinct[order, 0], best[order], place[of_span.ravel()]


def _covering(
    chunks: Chunks, document: np.ndarray, start: np.ndarray, end: np.ndarray, overlap: float
) -> tuple[np.ndarray, np.ndarray]:
    """(span, chunk) pairs in which the chunk covers the span [start, end) of the document (-1: not in the corpus)."""
    wide = int(max(chunks.end.max(initial=0), end.max(initial=0))) + 1  # one number line for all documents
    order = np.lexsort((chunks.start, chunks.document))
    base = chunks.document[order].astype(np.int64) * wide
    chunk_start = base + chunks.start[order]
    furthest_end = np.maximum.accumulate(base + chunks.end[order])  # ends need not rise, their running maximum does
    first = np.searchsorted(furthest_end, document * wide + start, side="right")
    last = np.searchsorted(chunk_start, document * wide + end, side="left")
    first = np.maximum(first, np.searchsorted(chunk_start, document * wide, side="left"))
    width = np.where(document >= 0, np.maximum(last - first, 0), 0)
    span = np.repeat(np.arange(len(document)), width)
    within = np.arange(len(span)) - np.repeat(np.cumsum(width) - width, width)
    chunk = order[np.repeat(first, width) + within]
    shared = np.minimum(chunks.end[chunk], end[span]) - np.maximum(chunks.start[chunk], start[span])
    shorter = np.minimum(chunks.end[chunk] - chunks.start[chunk], end[span] - start[span])
    covers = (shared > 0) & (shared / np.maximum(shorter, 1) >= overlap)
    return span[covers], chunk[covers]


def judge(pool: Pool, scores: np.ndarray, relevance: Relevance, top_k: int) -> Judged:
    """Judges the ranking of the pool by fused scores [Q, P], cut at top_k. No ranking is sorted: ranks are counted."""
    pair, row, column = pool.once("relevant", lambda: _places(pool, relevance), of=relevance)
    rank = np.full(len(relevance.pair_row), NOT_FOUND)
    rank[pair] = _ranks(scores, row, column)
    rank[rank > top_k] = NOT_FOUND
    return _judged(relevance, rank)


def judge_rankings(corpus: Corpus, rankings: Sequence[Sequence[tuple[str, int, int]]], overlap: float, top_k: int) -> Judged:
    """Judges stored rankings: for each query of the corpus the spans (document id, start, end), best first.

    Gives the same Judged, and so the same metrics, as judging the pool that the rankings were made from.
    """
    number = {document.id: i for i, document in enumerate(corpus.documents)}
    depth = max([top_k, *map(len, rankings)])
    spans = np.array([(number.get(d, -1), s, e) for ranking in rankings for d, s, e in ranking], np.int64)
    distinct, of_span = np.unique(spans.reshape(-1, 3), axis=0, return_inverse=True)
    lengths = np.array([len(ranking) for ranking in rankings], np.int64)
    row = np.repeat(np.arange(len(rankings)), lengths)
    place = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    chunk = np.full((len(rankings), depth), -1, np.int32)
    chunk[row, place] = of_span.ravel()
    scores = np.where(chunk >= 0, -np.arange(depth, dtype=np.float32), np.float32(np.nan))
    pool = make_pool({"stored": Candidates(chunk, scores)}, np.arange(len(distinct), dtype=np.int32))
    columns = [column.astype(np.int32) for column in distinct.T]
    chunks = Chunks(*columns, tokens=np.zeros(len(distinct), np.int32))
    return judge(pool, np.nan_to_num(pool.score["stored"], nan=-np.inf), relevance(corpus, chunks, overlap), top_k)


def _places(pool: Pool, relevance: Relevance) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pairs that are in the pool, with their row and column there."""
    wide = int(max(pool.chunk.max(initial=0), relevance.pair_chunk.max(initial=0))) + 1
    row, column = np.nonzero(pool.chunk >= 0)
    cell = row * wide + pool.chunk[row, column]
    order = np.argsort(cell)
    wanted = relevance.pair_row.astype(np.int64) * wide + relevance.pair_chunk
    place = np.searchsorted(cell, wanted, sorter=order)
    pooled = place < len(cell)
    pooled[pooled] = cell[order[place[pooled]]] == wanted[pooled]
    at = order[place[pooled]]
    return np.flatnonzero(pooled), row[at], column[at]


def _ranks(scores: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Rank of each cell in its row [n] int32: 1 + larger scores + equal scores in later columns."""
    rank = np.full(len(row), NOT_FOUND)
    columns = np.arange(scores.shape[1], dtype=np.int32)
    step = max(1, _BLOCK // max(scores.shape[1], 1))
    for part in (slice(i, i + step) for i in range(0, len(row), step)):
        of_row = scores[row[part]]
        own = scores[row[part], column[part]][:, None]
        above = np.count_nonzero(of_row > own, axis=1)
        tied = np.flatnonzero(np.count_nonzero(of_row == own, axis=1) > 1)
        later = columns > column[part][tied, None]
        above[tied] += np.count_nonzero((of_row[tied] == own[tied]) & later, axis=1)
        rank[part] = np.where(own[:, 0] > -np.inf, above + 1, NOT_FOUND)
    return rank


def _judged(relevance: Relevance, rank: np.ndarray) -> Judged:
    unit_rank = np.full(len(relevance.unit_row), NOT_FOUND)
    first_rank = np.full(relevance.num_queries, NOT_FOUND)
    if len(relevance.entry_unit):
        unit, start = np.unique(relevance.entry_unit, return_index=True)
        unit_rank[unit] = np.minimum.reduceat(rank[relevance.entry_pair], start)
        row, start = np.unique(relevance.pair_row, return_index=True)
        first_rank[row] = np.minimum.reduceat(rank, start)
    hit = np.flatnonzero(rank < NOT_FOUND)
    hit = hit[np.lexsort((rank[hit], relevance.pair_row[hit]))]
    return Judged(relevance, relevance.pair_row[hit], rank[hit], unit_rank, first_rank)
