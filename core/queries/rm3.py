"""RM3: the words of the best chunks join the question."""

from typing import Any, ClassVar, Literal

import numpy as np

from core.config import knob
from core.queries.protocol import QueryTransform
from core.records import Candidates
from core.registry import part
from core.retrieval.tokens import Tokens
from core.retrieval.top import best


@part("query")
class RM3(QueryTransform):
    """The question for BM25 with weighted words of the chunks that it finds first (pseudo-relevance feedback).

    A first search finds `documents` chunks. Each gives its most frequent words, as shares that sum to 1, times its score; the
    `terms` heaviest in all, as shares again, are mixed with the question's own. Words of one letter or over 20, with signs
    other than letters and digits, or in more chunks than `common` says bring nothing in. Choose it where questions and
    documents use different words for one thing and the first chunks are good; where they are not, the question drifts. The
    dense search is asked the question as it is.
    Source: Lavrenko and Croft 2001, "Relevance-Based Language Models", method 1; Abdul-Jaleel et al. 2004, "UMass
    at TREC 2004: Novelty and HARD", for the mixture; shares, filters and defaults as in Anserini (Rm3Reranker).
    """

    part: Literal["rm3"] = "rm3"
    title: ClassVar[str] = "RM3"
    terms: int = knob(10, "Words that are added. More reach further, and drift further.", unit="words", ge=1, le=200)
    documents: int = knob(10, "Chunks of the first search that give words.", unit="chunks", ge=1, le=100)
    weight: float = knob(
        0.5, "Share of the question's own words: 1 leaves it as it is, 0 asks the added words alone.", ge=0.0, le=1.0, step=0.05
    )
    common: float = knob(
        0.1, "A word in more than this share of all chunks is not added: it tells nothing apart.", gt=0.0, le=1.0, step=0.01
    )

    def search_sparse(
        self, searcher: Any, questions: Tokens, chunks: Tokens, depth: int, ties: np.ndarray | None = None
    ) -> Candidates:
        asked = self.expanded(searcher, questions, chunks, ties)
        rows = [best(_scores(searcher, chunks, words)[None], depth, ties) for words in asked]
        width = min(depth, len(chunks))
        if not rows:
            return Candidates(np.empty((0, width), np.int32), np.empty((0, width), np.float32))
        return Candidates(np.concatenate([row.chunk for row in rows]), np.concatenate([row.score for row in rows]))

    def expanded(
        self, searcher: Any, questions: Tokens, chunks: Tokens, ties: np.ndarray | None = None
    ) -> list[dict[str, float]]:
        """The words that are asked in each question's place, with their weights."""
        first, allowed, mixed = searcher.search(questions, self.documents, ties), self._allowed(chunks), []
        for row, (chunk, score) in enumerate(zip(first.chunk, first.score, strict=True)):
            mine = slice(questions.start[row], questions.start[row + 1])
            own = {questions.vocabulary[t]: n for t, n in zip(questions.term[mine], questions.count[mine], strict=True)}
            added = self._feedback(chunks, allowed, chunk[chunk >= 0], score[chunk >= 0])
            share = self.weight if added else 1.0
            mixed.append(_sum((share, _shares(own)), (1 - share, added)))
        return mixed

    def _allowed(self, chunks: Tokens) -> np.ndarray:
        """Which words may be added [num_terms] bool."""
        plain = np.array([2 <= len(word) <= 20 and word.isalnum() for word in chunks.vocabulary], bool)
        return plain & (np.diff(chunks.postings.start) <= self.common * len(chunks))

    def _feedback(self, chunks: Tokens, allowed: np.ndarray, chosen: np.ndarray, scores: np.ndarray) -> dict[str, float]:
        total: dict[int, float] = {}
        for chunk, score in zip(chosen, scores.astype(np.float64), strict=True):
            part_ = slice(chunks.start[chunk], chunks.start[chunk + 1])
            counts = {t: n for t, n in zip(chunks.term[part_].tolist(), chunks.count[part_].tolist(), strict=True) if allowed[t]}
            for term, share in _shares(self._heaviest(counts)).items():
                total[term] = total.get(term, 0.0) + share * score
        return {chunks.vocabulary[term]: share for term, share in _shares(self._heaviest(total)).items()}

    def _heaviest(self, weights: dict[int, float]) -> dict[int, float]:
        """The `terms` largest; of equal ones the first in the vocabulary, which is sorted."""
        return dict(sorted(weights.items(), key=lambda item: (-item[1], item[0]))[: self.terms])


def _shares(weights: dict[Any, float]) -> dict[Any, float]:
    total = sum(weights.values())
    return {key: weight / total for key, weight in weights.items()} if total > 0 else {}


def _sum(*parts: tuple[float, dict[str, float]]) -> dict[str, float]:
    mixed: dict[str, float] = {}
    for share, weights in parts:
        for word, weight in weights.items():
            mixed[word] = mixed.get(word, 0.0) + share * weight
    return {word: weight for word, weight in mixed.items() if weight > 0}


def _scores(searcher: Any, chunks: Tokens, weights: dict[str, float]) -> np.ndarray:
    """[num_chunks] float32, -inf where a chunk has none of the words: the weighted sum of what each word scores by itself,
    which every retriever that adds words up can say."""
    words = sorted(weights.keys() & chunks.term_number.keys())
    each = np.arange(len(words), dtype=np.int32)
    single = Tokens(np.arange(len(words) + 1, dtype=np.int32), each, np.ones(len(words), np.int32), words)
    scores = np.array([weights[word] for word in words]) @ searcher.scores(single) if words else np.zeros(len(chunks))
    start, text, _ = chunks.postings
    has = np.zeros(len(chunks), bool)
    for word in words:
        term = chunks.term_number[word]
        has[text[start[term] : start[term + 1]]] = True
    return np.where(has, scores, -np.inf).astype(np.float32)
