"""The steps of a head's training, and how a model with its head reads examples."""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from core.models import hardware
from core.models.loading import HERE, WEIGHTS_HERE, data_only, importing, readable
from core.training.heads.examples import Divided
from core.training.heads.settings import HeadTraining
from core.training.heads.tasks import IGNORED, Task, Window
from core.training.steps import TrainingSteps, adamw

TOKENS_AT_ONCE = 4096  # of an evaluation
HEADS = ("classifier", "qa_outputs", "pooler")  # modules that learn whole beside LoRA, where the model has them


class HeadLoop(TrainingSteps):
    """The encoder with its head as it learns."""

    remedy = "Lower learning_rate or raise warmup"

    def __init__(self, config: HeadTraining, task: Task, parts: Divided, base: Path, work: Path, mark: str) -> None:
        import torch

        super().__init__(config, steps(config, parts), task.watch, work, mark)
        self._task, self._parts = task, parts
        torch.manual_seed(config.seed)
        self.model, self.tokenizer = head_of(base, task)
        if config.lora_rank:
            self.model = low_rank(self.model, config)
        self._device = hardware.device()
        self.model.to(self._device)
        self._windows = windows(task, self.tokenizer, parts.train, config.max_tokens)
        self._turns = Turns(config, self._windows, [each.group for each in parts.train] if task.together else [])
        self._weights = {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}
        self._optimizer = adamw(self._weights, lambda _, weight: weight.ndim > 1)

    def _learn(self) -> tuple[float, Callable[[], None]]:
        import torch

        batch = [window for row in self._turns.rows(self.step) for window in self._windows[row]]
        batch, of = distinct(batch) if self._task.together else (batch, None)
        inputs, targets = (
            collated([w.inputs for w in batch], self.tokenizer),
            collated([w.targets for w in batch], self.tokenizer),
        )
        torch.manual_seed(hash((self.config.seed, self.step)) % 2**31)  # of dropout: a step repeated after a stop is the same
        self.model.train()
        with autocast(self._device):
            outputs = self.model(**{n: tensor.to(self._device) for n, tensor in (inputs | targets).items()})
            if of:
                outputs.logits = outputs.logits[of]
            loss = self._task.loss(outputs)
        return self._learnt_from(loss)

    def _measured(self) -> dict[str, float]:
        return measured(self._task, self._parts.validation, self.predict(self._parts.validation))

    def predict(self, examples: Sequence[Any]) -> list[Any]:
        """As the model is now."""
        return predictions_of(self._task, self.model, self.tokenizer, examples, self.config.max_tokens)

    def bytes(self) -> int:
        """Of what `write` writes."""
        return sum(weight.nbytes for weight in self.model.state_dict().values())

    def write(self, folder: Path) -> None:
        """As a folder that transformers reads, LoRA merged into the weights."""
        model = self.model.merge_and_unload() if self.config.lora_rank else self.model
        model.float().cpu().save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


class Turns:
    """The rows of each step: in every epoch in an order of its own, texts of like length (or of a group) together within so many
    batches, and the batches in an order of their own."""

    def __init__(self, config: HeadTraining, some: Sequence[Sequence[Window]], groups: Sequence[str] = ()) -> None:
        """some: windows of each row. groups: of each row, where those of one are learnt from side by side."""
        self._size, self._seed, self._groups = config.batch_size, config.seed, groups
        self._length = np.array([len(each[0].inputs["input_ids"]) for each in some])
        self._batches = math.ceil(len(some) / config.batch_size)
        self._order = lru_cache(maxsize=1)(self._of_epoch)

    def rows(self, step: int) -> np.ndarray:
        epoch, batch = divmod(step, self._batches)
        order, turns = self._order(epoch)
        turn = turns[batch]
        return order[turn * self._size : (turn + 1) * self._size]

    def _of_epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        draw = np.random.default_rng([self._seed, epoch])
        order = draw.permutation(len(self._length))
        if self._groups:
            place = {group: i for i, group in enumerate(dict.fromkeys(self._groups[row] for row in order))}
            order = np.array(sorted(order, key=lambda row: place[self._groups[row]]))
            return order, draw.permutation(self._batches)
        blocks = [order[first : first + 16 * self._size] for first in range(0, len(order), 16 * self._size)]
        order = np.concatenate([block[np.argsort(self._length[block], kind="stable")] for block in blocks])
        return order, draw.permutation(self._batches)


def steps(config: HeadTraining, parts: Divided) -> int:
    return math.ceil(len(parts.train) / config.batch_size) * config.epochs


def measured(task: Task, examples: Sequence[Any], predictions: Sequence[Any]) -> dict[str, float]:
    """Measures of what was predicted, without intervals; 0 where one is not defined."""
    counts = task.counts(examples, predictions).sum(axis=0, keepdims=True)
    return {name: round(float(np.nan_to_num(value[0])), 6) for name, value in task.measures(counts).items()}


def head_of(folder: Path, task: Task | None, kind: str = "") -> tuple[Any, Any]:
    """(model in float32, tokenizer) of a folder; task: a new head for it; else the folder's own head, of that class."""
    import torch

    with importing:
        import transformers
    transformers.logging.set_verbosity_error()  # it reports the head, which is new
    transformers.logging.disable_progress_bar()
    head = getattr(transformers, task.head if task else kind)
    settings = task.settings() if task else {}
    with readable("The model cannot be read", str(folder)):
        model = head.from_pretrained(str(data_only(folder)), dtype=torch.float32, **WEIGHTS_HERE, **settings)
    return model, tokenizer_of(folder)


def tokenizer_of(folder: Path) -> Any:
    with importing:
        from transformers import AutoTokenizer
    with readable("The model cannot be read", str(folder)):
        return AutoTokenizer.from_pretrained(str(folder), **HERE)


def low_rank(model: Any, config: HeadTraining) -> Any:
    """LoRA (Hu et al. 2022) beside every matrix of the encoder; the head learns whole."""
    from peft import LoraConfig, get_peft_model

    whole = [name for name, _ in model.named_modules() if name.rpartition(".")[2] in HEADS]
    matrices = r".*\.(query|key|value|dense)"
    settings = LoraConfig(
        r=config.lora_rank,
        lora_alpha=2 * config.lora_rank,
        target_modules=matrices,
        exclude_modules=r".*pooler.*",
        modules_to_save=whole,
    )
    return get_peft_model(model, settings)


def windows(task: Task, tokenizer: Any, examples: Sequence[Any], most_tokens: int) -> list[list[Window]]:
    return [list(task.windows(tokenizer, row, example, most_tokens)) for row, example in enumerate(examples)]


def predictions_of(task: Task, model: Any, tokenizer: Any, examples: Sequence[Any], most_tokens: int) -> list[Any]:
    """A prediction for each example; windows of like length are read together."""
    import torch

    device = next(model.parameters()).device
    model.eval()
    every = [window for each in windows(task, tokenizer, examples, most_tokens) for window in each]
    some, of = distinct(every)
    order = sorted(range(len(some)), key=lambda i: -len(some[i].inputs["input_ids"]))
    told: list[Any] = [None] * len(some)
    at = 0
    while at < len(order):
        size = max(1, TOKENS_AT_ONCE // len(some[order[at]].inputs["input_ids"]))
        batch = [some[i] for i in order[at : at + size]]
        with torch.inference_mode(), autocast(device.type):
            outputs = model(**{n: t.to(device) for n, t in collated([w.inputs for w in batch], tokenizer).items()})
        logits = {name: tensor.float().cpu().numpy() for name, tensor in outputs.items() if name.endswith("logits")}
        for i, window in enumerate(batch):
            length = len(window.inputs["input_ids"])
            own = {name: v[i] if name == "logits" and task.kind != "tags" else v[i][:length] for name, v in logits.items()}
            told[order[at + i]] = own
        at += size
    read: list[list] = [[] for _ in examples]
    for window, place in zip(every, of, strict=True):
        read[window.row].append((window, told[place]))
    return [task.prediction(example, each) for example, each in zip(examples, read, strict=True)]


def distinct(some: Sequence[Window]) -> tuple[list[Window], list[int]]:
    """Windows of which no two read the same, and which of them each is: an answer that stands in three pairs is read once."""
    places: dict[tuple, int] = {}
    of = [places.setdefault(tuple(map(tuple, window.inputs.values())), len(places)) for window in some]
    first = {place: window for window, place in zip(reversed(some), reversed(of), strict=True)}
    return [first[place] for place in range(len(places))], of


def collated(rows: list[dict[str, Any]], tokenizer: Any) -> dict[str, Any]:
    """As tensors [len(rows), longest], numbers as [len(rows)]."""
    import torch

    pads = {"input_ids": tokenizer.pad_token_id, "labels": IGNORED}
    result = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        if isinstance(values[0], list):
            longest = max(map(len, values))
            values = [value + [pads.get(name, 0)] * (longest - len(value)) for value in values]
        result[name] = torch.tensor(values)
    return result


def autocast(device: str) -> Any:
    import torch

    return torch.autocast(device, torch.bfloat16, enabled=hardware.fast_dtype() == "bfloat16")
