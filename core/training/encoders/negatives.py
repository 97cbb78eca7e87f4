"""Hard negatives for training a dual encoder: what BM25 mistakes for evidence, less what may well be evidence.

A mined chunk that answers the question after all is a false negative, and teaches the opposite of what is wanted.
Candidates are dropped that share a character with gold evidence (or have the text of a chunk that does), that hold an
answer's words, or that the start encoder puts almost as near to the question as the evidence itself.
Source: BM25 negatives as in Karpukhin et al. 2020, "Dense Passage Retrieval", section 3.2; the answer string as there;
the similarity limit as in Moreira et al. 2024, "NV-Retriever", section 3.2 (TopK-PercPos), after the denoising of Qu et
al. 2021, "RocketQA", section 3.2.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core.records import Candidates, Query
from core.retrieval.bm25_fast import BM25S


class Evidence(NamedTuple):
    """Which texts touch the evidence of which questions. Chunks of equal text share one number.

    text: [num_chunks] int64; pairs: sorted row * num_chunks + text of every (question, text that touches its evidence).
    """

    text: np.ndarray
    pairs: np.ndarray

    def touched(self, rows: np.ndarray, chunk: np.ndarray) -> np.ndarray:
        """Whether the chunk touches the question's evidence, elementwise after broadcasting; False for chunk -1."""
        return np.isin(rows * len(self.text) + self.text[chunk], self.pairs) & (chunk >= 0)


class Mined(NamedTuple):
    """negatives: [num_questions, depth] int32 chunks, most lexical overlap first, -1 behind. dropped: reason -> count."""

    negatives: np.ndarray
    dropped: dict[str, int]


def evidence(texts: list[str], rows: np.ndarray, chunk: np.ndarray) -> Evidence:
    """From the (question, chunk) pairs [n] in which the chunk shares a character with the question's evidence."""
    number: dict[str, int] = {}
    text = np.array([number.setdefault(string, len(number)) for string in texts], np.int64)
    return Evidence(text, np.unique(rows.astype(np.int64) * len(text) + text[chunk]))


def ranked_by_words(texts: Sequence[str], asked: Sequence[str], depth: int, ties: np.ndarray | None = None) -> Candidates:
    """What BM25 with its defaults finds for each question among the texts."""
    bm25 = BM25S()
    return bm25.build(bm25.tokenize(list(texts))).search(bm25.tokenize(list(asked)), depth, ties)


def mine(
    queries: Sequence[Query],
    rows: np.ndarray,
    texts: list[str],
    allowed: np.ndarray,
    touching: Evidence,
    question_vectors: np.ndarray,
    chunk_vectors: np.ndarray,
    positive: np.ndarray,
    depth: int,
    share: float,
) -> Mined:
    """Hard negatives of queries[rows] among the allowed chunks [num_chunks] bool.

    question_vectors [n, dim], chunk_vectors [num_chunks, dim]: of the start encoder, of length 1. positive [n]: the
    chunk each question is to find. A candidate above `share` of the positive's similarity is dropped.
    """
    chunks = np.flatnonzero(allowed)
    hits = ranked_by_words([texts[i] for i in chunks], [queries[row].text for row in rows], depth).chunk
    candidate = np.where(hits >= 0, chunks[hits], -1).astype(np.int32)
    return filtered(queries, rows, texts, candidate, touching, question_vectors, chunk_vectors, positive, share)


def filtered(
    queries: Sequence[Query],
    rows: np.ndarray,
    texts: list[str],
    candidate: np.ndarray,
    touching: Evidence,
    question_vectors: np.ndarray,
    chunk_vectors: np.ndarray,
    positive: np.ndarray,
    share: float,
) -> Mined:
    """Of these candidates [num_questions, depth] int32, -1 behind, those that are no evidence; otherwise as `mine`."""
    limit = share * np.einsum("nd,nd->n", question_vectors, chunk_vectors[positive])
    words: dict[int, str] = {}
    dropped = {"touches the evidence": 0, "holds the answer": 0, "too near to the question": 0}
    for i, row in enumerate(rows):
        some = candidate[i]
        touches = touching.touched(row, some)
        answers = [f" {_words(answer)} " for answer in queries[row].answers if _words(answer)]
        holds = np.zeros(len(some), bool)
        for place, chunk in enumerate(some) if answers else ():
            text = words.setdefault(chunk, f" {_words(texts[chunk])} ")
            holds[place] = chunk >= 0 and any(answer in text for answer in answers)
        near = chunk_vectors[some] @ question_vectors[i] > limit[i]
        for reason, out in zip(dropped, (touches, holds & ~touches, near & ~touches & ~holds), strict=True):
            dropped[reason] += int((out & (some >= 0)).sum())
        hard = some[~(touches | holds | near) & (some >= 0)]
        candidate[i] = np.pad(hard, (0, len(some) - len(hard)), constant_values=-1)
    return Mined(candidate, dropped)


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
