"""What every sparse retriever is. `docs/adding_a_part.md` shows the smallest one, `tests/contract/test_sparse.py` holds all."""

from abc import abstractmethod
from typing import Any, Protocol

import numpy as np

from core.config import PartConfig
from core.records import Candidates


class SparseSearcher(Protocol):
    """What a sparse retriever builds."""

    def scores(self, queries: Any) -> np.ndarray:
        """Every chunk's score for every query [num_queries, num_chunks] float64."""

    def search(self, queries: Any, depth: int, tie_order: np.ndarray | None = None) -> Candidates:
        """The best `depth` chunks of each query; chunks that share no scoring term with it are left out."""


class SparseRetriever(PartConfig):
    """Base of sparse retrievers. Most derive from `Lexical` (tokens.py), which tokenises, and only write `build`."""

    @abstractmethod
    def text_key(self) -> tuple:
        """What `tokenize` depends on; parts with equal keys share tokens."""

    @abstractmethod
    def tokenize(self, texts: list[str]) -> Any:
        """The texts as `build` and the searcher read them; chunks and questions alike. Its length is theirs."""

    @abstractmethod
    def build(self, tokens: Any) -> SparseSearcher:
        """Searcher of the chunks' tokens; chunk i is text i."""
