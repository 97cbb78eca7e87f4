"""A reader learns by low-rank matrices on a CPU: what `loop.HeadLoop` does by peft, as fast as rerankers learn, and small to keep."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.answering.bert_spans import ADAPTED, HEAD, BertSpans
from core.models import hardware
from core.reranking.bert_pairs import ADAPTER
from core.training.heads.examples import Divided
from core.training.heads.loop import Turns, head_of, measured, steps, tokenizer_of, windows
from core.training.heads.settings import HeadTraining
from core.training.heads.tasks import Spans, Window
from core.training.low_rank import LowRankLoop, LowRankPairs, read_all, write_low_rank

ALL_LAYERS = 1_000  # more than there are
WINDOWS_AT_ONCE = 8  # of a share of a step
SIDES = ("start_logits", "end_logits")


class SpanPairs(LowRankPairs):
    """Two numbers a token, for the answer's first and last (Devlin et al. 2019, section 4.2)."""

    def _start(self, width: int) -> dict[str, Any]:
        import torch

        return dict(zip(HEAD, (torch.zeros(2, width), torch.zeros(2)), strict=True))

    def loss(self, leaves: dict[str, Any], some: Sequence[Window]) -> Any:
        """Sum over windows of the cross-entropy of first and last token, halved."""
        import torch
        from torch.nn.functional import cross_entropy, linear

        order, views = self.encoded(leaves, [sequence(window) for window in some])
        total, start = torch.zeros(()), 0
        for x, _, ends in views:
            members = [some[i].targets for i in order[start : start + len(x)]]
            start += len(x)
            beyond = torch.arange(x.shape[1]) >= ends[:, None]
            marks = linear(x.float(), *(leaves[name] for name in HEAD)).masked_fill(beyond[:, :, None], -torch.inf)
            for side, name in enumerate(("start_positions", "end_positions")):
                total = total + cross_entropy(marks[:, :, side], torch.tensor([each[name] for each in members]), reduction="sum")
        return total / 2


class SpanLoop(LowRankLoop):
    """The reader as it learns."""

    model: SpanPairs

    def __init__(self, config: HeadTraining, task: Spans, parts: Divided, base: Path, work: Path, mark: str) -> None:
        super().__init__(config, steps(config, parts), task.watch, work, mark)
        self._task, self._parts, self._base = task, parts, base
        self._take(SpanPairs(base, config.lora_rank, ALL_LAYERS, config.seed), lambda _, weight: weight.ndim > 1)
        self.tokenizer = tokenizer_of(base)
        self._windows = windows(task, self.tokenizer, parts.train, config.max_tokens)
        self._turns = Turns(config, self._windows)

    def _shares(self) -> list[list[Window]]:
        some = [window for row in self._turns.rows(self.step) for window in self._windows[row]]
        return [some[i : i + WINDOWS_AT_ONCE] for i in range(0, len(some), WINDOWS_AT_ONCE)]

    def _loss(self, leaves: dict[str, Any], share: list[Window], step: Sequence[Window]) -> Any:
        return self.model.loss(leaves, share) / len(step)

    def _measured(self) -> dict[str, float]:
        return measured(self._task, self._parts.validation, self.predict(self._parts.validation))

    def predict(self, examples: Sequence[Any]) -> list[Any]:
        """As the model is now."""
        model = BertSpans(self._base, hardware.fast_dtype(), "cpu", self.model.merged())
        every = windows(self._task, self.tokenizer, examples, self.config.max_tokens)
        marks = iter(read_all(model.marks, [sequence(window) for some in every for window in some]))
        read = [[(window, dict(zip(SIDES, next(marks).T, strict=True))) for window in some] for some in every]
        return [self._task.prediction(example, some) for example, some in zip(examples, read, strict=True)]

    def bytes(self) -> int:
        """Of what `write` writes."""
        return sum(weight.nbytes for weight in (*self.model.merged().values(), *self.model.trained.values()))

    def write(self, folder: Path) -> None:
        """The adapter, and as a folder that transformers reads."""
        import torch

        write_low_rank(folder, (ADAPTER, ADAPTED), self.model.trained, self.config.max_tokens, self._base)
        model, _ = head_of(self._base, self._task)
        merged = self.model.merged()
        with torch.no_grad():
            for name, weight in model.named_parameters():
                weight.copy_(merged[name.removeprefix("bert.")])
        model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


def sequence(window: Window) -> tuple[np.ndarray, int]:
    """(token ids, where the passage begins)."""
    return np.array(window.inputs["input_ids"]), window.inputs["token_type_ids"].index(1)
