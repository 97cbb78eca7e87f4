"""BM25 by the formulas of bm25s, scored for all chunks at once."""

from typing import Literal

import numpy as np

from core.config import knob
from core.records import Candidates
from core.registry import part
from core.retrieval.tokens import Lexical, Tokens
from core.retrieval.top import inverse, pack, unpack

Variant = Literal["lucene", "robertson", "atire", "bm25l", "bm25+"]
_BLOCK = 4_000_000  # matched (query, chunk) pairs ranked at a time: some 100 MB
_POSITIVE = 1 << 32  # the smallest packed key of a score above 0


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
    k1: float = knob(1.5, "How much repeats of a term add: 0 counts each term once, larger values count repeats more.",
                     ge=0.0, le=5.0, step=0.05)  # fmt: skip
    b: float = knob(0.75, "How strongly long chunks are held back: 0 not at all, 1 in proportion to their length.",
                    ge=0.0, le=1.0, step=0.05)  # fmt: skip
    variant: Variant = knob("lucene", "Which published form of the term-frequency part is used.")
    idf: Literal["variant", "lucene", "robertson", "atire", "bm25l", "bm25+", "rank_bm25"] = knob(
        "variant", "Weight of rare terms: the variant's own, another variant's, or rank-bm25's with its floor."
    )
    delta: float = knob(0.5, "What an occurring term adds at least. Used by the variants bm25l and bm25+ only.",
                        ge=0.0, le=2.0, step=0.05)  # fmt: skip

    def build(self, tokens: Tokens) -> "BM25Searcher":
        import scipy.sparse as sparse
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
        shape = (len(document_frequency), len(tokens))
        return BM25Searcher(sparse.csr_array((scores, text, start), shape=shape), absent, tokens)

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
    """Term scores [num_terms, num_chunks], sparse float64, and what each absent term adds (0 for most variants)."""

    def __init__(self, term_scores, absent: np.ndarray, tokens: Tokens) -> None:
        self._term_scores, self._absent, self._number = term_scores, absent, tokens.term_number

    def scores(self, queries: Tokens) -> np.ndarray:
        """Every chunk's score for every query [num_queries, num_chunks] float64."""
        counts = self._counts(queries)
        return (counts @ self._term_scores).toarray() + (counts @ self._absent)[:, None]

    def search(self, queries: Tokens, depth: int, tie_order: np.ndarray | None = None) -> Candidates:
        """The best `depth` chunks of each query; chunks that share no scoring term with it are left out."""
        num_queries, num_chunks = len(queries), self._term_scores.shape[1]
        depth = min(depth, num_chunks)
        if tie_order is None:
            tie_order = np.arange(num_chunks, dtype=np.int32)
        counts = self._counts(queries)
        always = counts @ self._absent
        keys = np.full((num_queries, depth), -1, np.int64)  # below every key of a positive score
        matches = np.concatenate([[0], np.cumsum(counts.astype(bool) @ np.diff(self._term_scores.indptr))])
        first = 0
        while first < num_queries:
            last = max(first + 1, int(np.searchsorted(matches, matches[first] + _BLOCK, side="right")) - 1)
            scored = counts[first:last] @ self._term_scores
            block = pack(scored.data.astype(np.float32), tie_order[scored.indices])
            for row, (low, high) in enumerate(zip(scored.indptr[:-1], scored.indptr[1:], strict=True), first):
                _keep_best(block[low:high], keys[row])
            first = last
        found, position = unpack(keys)
        ranked = keys >= _POSITIVE
        chunk = inverse(tie_order)[np.where(ranked, position, 0)]
        total = found + always[:, None].astype(np.float32)
        return Candidates(np.where(ranked, chunk, np.int32(-1)), np.where(ranked, total, np.float32(np.nan)))

    def _counts(self, queries: Tokens):
        """How often each query holds each term of the chunks [num_queries, num_terms], sparse."""
        import scipy.sparse as sparse

        number = np.array([self._number.get(term, -1) for term in queries.vocabulary], np.int32)
        term = number[queries.term] if len(number) else queries.term
        known = term >= 0
        start = np.concatenate([[0], np.cumsum(known)])[queries.start]
        shape = (len(queries), self._term_scores.shape[0])
        return sparse.csr_array((queries.count[known].astype(np.float64), term[known], start), shape=shape)


def _keep_best(keys: np.ndarray, out: np.ndarray) -> None:
    """Writes the largest keys into `out`, largest first; what is left of `out` stays as it is."""
    if len(keys) > len(out):
        keys = np.partition(keys, len(keys) - len(out))[len(keys) - len(out) :]
    out[: len(keys)] = np.sort(keys)[::-1]
