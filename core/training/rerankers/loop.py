"""The steps of a reranker's training: the model, its optimiser, and how it ranks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from core.models import hardware
from core.models.all_cores import on_all_cores, workers_alone
from core.reranking.bert_pairs import BertPairs, PairTokens
from core.training.rerankers.lists import List, TrainingLists
from core.training.rerankers.model import LowRank, list_loss
from core.training.steps import WEIGHT_DECAY, TrainingSteps

LISTS_AT_ONCE = 2  # of one core's share of a step: fixed, so that a step is the same on any number of cores
SEQUENCES_AT_ONCE = 16  # of an evaluation


class ListLoop(TrainingSteps):
    """The reranker as it learns."""

    remedy = "Lower learning_rate or raise warmup"

    def __init__(
        self, config: Any, base: Path, corpus: Any, texts: list[str], lists: TrainingLists, work: Path, mark: str
    ) -> None:
        import torch

        super().__init__(config, lists.steps, "mrr", work, mark)
        self._lists, self._base = lists, base
        self.model = LowRank(base, config.lora_rank, config.layers, config.seed)
        self._weights = trained = self.model.trained
        decayed = [tensor for name, tensor in trained.items() if not name.endswith("bias")]
        plain = [tensor for name, tensor in trained.items() if name.endswith("bias")]
        self._optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": plain, "weight_decay": 0.0}], lr=0.0
        )
        self._tokens = PairTokens(base, config.max_tokens)
        self._passages = self._tokens.ids(texts)
        self._questions = self._tokens.ids([query.text for query in corpus.queries])

    def _learn(self) -> tuple[float, Callable[[], None]]:
        import torch

        lists = self._lists.batch(self.step)
        leaves = self.model.leaves()
        shares = [lists[i : i + LISTS_AT_ONCE] for i in range(0, len(lists), LISTS_AT_ONCE)]

        def learn(share: list[List]) -> tuple[float, dict[str, Any]]:
            with torch.enable_grad():
                scores = self.model.scores(leaves, [self._sequence(some.row, chunk) for some in share for chunk in some.chunk])
                loss = list_loss(self.config.loss, scores, [some.gold for some in share]) / len(lists)
            return float(loss.detach()), self.model.gradients(leaves, loss)

        pool, workers = workers_alone()
        done = dict(on_all_cores(pool, workers, learn, enumerate(shares)))

        def backward() -> None:
            total = {name: sum(done[i][1][name].float() for i in range(len(shares))) for name in done[0][1]}
            for name, gradient in self.model.divided(total).items():
                self._weights[name].grad = gradient

        return sum(done[i][0] for i in range(len(shares))), backward

    def _sequence(self, row: int, chunk: int) -> tuple[np.ndarray, int]:
        """The first window of the pair."""
        return self._tokens.windows(self._questions[row], self._passages[chunk])[0]

    def _measured(self) -> dict[str, float]:
        values = measure(self._lists.validation, self.rank(self._lists.validation))
        return {name: round(float(value), 6) for name, value in zip(MEASURES, values.mean(axis=0), strict=True)}

    def rank(self, lists: list[List]) -> list[np.ndarray]:
        """Scores of the passages of each list as the model is now."""
        model = BertPairs(self._base, hardware.fast_dtype(), "cpu", self.model.merged())
        pairs = [(row, chunk) for row, some in enumerate(lists) for chunk in some.chunk]
        sequences = [self._sequence(lists[row].row, chunk) for row, chunk in pairs]
        order = np.array(sorted(range(len(pairs)), key=lambda i: -len(sequences[i][0])))
        shares = [order[i : i + SEQUENCES_AT_ONCE] for i in range(0, len(order), SEQUENCES_AT_ONCE)]
        pool, workers = workers_alone()
        work = ((share, [sequences[i] for i in share]) for share in shares)
        scores = np.empty(len(pairs), np.float32)
        for share, some in on_all_cores(pool, workers, model.scores, work):
            scores[share] = some
        return np.split(scores, np.cumsum([len(some.chunk) for some in lists])[:-1])


MEASURES = ("mrr", "hit")


def measure(lists: list[List], scores: list[np.ndarray]) -> np.ndarray:
    """Reciprocal rank of the first evidence, and whether it stands first [num_lists, 2]; 0 where the list has none."""
    rows = []
    for some, values in zip(lists, scores, strict=True):
        hits = np.flatnonzero(some.gold[np.argsort(-values, kind="stable")])
        rows.append((1 / (1 + hits[0]), float(hits[0] == 0)) if len(hits) else (0.0, 0.0))
    return np.array(rows)
