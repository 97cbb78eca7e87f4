"""The steps of any training here: the schedule, the best weights so far, early stopping, and their state on disk."""

import json
import math
import time
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

from core import files
from core.errors import WorkbenchError
from core.records import Progress
from core.training.log import read_log, write_line

WEIGHT_DECAY, LONGEST_GRADIENT = 0.01, 1.0


class TrainingSteps(ABC):
    """A subclass makes the model, `_weights` (what is learnt, by name, on `_device`) and `_optimizer`, and says what a step and an
    evaluation are. config: with evaluate_every, patience, warmup and `peak()`, the highest learning rate."""

    remedy: ClassVar[str]  # what to change where the loss is no number
    checkpoint_every: int = 0  # steps between checkpoints; 0: at evaluations only
    looked_at: int = 0  # a step that is evaluated besides those of evaluate_every; 0: none

    def __init__(self, config: Any, steps: int, watch: str, work: Path, mark: str, **told: Any) -> None:
        """steps: at most. watch: the measure of an evaluation by which weights are the best. mark: other settings begin anew.
        told: in the log, of the start."""
        self.config, self.steps, self._watch, self._work, self._mark, self._told = config, steps, watch, work, mark, told
        self.step, self.best_step, self.best_value, self.stopped = 0, 0, -math.inf, "all steps"
        self.seconds_before, self._began = 0.0, time.monotonic()  # of the steps up to the checkpoint from which it goes on
        self._device = "cpu"
        self._weights: dict[str, Any] = {}
        self._best: dict[str, Any] = {}
        self._optimizer: Any = None
        self._without_gain = 0
        self._beside: dict[str, Any] = {}  # what a step tells in the log besides

    @abstractmethod
    def _learn(self) -> tuple[float, Any]:
        """Loss of step `self.step`, and what sets the gradients of `_weights`: called where the loss is a number."""

    def _learnt_from(self, loss: Any) -> tuple[float, Any]:
        """The same of a loss that torch follows back by itself."""

        def backward() -> None:
            self._optimizer.zero_grad()
            loss.backward()

        return float(loss.detach()), backward

    @abstractmethod
    def _measured(self) -> dict[str, float]:
        """Measures of the weights as they are now, on the validation questions."""

    def run(self) -> Generator[Progress, None, None]:
        """To the last step, or until `patience` evaluations gain nothing; the weights are then those that stay, by `_better`."""
        import torch

        resumed, finished, self._began = self._resume(), False, time.monotonic()
        if not resumed:
            (self._work / "log.jsonl").unlink(missing_ok=True)
        kind, config = "resume" if resumed else "start", self.config.model_dump()
        write_line(self._work, kind, step=self.step, steps=self.steps, **self._told, config=config)
        try:
            if not resumed:
                yield Progress(0, 0, "Validation of the start")
                self._evaluate()
            while self.step < self.steps and not self._enough():
                loss = self._step()
                if not math.isfinite(loss):
                    raise self._diverged(loss)
                best = f"validation {self._watch} {self.best_value:.3f} at step {self.best_step}"
                yield Progress(self.step, self.steps, f"Step {self.step:,}: loss {loss:.3f}, {best}")
                if self.step % self.config.evaluate_every == 0 or self.step in (self.steps, self.looked_at):
                    yield Progress(self.step, self.steps, f"Validation at step {self.step:,}")
                    self._evaluate()
                    self._save()
                elif self.checkpoint_every and self.step % self.checkpoint_every == 0:
                    self._save()
            self.stopped = "all steps" if self.step == self.steps else "early"
            with torch.no_grad():
                for name, weight in self._weights.items():
                    weight.copy_(self._best[name])
            finished = True
        finally:
            if not finished:
                vars(self).clear()  # a page's process lives on

    def _step(self) -> float:
        import torch

        began = time.monotonic()
        value, backward = self._learn()
        rate = self._rate()
        if math.isfinite(value):
            backward()
            torch.nn.utils.clip_grad_norm_(self._weights.values(), LONGEST_GRADIENT)
            for group in self._optimizer.param_groups:
                group["lr"] = rate
            self._optimizer.step()
        self.step += 1
        shown = round(value, 6) if math.isfinite(value) else None
        told = {"loss": shown, "learning_rate": rate, "seconds": round(time.monotonic() - began, 3), **self._beside}
        write_line(self._work, "step", step=self.step, **told)
        return value

    def _rate(self) -> float:
        """The learning rate of step `self.step`."""
        return learning_rate(self.config, self.step, self.steps)

    def _evaluate(self) -> None:
        began = time.monotonic()
        values = self._measured()
        better = self._better(values)
        if better:
            self.best_value, self.best_step = values[self._watch], self.step
            self._best = {name: weight.detach().clone() for name, weight in self._weights.items()}
        self._without_gain = 0 if better else self._without_gain + 1
        write_line(self._work, "evaluation", step=self.step, **values, seconds=round(time.monotonic() - began, 3))

    def _better(self, values: dict[str, float]) -> bool:
        """Whether the weights as they are now stay instead of the best so far."""
        return values[self._watch] > self.best_value

    def _enough(self) -> bool:
        """Whether going on is given up."""
        return self._without_gain >= self.config.patience

    def _diverged(self, loss: float) -> WorkbenchError:
        rate = learning_rate(self.config, self.step - 1, self.steps)
        write_line(self._work, "failed", step=self.step, reason=f"loss {loss}")
        checkpoint = self._work / "checkpoint.pt"
        best = f"The best weights so far, of step {self.best_step}, are kept in the checkpoint."
        return WorkbenchError(
            f"Training diverged: the loss is {loss} at step {self.step}, learning rate {rate:g}. "
            + (best if checkpoint.exists() else "No weights were kept yet."),
            where=str(checkpoint if checkpoint.exists() else self._work),
            todo=f"{self.remedy}; evaluate_every sets how often weights are kept.",
        )

    def _save(self) -> None:
        import torch

        state = {
            "mark": self._mark,
            "step": self.step,
            "best_step": self.best_step,
            "best_value": self.best_value,
            "without_gain": self._without_gain,
            "seconds": self.seconds_before + time.monotonic() - self._began,
            "best": self._best,
            "optimizer": self._optimizer.state_dict(),
            "weights": {name: weight.detach() for name, weight in self._weights.items()},
        }
        path, made = self._work / "checkpoint.pt", BytesIO()  # of a disk that refuses torch has no word, or one of its own
        torch.save(state, made)
        files.write_whole(path, lambda file: file.write(made.getbuffer()), "The training's checkpoint", sync=False)

    def _resume(self) -> bool:
        """Whether a checkpoint of the same settings was there to continue from."""
        import torch

        path = self._work / "checkpoint.pt"
        if not path.exists():
            return False
        try:
            with zipfile.ZipFile(path) as file:  # torch does not look at the checksums that it wrote
                if damaged := file.testzip():
                    raise ValueError(damaged)
            state = torch.load(path, map_location=self._device, weights_only=True)
        except Exception:  # torch raises many kinds
            files.tell(f"A training's checkpoint was damaged, so the training begins anew: {path}.")
            return False
        if state.get("mark") != self._mark:
            return False
        with torch.no_grad():
            for name, weight in self._weights.items():
                weight.copy_(state["weights"][name])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step, self.best_step, self.best_value = state["step"], state["best_step"], state["best_value"]
        self._best, self._without_gain = state["best"], state["without_gain"]
        self.seconds_before = state["seconds"]
        lines = [line for line in read_log(self._work.parent.parent / self._work.name) if line.get("step", 0) <= self.step]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (self._work / "log.jsonl").write_text(text, "utf-8")  # what came after the checkpoint happens again
        return True


def adamw(weights: dict[str, Any], decays: Callable[[str, Any], bool]) -> Any:
    """AdamW over weights by name, of which some decay."""
    import torch

    decayed, plain = ([w for name, w in weights.items() if decays(name, w) is which] for which in (True, False))
    return torch.optim.AdamW([{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": plain, "weight_decay": 0.0}], lr=0.0)


def learning_rate(config: Any, step: int, steps: int) -> float:
    """Of step 0, 1, …: rises over the warm-up, then falls in a straight line to 0."""
    warm = max(1, round(config.warmup * steps))
    return config.peak() * min((step + 1) / warm, (steps - step) / max(1, steps - warm + 1))
