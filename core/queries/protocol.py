"""What every query transform is. `docs/adding_a_part.md` shows the smallest one, `tests/contract/test_queries.py` holds all."""

from collections.abc import Generator, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np

from core.config import PartConfig
from core.generation.model_texts import TextTools, untaught
from core.records import Candidates, Progress, Query


class Wording(NamedTuple):
    """What is asked in a question's place. Of several texts each is searched and the rankings are fused by RRF."""

    sparse: tuple[str, ...]
    dense: tuple[str, ...]  # read by the encoder as questions
    passages: tuple[str, ...] = ()  # searched with the dense ones, read by the encoder as passages
    note: str = ""  # why the question stands as it was; "": it does not


class QueryTransform(PartConfig):
    """Base of query transforms: other texts, or another way to search with them."""

    order: ClassVar[int] = 100
    asks_model: ClassVar[bool] = False  # its texts are written by the recipe's generator, and kept
    taught: ClassVar[bool] = False  # the adapter that ships with the bundled model learnt to write them
    fuses: ClassVar[bool] = False  # a question may be asked by several texts: its scores are then sums of reciprocal ranks

    def writer(self, generator: PartConfig) -> PartConfig:
        """What of the recipe's generator writes its texts."""
        return generator if self.taught else untaught(generator)

    def averages(self) -> bool:
        """Whether the vectors of a question's dense texts and passages are averaged, and not searched one by one."""
        return False

    def texts(self, queries: Sequence[Query], tools: TextTools) -> Generator[Progress, None, list[Wording]]:
        """What is asked in place of each question; never without a text for each retriever."""
        yield from ()
        return [as_it_stands(query) for query in queries]

    def search_sparse(self, searcher: Any, questions: Any, chunks: Any, depth: int, ties: np.ndarray) -> Candidates:
        """The best chunks of each question. questions, chunks: tokens, as the sparse retriever made them."""
        return searcher.search(questions, depth, ties)

    def expanded(self, searcher: Any, questions: Any, chunks: Any, ties: np.ndarray) -> list[dict[str, float]]:
        """The words that `search_sparse` asks in each question's place, with their weights; [] where it asks the question's own."""
        return []

    def search_dense(
        self, searcher: Any, questions: np.ndarray, chunks: np.ndarray, depth: int, ties: np.ndarray, settings: PartConfig
    ) -> Candidates:
        """The same for vectors [n, d] float32, both transformed; settings: of the search, the recipe's index."""
        return searcher.search(questions, depth, ties, settings=settings)


def as_it_stands(query: Query, note: str = "") -> Wording:
    """The question itself."""
    return Wording((query.text,), (query.text,), (), note)
