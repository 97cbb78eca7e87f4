"""The steps of a training: the model, its optimiser, and their state on disk."""

import json
import math
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np

from core import files
from core.errors import WorkbenchError
from core.models import hardware
from core.models.all_cores import on_all_cores, workers_alone
from core.records import Progress
from core.reranking.bert_pairs import BertPairs, PairTokens
from core.training.encoders.log import read_log, write_line
from core.training.rerankers.lists import List, TrainingLists
from core.training.rerankers.model import LowRank, list_loss

WEIGHT_DECAY, LONGEST_GRADIENT = 0.01, 1.0
LISTS_AT_ONCE = 2  # of one core's share of a step: fixed, so that a step is the same on any number of cores
SEQUENCES_AT_ONCE = 16  # of an evaluation


class ListLoop:
    """The model, its optimiser and its state on disk."""

    def __init__(
        self, config: Any, base: Path, corpus: Any, texts: list[str], lists: TrainingLists, work: Path, mark: str
    ) -> None:
        import torch

        self.config, self._lists, self._work, self._mark, self._base = config, lists, work, mark, base
        self.model = LowRank(base, config.lora_rank, config.layers, config.seed)
        trained = self.model.trained
        decayed = [tensor for name, tensor in trained.items() if not name.endswith("bias")]
        plain = [tensor for name, tensor in trained.items() if name.endswith("bias")]
        self._optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": plain, "weight_decay": 0.0}], lr=0.0
        )
        self._tokens = PairTokens(base, config.max_tokens)
        self._passages = self._tokens.ids(texts)
        self._questions = self._tokens.ids([query.text for query in corpus.queries])
        self.steps, self.step, self.best_step, self.best_value, self.stopped = lists.steps, 0, 0, -1.0, "all steps"
        self._best: dict[str, Any] = {}
        self._without_gain = 0

    def run(self) -> Generator[Progress, None, None]:
        resumed = self._resume()
        if not resumed:
            (self._work / "log.jsonl").unlink(missing_ok=True)
        kind = "resume" if resumed else "start"
        write_line(self._work, kind, step=self.step, steps=self.steps, config=self.config.model_dump())
        if not resumed:
            yield Progress(0, self.steps, "Validation of the start")
            self._evaluate()
        began, first = time.monotonic(), self.step
        while self.step < self.steps and self._without_gain < self.config.patience:
            loss = self._step()
            if not math.isfinite(loss):
                raise self._diverged(loss)
            left = (time.monotonic() - began) / (self.step - first) * (self.steps - self.step)
            yield Progress(
                self.step,
                self.steps,
                f"Step {self.step} of {self.steps}: loss {loss:.3f}, validation MRR {max(self.best_value, 0):.3f} at step "
                f"{self.best_step}, {left:,.0f} s left",
            )
            if self.step % self.config.evaluate_every == 0 or self.step == self.steps:
                self._evaluate()
                self._save()
        self.stopped = "all steps" if self.step == self.steps else "early"
        for name, tensor in self.model.trained.items():
            tensor.copy_(self._best[name])

    def _step(self) -> float:
        import torch

        began = time.monotonic()
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
        value = sum(done[i][0] for i in range(len(shares)))
        rate = learning_rate(self.config, self.step, self.steps)
        if math.isfinite(value):
            total = {name: sum(done[i][1][name].float() for i in range(len(shares))) for name in done[0][1]}
            for name, gradient in self.model.divided(total).items():
                self.model.trained[name].grad = gradient
            torch.nn.utils.clip_grad_norm_(self.model.trained.values(), LONGEST_GRADIENT)
            for group in self._optimizer.param_groups:
                group["lr"] = rate
            self._optimizer.step()
        self.step += 1
        shown = round(value, 6) if math.isfinite(value) else None
        write_line(self._work, "step", step=self.step, loss=shown, learning_rate=rate, seconds=round(time.monotonic() - began, 3))
        return value

    def _sequence(self, row: int, chunk: int) -> tuple[np.ndarray, int]:
        """The first window of the pair."""
        return self._tokens.windows(self._questions[row], self._passages[chunk])[0]

    def _evaluate(self) -> None:
        began = time.monotonic()
        values = measure(self._lists.validation, self.rank(self._lists.validation))
        mean = {name: round(float(value), 6) for name, value in zip(MEASURES, values.mean(axis=0), strict=True)}
        better = mean["mrr"] > self.best_value
        if better:
            self.best_value, self.best_step = mean["mrr"], self.step
            self._best = {name: tensor.clone() for name, tensor in self.model.trained.items()}
        self._without_gain = 0 if better else self._without_gain + 1
        write_line(self._work, "evaluation", step=self.step, **mean, seconds=round(time.monotonic() - began, 3))

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

    def _diverged(self, loss: float) -> WorkbenchError:
        write_line(self._work, "failed", step=self.step, reason=f"loss {loss}")
        return WorkbenchError(
            f"Training diverged: the loss is {loss} at step {self.step}, learning rate "
            f"{learning_rate(self.config, self.step - 1, self.steps):g}.",
            where=str(self._work / "checkpoint.pt"),
            todo="Lower learning_rate or raise warmup; evaluate_every sets how often weights are kept.",
        )

    def _save(self) -> None:
        import torch

        state = {
            "mark": self._mark,
            "step": self.step,
            "best_step": self.best_step,
            "best_value": self.best_value,
            "without_gain": self._without_gain,
            "best": self._best,
            "optimizer": self._optimizer.state_dict(),
            "weights": self.model.trained,
        }
        with files.made_whole(self._work / "checkpoint.pt", sync=False) as temporary:
            torch.save(state, temporary)

    def _resume(self) -> bool:
        """Whether a checkpoint of the same settings was there to continue from."""
        import torch

        try:
            state = torch.load(self._work / "checkpoint.pt", weights_only=True)
        except Exception:  # none, or a damaged one: torch raises many kinds
            return False
        if state.get("mark") != self._mark:
            return False
        for name, tensor in self.model.trained.items():
            tensor.copy_(state["weights"][name])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step, self.best_step, self.best_value = state["step"], state["best_step"], state["best_value"]
        self._best, self._without_gain = state["best"], state["without_gain"]
        lines = [line for line in read_log(self._work.parent.parent / self._work.name) if line.get("step", 0) <= self.step]
        (self._work / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
        return True


MEASURES = ("mrr", "hit")


def measure(lists: list[List], scores: list[np.ndarray]) -> np.ndarray:
    """Reciprocal rank of the first evidence, and whether it stands first [num_lists, 2]; 0 where the list has none."""
    rows = []
    for some, values in zip(lists, scores, strict=True):
        hits = np.flatnonzero(some.gold[np.argsort(-values, kind="stable")])
        rows.append((1 / (1 + hits[0]), float(hits[0] == 0)) if len(hits) else (0.0, 0.0))
    return np.array(rows)


def learning_rate(config: Any, step: int, steps: int) -> float:
    """Of step 0, 1, …: rises over the warm-up, then falls in a straight line to 0."""
    warm = max(1, round(config.warmup * steps))
    return config.learning_rate * min((step + 1) / warm, (steps - step) / max(1, steps - warm + 1))
