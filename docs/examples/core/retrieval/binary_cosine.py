from typing import Literal

import numpy as np

from core.records import Candidates
from core.registry import part
from core.retrieval.tokens import Lexical, Tokens
from core.retrieval.top import best


@part("sparse")
class BinaryCosine(Lexical):
    """Terms that question and chunk share, over the root of the chunk's number of terms. Choose it as the plainest baseline.

    Salton and McGill 1983, "Introduction to Modern Information Retrieval", chapter 4 (cosine of binary vectors).
    """

    part: Literal["binary_cosine"] = "binary_cosine"

    def build(self, tokens: Tokens) -> "SharedTerms":
        return SharedTerms(tokens)


class SharedTerms:
    def __init__(self, tokens: Tokens) -> None:
        self._tokens, self._terms = tokens, np.maximum(np.diff(tokens.start), 1)

    def scores(self, queries: Tokens) -> np.ndarray:
        start, text, _ = self._tokens.postings
        shared = np.zeros((len(queries), len(self._tokens)))
        for row in range(len(queries)):
            for word in set(queries.words(row)) & self._tokens.term_number.keys():
                term = self._tokens.term_number[word]
                shared[row, text[start[term] : start[term + 1]]] += 1
        return shared / np.sqrt(self._terms)

    def search(self, queries: Tokens, depth: int, tie_order: np.ndarray | None = None) -> Candidates:
        return best(self.scores(queries).astype(np.float32), depth, tie_order, above=0)
