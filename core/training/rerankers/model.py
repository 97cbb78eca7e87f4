"""The cross-encoder while it learns, and the losses of its lists."""

from typing import Any

import numpy as np

from core.reranking.bert_pairs import HEAD, judged
from core.training.low_rank import LowRankPairs


class LowRank(LowRankPairs):
    """A cross-encoder with one score."""

    def _start(self, width: int) -> dict[str, Any]:
        import torch

        start = {"classifier.weight": torch.zeros(1, width), "classifier.bias": torch.zeros(1)}
        return self._pooler(width) | start | {"gate.weight": torch.zeros(1, width)}

    def scores(self, leaves: dict[str, Any], sequences: list[tuple[np.ndarray, int]]) -> Any:
        """Scores [len(sequences)] float32 of (token ids, where the passage begins)."""
        import torch

        order, views = self.encoded(leaves, sequences)
        head = {name: leaves[name] for name in HEAD}
        scores = torch.cat([judged(*view, head) for view in views])
        return scores[torch.from_numpy(np.argsort(order))]


def list_loss(kind: str, scores: Any, lists: list[np.ndarray]) -> Any:
    """Sum over lists of the loss of their scores, which lie one list after the other; lists: which are evidence [n] bool.

    listwise: ListNet's top-one cross-entropy (Cao et al. 2007, "Learning to Rank: From Pairwise Approach to Listwise
    Approach", section 4); pairwise: RankNet's, mean over pairs (Burges et al. 2005, "Learning to Rank using Gradient
    Descent", section 3); pointwise: binary cross-entropy, mean over passages (Nogueira and Cho 2019, section 3).
    """
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax, softplus

    total = torch.zeros(())
    for some, gold in zip(scores.split([len(gold) for gold in lists]), map(torch.from_numpy, lists), strict=True):
        if kind == "listwise":
            total = total - log_softmax(some, 0)[gold].mean()
        elif kind == "pairwise" and gold.all():
            continue  # a mean over no pair is no number
        elif kind == "pairwise":
            total = total + softplus(some[~gold][None, :] - some[gold][:, None]).mean()
        else:
            total = total + binary_cross_entropy_with_logits(some, gold.float())
    return total
