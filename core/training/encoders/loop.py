"""The steps of a training: the model, its optimiser, the loss, and their state on disk."""

import json
import math
import shutil
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np

from core import files
from core.errors import WorkbenchError
from core.models import hardware
from core.models.loading import check_weights, readable
from core.models.text import encodable
from core.records import Progress
from core.training.encoders.log import read_log, write_line
from core.training.encoders.settings import TrainConfig

LEARNING_RATE = {"lora": 5e-4, "full": 3e-5}
WEIGHT_DECAY, LONGEST_GRADIENT = 0.01, 1.0
LORA_LAYERS = r"encoder\..*\.(query|key|value|dense)"
TOKEN_CHARACTERS = 40  # of a text that is cut, so many a token are looked at


class Loop:
    """The model, its optimiser and its state on disk."""

    def __init__(self, config, base: Path, batches, validation, work: Path, mark: str) -> None:
        import torch
        from tokenizers import Tokenizer
        from transformers import BertModel
        from transformers.utils import logging

        logging.set_verbosity_error()  # it reports the pooling layer that is left out on purpose
        logging.disable_progress_bar()
        self.config, self._base, self._batches, self._validation = config, base, batches, validation
        self._work, self._mark = work, mark
        torch.manual_seed(config.seed)
        self._device = hardware.device()
        # eager: backward through torch's fused attention takes twice as long on a CPU in bfloat16
        with readable(where=str(base)):
            self._model = BertModel.from_pretrained(
                base, add_pooling_layer=False, dtype=torch.float32, attn_implementation="eager"
            )
            check_weights(self._model, str(base))
        if config.method == "lora":
            from peft import LoraConfig, get_peft_model

            lora = LoraConfig(r=config.lora_rank, lora_alpha=2 * config.lora_rank, lora_dropout=0.0, target_modules=LORA_LAYERS)
            self._model = get_peft_model(self._model, lora)
        self._model.to(self._device)
        self._tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
        self._pad = self._model.config.pad_token_id or 0
        self._weights = {name: p for name, p in self._model.named_parameters() if p.requires_grad}
        self._optimizer = torch.optim.AdamW(self._weights.values(), lr=0.0, weight_decay=WEIGHT_DECAY)
        self.steps, self.step, self.best_step, self.best_value, self.stopped = batches.steps, 0, 0, -1.0, "all steps"
        self._best: dict[str, Any] = {}
        self._without_gain = 0

    def run(self) -> Generator[Progress, None, None]:
        import torch

        resumed = self._resume()
        if not resumed:
            (self._work / "log.jsonl").unlink(missing_ok=True)
        write_line(
            self._work,
            "resume" if resumed else "start",
            step=self.step,
            steps=self.steps,
            batch_size=self._batches.size,
            config=self.config.model_dump(),
        )
        finished = False
        try:
            if not resumed:
                yield Progress(0, self.steps, "Validation of the start encoder")
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
                    f"Step {self.step} of {self.steps}: loss {loss:.3f}, validation "
                    f"{self.config.watch} {self.best_value:.3f} at step {self.best_step}, {left:,.0f} s left",
                )
                if self.step % self.config.evaluate_every == 0 or self.step == self.steps:
                    self._evaluate()
                    self._save()
            self.stopped = "all steps" if self.step == self.steps else "early"
            with torch.no_grad():
                for name, weight in self._weights.items():
                    weight.copy_(self._best[name])
            finished = True
        finally:
            if not finished:
                del self._optimizer, self._model  # a page's process lives on

    def _step(self) -> float:
        import torch

        began = time.monotonic()
        batch = self._batches.batch(self.step)
        torch.manual_seed(self.config.seed * 1_000_003 + self.step)  # dropout, the same after a restart
        self._model.train()
        with self._autocast():
            questions = self._vectors(self._ids(batch.questions, self.config.question_tokens))
            passages = self._vectors(self._ids(batch.passages, self.config.passage_tokens))
        loss = info_nce(questions, passages, torch.from_numpy(batch.masked), self.config.temperature)
        value = float(loss.detach())
        rate = learning_rate(self.config, self.step, self.steps)
        if math.isfinite(value):
            self._optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self._weights.values(), LONGEST_GRADIENT)
            self._optimizer.param_groups[0]["lr"] = rate
            self._optimizer.step()
        self.step += 1
        shown = round(value, 6) if math.isfinite(value) else None
        write_line(self._work, "step", step=self.step, loss=shown, learning_rate=rate, seconds=round(time.monotonic() - began, 3))
        return value

    def _evaluate(self) -> None:
        began = time.monotonic()
        check = self._validation
        values = check.measure(
            self._encode(check.questions, self.config.question_tokens), self._encode(check.texts, self.config.passage_tokens)
        )
        better = values[self.config.watch] > self.best_value
        if better:
            self.best_value, self.best_step = values[self.config.watch], self.step
            self._best = {name: weight.detach().clone() for name, weight in self._weights.items()}
        self._without_gain = 0 if better else self._without_gain + 1
        write_line(self._work, "evaluation", step=self.step, **values, seconds=round(time.monotonic() - began, 3))

    def _encode(self, texts: list[str], most_tokens: int) -> np.ndarray:
        """Vectors [len(texts), dim] float32 as the model is now."""
        import torch

        self._model.eval()
        ids = self._ids(texts, most_tokens)
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        with torch.inference_mode(), self._autocast():
            parts = [
                self._vectors([ids[i] for i in order[first : first + 64]]).cpu().numpy() for first in range(0, len(order), 64)
            ]
        vectors = np.concatenate(parts)
        vectors[order] = vectors.copy()
        return vectors

    def _autocast(self):
        import torch

        return torch.autocast(self._device, torch.bfloat16, enabled=hardware.fast_dtype() == "bfloat16")

    def _ids(self, texts: list[str], most_tokens: int) -> list[list[int]]:
        self._tokenizer.enable_truncation(most_tokens)
        self._tokenizer.no_padding()
        heads = [encodable(text[: TOKEN_CHARACTERS * most_tokens]) for text in texts]
        return [encoding.ids for encoding in self._tokenizer.encode_batch(heads)]

    def _vectors(self, ids: list[list[int]]):
        """Mean-pooled vectors of length 1 [len(ids), dim] float32."""
        import torch

        longest = max(map(len, ids))
        padded = torch.tensor([row + [self._pad] * (longest - len(row)) for row in ids], device=self._device)
        real = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids], device=self._device)
        hidden = self._model(input_ids=padded, attention_mask=real).last_hidden_state.float()  # [n, longest, dim]
        mean = (hidden * real[:, :, None]).sum(1) / real.sum(1, keepdim=True)
        return torch.nn.functional.normalize(mean, dim=1)

    def _diverged(self, loss: float) -> WorkbenchError:
        rate = learning_rate(self.config, self.step - 1, self.steps)
        write_line(self._work, "failed", step=self.step, reason=f"loss {loss}")
        return WorkbenchError(
            f"Training diverged: the loss is {loss} at step {self.step}, learning rate {rate:g}. The best weights so "
            f"far, of step {self.best_step}, are kept in the checkpoint.",
            where=str(self._work / "checkpoint.pt"),
            todo="Lower learning_rate, raise temperature or warmup; evaluate_every sets how often weights are kept.",
        )

    # state on disk

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
            "weights": {name: weight.detach() for name, weight in self._weights.items()},
        }
        try:
            with files.made_whole(self._work / "checkpoint.pt", sync=False) as temporary:
                torch.save(state, temporary)
        except RuntimeError as error:  # torch's own words for a full disk
            needed = sum(weight.nbytes for weight in self._weights.values())
            raise files.disk_error(error, "The training's checkpoint", self._work, needed) from error

    def _resume(self) -> bool:
        """Whether a checkpoint of the same settings was there to continue from."""
        import torch

        try:
            state = torch.load(self._work / "checkpoint.pt", map_location=self._device, weights_only=True)
        except Exception:  # none, or a damaged one: torch raises many kinds
            return False
        if state.get("mark") != self._mark:
            return False
        with torch.no_grad():
            for name, weight in self._weights.items():
                weight.copy_(state["weights"][name])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step, self.best_step, self.best_value = state["step"], state["best_step"], state["best_value"]
        self._best, self._without_gain = state["best"], state["without_gain"]
        lines = [line for line in read_log(self._work.parent.parent / self._work.name) if line.get("step", 0) <= self.step]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (self._work / "log.jsonl").write_text(text, "utf-8")  # what came after the checkpoint happens again
        return True

    def write(self, folder: Path) -> None:
        """The encoder as a sentence-transformers folder, LoRA merged into its weights, the adapter beside them."""
        from safetensors.torch import load_file, save_file

        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        model = self._model
        if self.config.method == "lora":
            model.save_pretrained(folder / "adapter")
            (folder / "adapter" / "README.md").unlink(missing_ok=True)
            settings = json.loads((folder / "adapter" / "adapter_config.json").read_text("utf-8"))
            settings["base_model_name_or_path"] = self.config.base
            (folder / "adapter" / "adapter_config.json").write_text(json.dumps(settings, indent=1), "utf-8")
            model = model.merge_and_unload()
        weights = load_file(self._base / "model.safetensors")
        for name, tensor in model.state_dict().items():
            weights[name if name in weights else f"bert.{name}"] = tensor.detach().cpu().float().contiguous()
        with files.disk_reported("The encoder", folder, sum(tensor.nbytes for tensor in weights.values())):
            save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        keep = ("*.json", "vocab.txt", "*/config.json")
        for file in [file for pattern in keep for file in self._base.glob(pattern)]:
            target = folder / file.relative_to(self._base)
            if file.name != "training.json" and not target.exists():
                target.parent.mkdir(exist_ok=True)
                shutil.copyfile(file, target)
        del self._optimizer, self._model


def info_nce(questions, passages, masked, temperature: float):
    """Mean over questions of -log softmax(similarity / temperature) at their own passage.

    questions [B, dim], passages [P, dim] of length 1, passage i that of question i for i < B; masked [B, P] bool.
    """
    import torch

    scores = (questions @ passages.T / temperature).masked_fill(masked.to(questions.device), -math.inf)
    return torch.nn.functional.cross_entropy(scores, torch.arange(len(questions), device=questions.device))


def learning_rate(config: TrainConfig, step: int, steps: int) -> float:
    """Of step 0, 1, …: rises over the warm-up, then falls in a straight line to 0."""
    peak = config.learning_rate or LEARNING_RATE[config.method]
    warm = max(1, round(config.warmup * steps))
    return peak * min((step + 1) / warm, (steps - step) / max(1, steps - warm + 1))
