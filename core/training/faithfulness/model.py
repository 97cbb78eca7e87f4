"""The faithfulness model while it learns: the frozen encoder with matrices of low rank, its two heads, and their loss."""

from typing import Any

import numpy as np

from core.judging.faithful_bert import HEAD, judged
from core.training.low_rank import LowRankPairs


class FaithfulLowRank(LowRankPairs):
    """Starts from what the encoder's vectors say: a word with no near one in the evidence is wrong, a claim with wrong words is
    not supported."""

    def _start(self, width: int) -> dict[str, Any]:
        import torch

        return self._pooler(width) | {
            "verdict.weight": torch.zeros(3, width),
            "verdict.bias": torch.tensor([1.0, -0.5, -0.5]),
            "verdict.words": torch.tensor([[-1.5, -1.5], [0.5, 0.5], [1.0, 1.0]]),
            "words.weight": torch.zeros(1, width),
            "words.bias": torch.tensor([-1.0]),
            "words.near": torch.tensor([8.0]),
        }

    def loss(self, leaves: dict[str, Any], some: list["Judgement"], word_weight: float, divided_by: tuple[float, float]) -> Any:
        """The cross-entropy of the verdicts and of the words that people marked, each summed and divided by its number in the
        whole step."""
        import torch
        from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

        order, views = self.encoded(leaves, [each.sequence for each in some])
        head, total, start = {name: leaves[name] for name in HEAD}, torch.zeros(()), 0
        for x, begins, ends in views:
            members = [some[i] for i in order[start : start + len(x)]]
            start += len(x)
            verdict, words = judged(x, begins, ends, head)
            rows = [row for row, each in enumerate(members) if each.verdict >= 0]
            if rows:
                wanted = torch.tensor([members[row].verdict for row in rows])
                total = total + cross_entropy(verdict[rows], wanted, reduction="sum") / divided_by[0]
            for row, each in enumerate(members):
                if each.wrong is not None and len(each.wrong):
                    wanted = torch.from_numpy(each.wrong)
                    values = words[row, : len(each.wrong)]
                    mean = binary_cross_entropy_with_logits(values, wanted, reduction="mean")
                    total = total + word_weight * mean / divided_by[1]
        return total


class Judgement:
    """A claim as the model reads it. wrong: by token the share of people who marked it; None: nobody marked words."""

    __slots__ = ("sequence", "verdict", "wrong")

    def __init__(self, sequence: tuple[np.ndarray, int], verdict: int, wrong: np.ndarray | None) -> None:
        self.sequence, self.verdict, self.wrong = sequence, verdict, wrong
