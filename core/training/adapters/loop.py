"""The steps of an adapter's training: LoRA beside the frozen weights of a generator, with loss on the answers' tokens only.

Parts of a step are padded to the longest of them only, so they are made of sequences of like length; neighbours whose prompts begin
alike (questions over the same passages) are one row that reads the beginning once. On a CPU each part is computed by one thread, and
logits are computed for the answers' places alone. Sources: LoRA, Hu et al. 2022, arXiv:2106.09685; rsLoRA, Kalajdzievski 2023,
arXiv:2312.03732; DoRA, Liu et al. 2024, arXiv:2402.09353.
"""

import math
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core.config import fingerprint
from core.errors import WorkbenchError
from core.generation.torch_adapter import fill, read
from core.generation.torch_model import TorchModel
from core.models.all_cores import on_all_cores, workers_alone
from core.models.loading import importing
from core.progress import drain
from core.training.adapters.branches import blocks, takes_branches
from core.training.adapters.examples import TrainingExample
from core.training.adapters.settings import LoraTraining
from core.training.log import write_line
from core.training.steps import TrainingSteps, learning_rate

MODULES = {"attention": r".*(attn|attention)\..*", "mlp": r".*(mlp|feed_forward|ffn)\..*"}
SAMPLE_S = 120.0  # that the answers of an evaluation may take
SHOWN = 600  # characters of a sample's question
# tokens: rows and answers are padded to whole multiples, for oneDNN keeps what it made ready for each new shape, some 10 MB a matrix
WIDTH, ANSWER = 64, 16
# of so many shapes; it reads this once, before its first matrix. By its own 1,024 a training held 19.5 GB after 141 steps
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "256")
ALIKE = 128  # tokens that two prompts begin with from which they are read together


class TokenSequence(NamedTuple):
    """Prompt and answer as the model reads them; the last `answer` tokens are learnt. beside: neighbours with the same one are drawn
    together."""

    ids: tuple[int, ...]
    answer: int
    beside: str = ""


def sequence(model: TorchModel, example: TrainingExample) -> TokenSequence:
    """The answer behind the prompt, and the mark that ends it."""
    end = model.tokenizer.eos_token_id
    answer = [*model.tokenize(example.answer), end if end in model.ends else min(model.ends)]
    return TokenSequence((*model.prompt(list(example.messages)).tokens, *answer), len(answer), example.beside)


class AdapterLoop(TrainingSteps):
    """A generator's adapter as it learns."""

    remedy = "Lower learning_rate or raise warmup"

    def __init__(
        self,
        config: LoraTraining,
        base: TorchModel,
        knobs: Any,
        learnt: Sequence[TokenSequence],
        validation: Sequence[TokenSequence],
        samples: Sequence[TrainingExample],
        work: Path,
        mark: str,
    ) -> None:
        """knobs: of the generator, for samples."""
        import torch

        super().__init__(config, config.max_steps, "likelihood", work, mark, examples=len(learnt))
        self.checkpoint_every = config.checkpoint_every
        self.looked_at = config.keep_step if config.keep == "step" else 0
        self.base, self._knobs, self._learnt, self._validation = base, knobs, learnt, validation
        self._examples, self._device = samples, base.device
        self._branches = takes_branches(base.model)
        self._groups = runs(list(range(len(learnt))), lambda first, place: "" != learnt[first].beside == learnt[place].beside)
        self._turn: tuple[int, list[int]] = (-1, [])
        self._before = 0  # examples that the adapter had learnt at the start
        torch.manual_seed(config.seed)  # of the adapter's first weights
        self.tuned = adapted(base.model, config)
        self._weights = {name: weight for name, weight in self.tuned.named_parameters() if weight.requires_grad}
        self._optimizer = torch.optim.AdamW(self._weights.values(), lr=0.0, weight_decay=config.weight_decay)

    @property
    def trainable(self) -> int:
        """Parameters that learn."""
        return sum(weight.numel() for weight in self._weights.values())

    def begin_with(self, name: str, learnt: int) -> None:
        """The weights of that adapter instead of those that change nothing. learnt: examples of the order that made it."""
        config, weights = read(name, self.base.sha256)
        own = self.tuned.peft_config["default"]
        for field in ("r", "lora_alpha", "use_rslora", "use_dora"):
            if getattr(config, field) != getattr(own, field):
                raise WorkbenchError(
                    f"The adapter '{name}' has {field} {getattr(config, field)}, this training {getattr(own, field)}.",
                    where="begin_with",
                    todo="Give this training the rank, alpha and kind of the adapter that it goes on from.",
                )
        fill(self.tuned, "default", name, weights)
        self._before = learnt

    def _learn(self) -> tuple[float, Callable[[], None]]:
        import torch

        some = self.batch(self.step)
        self.base.model.train()
        weights, counted = list(self._weights.values()), self.counted(some)
        parts = list(enumerate(self._parts(some)))

        def learn(part: tuple[int, list[Any]]) -> tuple[float, tuple[Any, ...]]:
            number, examples = part
            if self.config.dropout:
                torch.manual_seed(int(fingerprint(self.config.seed, self.step, number)[:12], 16))
            with torch.enable_grad():
                loss = self.loss(examples) / counted
                gradients = torch.autograd.grad(loss, weights)
            return float(loss.detach()), gradients

        done = list(self._computed(learn, [(part[0], part) for part in parts]))
        told = {"tokens": sum(len(each.ids) for each in some), "answer_tokens": sum(each.answer for each in some)}
        self._beside = told | {"memory_mb": round(memory_mb(self._device))}

        def backward() -> None:
            for place, weight in enumerate(weights):
                weight.grad = sum(gradients[place] for _, gradients in done)

        return sum(loss for loss, _ in done), backward

    def counted(self, some: Sequence[TokenSequence]) -> int:
        """What the loss of a step is a mean of."""
        return len(some) if self.config.mean_over == "answers" else sum(each.answer for each in some)

    def loss(self, sequences: Sequence[TokenSequence]) -> Any:
        """Sum of the negative log-likelihoods of the answers' tokens, or of their means by answer."""
        losses = -self.log_likelihoods(sequences)
        if self.config.mean_over == "answers":
            losses = losses / losses.new_tensor([each.answer for each in sequences])
        return losses.sum()

    def log_likelihoods(self, sequences: Sequence[TokenSequence]) -> Any:
        """[len(sequences)] float32: of each answer, its tokens together."""
        import torch

        lessons = self._lessons(sequences)
        if any(len(lesson) > 1 for lesson in lessons) or self._branches and self._device != "cpu":
            return self._branched(lessons)  # on CUDA padding before a prompt, which sees nothing, makes gradients NaN
        logits, targets = self.logits(sequences)
        losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100, reduction="none")
        return -losses.view(targets.shape).sum(1)

    def logits(self, sequences: Sequence[TokenSequence]) -> tuple[Any, Any]:
        """([rows, longest answer, vocabulary] float32 before each of the answers' tokens, those tokens; -100: none)."""
        import torch

        keep = whole(max(each.answer for each in sequences), ANSWER)
        width = whole(max(keep + 1, *(len(each.ids) for each in sequences)), WIDTH)
        ids = torch.tensor([(0,) * (width - len(each.ids)) + each.ids for each in sequences])  # [rows, width]: answers end as one
        mask = torch.tensor([(0,) * (width - len(each.ids)) + (1,) * len(each.ids) for each in sequences])
        places = (mask.cumsum(1) - 1).clamp(min=0)
        targets = torch.full((len(sequences), keep), -100)
        for row, each in enumerate(sequences):
            targets[row, keep - each.answer :] = ids[row, width - each.answer :]
        ids, mask, places, targets = (each.to(self._device) for each in (ids, mask, places, targets))
        out = self.base.model(
            input_ids=ids, attention_mask=mask, position_ids=places, use_cache=False, logits_to_keep=keep + 1
        )  # a token's logits stand at the place before it
        return out.logits[:, :-1].float(), targets

    def _lessons(self, sequences: Sequence[TokenSequence]) -> list[list[TokenSequence]]:
        """Neighbours that are read together."""
        alike = beginning if self._branches else lambda pair: 0
        return runs(sequences, lambda first, each: alike((first, each)) >= ALIKE)

    def _branched(self, lessons: Sequence[Sequence[TokenSequence]]) -> Any:
        """The same of lessons, each a row of the tokens that its sequences begin with and of what follows in each, which sees nothing of
        the others."""
        import torch

        starts, lines, answers, number = [beginning(lesson) for lesson in lessons], [], [], 0
        for row, (start, lesson) in enumerate(zip(starts, lessons, strict=True)):
            line = [(token, place, 0) for place, token in enumerate(lesson[0].ids[:start])]  # token, its place, its branch
            line += [(0, 0, -1)] * (max(starts) - start)
            for branch, each in enumerate(lesson, 1):
                line += [(token, place, branch) for place, token in enumerate(each.ids[start:], start)]
                before = len(line) - each.answer - 1
                answers += [(row, before + place, token, number) for place, token in enumerate(each.ids[-each.answer :])]
                number += 1
            lines.append(line)
        width = whole(max(map(len, lines)), WIDTH)
        filled = [[*line, *[(0, 0, number + 1)] * (width - len(line))] for line in lines]  # a branch of its own
        ids, places, branch = torch.tensor(filled, device=self._device).unbind(2)
        rows, before, targets, whose = torch.tensor(answers, device=self._device).unbind(1)
        columns, before = before.unique(return_inverse=True)
        out = self.base.model(
            input_ids=ids,
            attention_mask=ids.new_zeros(1, 1, 1, 1),  # no mask is made of the places
            position_ids=places,
            use_cache=False,
            logits_to_keep=torch.nn.functional.pad(columns, (0, whole(len(columns), WIDTH) - len(columns))),
            branches=blocks(branch, max(starts), self.base.model.dtype),
        )
        logits = out.logits[rows, before]
        losses = torch.nn.functional.cross_entropy(logits.float(), targets, reduction="none")
        return -losses.new_zeros(number).index_add(0, whose, losses)

    def batch(self, step: int) -> list[TokenSequence]:
        """Of step 0, 1, …: each pass over the examples has an order of its own, in which those that are read together stay so."""
        size, number = min(self.config.batch_size, len(self._learnt)), len(self._learnt)
        chosen = []
        start = self._before + step * size
        for place in range(start, start + size):
            chosen.append(self._learnt[self._order(place // number)[place % number]])
        return chosen

    def _order(self, turn: int) -> list[int]:
        if turn != self._turn[0]:
            order = np.random.default_rng([self.config.seed, turn]).permutation(len(self._groups))
            self._turn = turn, [place for group in order for place in self._groups[group]]
        return self._turn[1]

    def _parts(self, sequences: Sequence[TokenSequence]) -> list[list[TokenSequence]]:
        """Each of so many tokens as are computed at once: those that begin alike, the others by their length. The largest are first."""
        lessons, rows = self._lessons(sequences), []
        for lesson in (lesson for lesson in lessons if len(lesson) > 1):
            rows += self._pieces(lesson, lambda part: _branched_size([part]))
        rows.sort(key=lambda row: -_branched_size([row]))
        if self._device != "cpu":  # there each core computes a row
            rows = [list(chain(*some)) for some in self._pieces(rows, _branched_size)]
        alone = sorted((lesson[0] for lesson in lessons if len(lesson) == 1), key=lambda each: (-len(each.ids), each.ids))
        parts = [*rows, *self._pieces(alone, lambda part: whole(len(part[0].ids), WIDTH) * len(part))]
        return sorted(parts, key=lambda part: -_branched_size([part]))

    def _pieces(self, some: Sequence[Any], size: Callable[[list[Any]], int]) -> list[list[Any]]:
        """size: tokens of a part."""
        pieces: list[list[Any]] = []
        for each in some:
            if not pieces or size([*pieces[-1], each]) > self.config.at_once:
                pieces.append([])
            pieces[-1].append(each)
        return pieces

    def _computed(self, compute: Callable[[Any], Any], parts: list[tuple[Any, Any]]) -> Iterator[Any]:
        if self._device != "cpu" or self.config.dropout:  # whose random numbers all threads would share
            yield from (compute(part) for _, part in parts)
            return
        pool, workers = workers_alone()
        yield from (done for _, done in on_all_cores(pool, workers, compute, parts))

    def _rate(self) -> float:
        config, warm = self.config, max(1, round(self.config.warmup * self.steps))
        if config.schedule == "linear" or self.step < warm:
            return learning_rate(config, self.step, self.steps)
        if config.schedule == "constant":
            return config.peak()
        return config.peak() * 0.5 * (1 + math.cos(math.pi * (self.step - warm) / max(1, self.steps - warm)))

    def _measured(self) -> dict[str, float]:
        loss = self.mean_loss(self._validation)
        self._write_samples()
        return {"loss": loss, "likelihood": math.exp(-loss)}

    def mean_loss(self, sequences: Sequence[TokenSequence]) -> float:
        """Of a token of these answers."""
        import torch

        self.base.model.eval()

        def judge(part: list[TokenSequence]) -> float:
            with torch.no_grad():
                return -float(self.log_likelihoods(part).sum())

        sums = self._computed(judge, list(enumerate(self._parts(sequences))))
        return math.fsum(sums) / sum(each.answer for each in sequences)

    def _better(self, values: dict[str, float]) -> bool:
        if self.config.keep == "best":
            return super()._better(values)
        return self.config.keep == "last" or self.step in (0, self.config.keep_step)

    def _enough(self) -> bool:
        return self.config.keep == "best" and super()._enough()

    def round(self) -> None:
        """The weights as the numbers that are written of them, so that what is tested is what is there."""
        import torch

        with torch.no_grad():
            for weight in self._weights.values():
                weight.copy_(weight.to(getattr(torch, self.config.stored_as)))

    def _write_samples(self) -> None:
        if not self._examples:
            return
        self.base.model.eval()
        prompts = [list(example.messages) for example in self._examples]
        knobs = self._knobs.model_copy(update={"max_tokens": self.config.answer_tokens})
        answers = drain(self.base.answers(knobs, prompts, [0] * len(prompts), time.perf_counter() + SAMPLE_S))
        told = [
            {"question": example.question[:SHOWN], "right": example.references[0], "answer": answer.text}
            for example, answer in zip(self._examples, answers, strict=True)
        ]
        write_line(self._work, "samples", step=self.step, samples=told)


def adapted(model: Any, config: LoraTraining) -> Any:
    """The model with an adapter that changes nothing yet, its weights in float32; only those are learnt."""
    import torch

    with importing:
        from peft import LoraConfig, get_peft_model

    out = model.get_output_embeddings()
    names = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear) and module is not out]
    if not names:
        raise WorkbenchError(
            "The model has no linear matrices that an adapter could stand beside; GPT-2's are of another kind.",
            where="generation.model",
            todo="Choose another model, such as Llama, Qwen, Gemma or SmolLM.",
        )
    if config.targets != "all":
        names = [name for name in names if re.fullmatch(MODULES[config.targets], name)]
    if not names:
        raise WorkbenchError(
            f"The model has no matrices that are named as {config.targets}.",
            where="targets",
            todo="Take all of them: targets=all.",
        )
    settings = LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        use_rslora=config.rslora,
        use_dora=config.dora,
        target_modules=sorted({name.rpartition(".")[2] for name in names}),
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, settings)


def beginning(sequences: Sequence[TokenSequence]) -> int:
    """Tokens that all prompts begin with, without the last of any: it tells the first of its answer."""
    prompts = [each.ids[: len(each.ids) - each.answer - 1] for each in sequences]
    first, last = min(prompts), max(prompts)
    return next((place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))


def _branched_size(lessons: Sequence[Sequence[TokenSequence]]) -> int:
    """Tokens of these as rows, whose beginnings are read once."""
    starts = [beginning(lesson) for lesson in lessons]
    rest = (sum(len(each.ids) - start for each in lesson) for start, lesson in zip(starts, lessons, strict=True))
    return len(lessons) * (max(starts) + max(rest))


def runs(values: Sequence[Any], alike: Callable[[Any, Any], bool]) -> list[list[Any]]:
    """Neighbours that are like the first of them in one list."""
    made: list[list[Any]] = []
    for each in values:
        if not made or not alike(made[-1][0], each):
            made.append([])
        made[-1].append(each)
    return made


def whole(number: int, of: int) -> int:
    """The next multiple."""
    return -(-number // of) * of


def memory_mb(device: str) -> float:
    """What this process holds; on CUDA the most that it has held of the GPU's."""
    import psutil

    if device == "cuda":
        import torch

        return torch.cuda.max_memory_allocated() / 1e6
    return psutil.Process().memory_info().rss / 1e6
