"""The steps of a reranker's training: what a step reads, and how the model ranks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.models import hardware
from core.reranking.bert_pairs import BertPairs, PairTokens
from core.training.low_rank import LowRankLoop, read_all
from core.training.rerankers.lists import List, TrainingLists
from core.training.rerankers.model import LowRank, list_loss

LISTS_AT_ONCE = 2  # of a share of a step


class ListLoop(LowRankLoop):
    """The reranker as it learns."""

    model: LowRank

    def __init__(
        self, config: Any, base: Path, corpus: Any, texts: list[str], lists: TrainingLists, work: Path, mark: str
    ) -> None:
        super().__init__(config, lists.steps, "mrr", work, mark)
        self._lists, self._base = lists, base
        self._take(LowRank(base, config.lora_rank, config.layers, config.seed), lambda name, _: not name.endswith("bias"))
        self._tokens = PairTokens(base, config.max_tokens)
        self._passages = self._tokens.ids(texts)
        self._questions = self._tokens.ids([query.text for query in corpus.queries])

    def _shares(self) -> list[list[List]]:
        lists = self._lists.batch(self.step)
        return [lists[i : i + LISTS_AT_ONCE] for i in range(0, len(lists), LISTS_AT_ONCE)]

    def _loss(self, leaves: dict[str, Any], share: list[List], step: Sequence[List]) -> Any:
        scores = self.model.scores(leaves, [self._sequence(some.row, chunk) for some in share for chunk in some.chunk])
        return list_loss(self.config.loss, scores, [some.gold for some in share]) / len(step)

    def _sequence(self, row: int, chunk: int) -> tuple[np.ndarray, int]:
        """The first window of the pair."""
        return self._tokens.windows(self._questions[row], self._passages[chunk])[0]

    def _measured(self) -> dict[str, float]:
        values = measure(self._lists.validation, self.rank(self._lists.validation))
        return {name: round(float(value), 6) for name, value in zip(MEASURES, values.mean(axis=0), strict=True)}

    def rank(self, lists: list[List]) -> list[np.ndarray]:
        """Scores of the passages of each list as the model is now."""
        model = BertPairs(self._base, hardware.fast_dtype(), "cpu", self.model.merged())
        scores = read_all(model.scores, [self._sequence(some.row, chunk) for some in lists for chunk in some.chunk])
        return np.split(np.array(scores, np.float32), np.cumsum([len(some.chunk) for some in lists])[:-1])


MEASURES = ("mrr", "hit")


def measure(lists: list[List], scores: list[np.ndarray]) -> np.ndarray:
    """Reciprocal rank of the first evidence, and whether it stands first [num_lists, 2]; 0 where the list has none."""
    rows = []
    for some, values in zip(lists, scores, strict=True):
        hits = np.flatnonzero(some.gold[np.argsort(-values, kind="stable")])
        rows.append((1 / (1 + hits[0]), float(hits[0] == 0)) if len(hits) else (0.0, 0.0))
    return np.array(rows)
