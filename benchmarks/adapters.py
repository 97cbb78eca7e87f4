"""Adapters of the generator on this machine: how fast one is trained, what merging gains, and how soon a switch is felt.

    python -m benchmarks.adapters [--quick]

The model is the bundled one, the examples are of the built-in corpus. Tokens a second count the tokens of prompts and answers as the
model reads them, no padding. Things compared stand in one process and take turns, a ratio is the median of the rounds' ratios, of
processor time, which other work on the machine does not change; seconds on the clock stand beside. The bare
loop is what one writes first: the batch padded to its longest, `model(labels=...)`, backward, AdamW, with the same LoRA, batches and
threads. TRL's SFTTrainer has its defaults, and the same LoRA, examples and batch size. --quick: less of everything, to try it out.
"""

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import psutil

from benchmarks._options import options
from benchmarks.promises import against, spread
from core.config import TrialConfig
from core.corpus.library import split
from core.generation.torch_lm import Transformers
from core.labs.adapters.merge import merge_adapter
from core.labs.adapters.training import adapter_data
from core.labs.sampling import prompts
from core.labs.sampling.chains import PRESETS, read_chain
from core.labs.sampling.traces import shown_tokens
from core.models.gguf_weights import converted
from core.models.hub import adapters_home
from core.progress import drain
from core.sampling.filters import History
from core.sampling.trace import trace
from core.training.adapters.examples import TrainingExample
from core.training.adapters.loop import AdapterLoop, TokenSequence, adapted
from core.training.adapters.settings import AdapterTraining
from core.training.adapters.training import plain_knobs, tokenized, write_adapter
from core.training.log import work_folder
from core.workbench import Workbench


class Took(NamedTuple):
    """wall: on the clock; processor: of this process and those it started, which other work on the machine does not change."""

    wall_s: float
    processor_s: float


class Clock:
    """Since it was made, or started anew."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        self._began = self._now()

    def took(self) -> Took:
        return Took(*(now - before for now, before in zip(self._now(), self._began, strict=True)))

    def _now(self) -> tuple[float, float]:
        own = psutil.Process()
        used = [process.cpu_times() for process in (own, *own.children(recursive=True))]
        return time.perf_counter(), sum(each.user + each.system for each in used)


class OurLoop:
    """As `train-adapter` steps."""

    def __init__(self, config: AdapterTraining, generator: Transformers, learnt: list[TokenSequence], work: Path) -> None:
        self.loop = AdapterLoop(config, generator.opens()[1](), generator, learnt, learnt[:2], [], work, "")

    def batches(self, steps: int) -> list[list[TokenSequence]]:
        return [self.loop.batch(step) for step in range(steps)]

    def round(self, steps: int) -> Took:
        self.loop.step, clock = 0, Clock()
        for _ in range(steps):
            self.loop._step()
        return clock.took()


class BareLoop:
    """torch, transformers and peft alone."""

    def __init__(self, config: AdapterTraining, generator: Transformers) -> None:
        import torch

        base = generator.opens()[1]()
        self.padding, self.device = base.tokenizer.pad_token_id or 0, base.device
        self.model = adapted(base.model, config)
        self.model.train()
        learnt = [weight for weight in self.model.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(learnt, lr=config.learning_rate)

    def round(self, batches: list[list[TokenSequence]]) -> Took:
        import torch

        clock = Clock()
        for batch in batches:
            width = max(len(each.ids) for each in batch)
            ids = torch.full((len(batch), width), self.padding)
            labels, mask = torch.full_like(ids, -100), torch.zeros_like(ids)
            for row, each in enumerate(batch):
                ids[row, : len(each.ids)], mask[row, : len(each.ids)] = torch.tensor(each.ids), 1
                labels[row, len(each.ids) - each.answer : len(each.ids)] = torch.tensor(each.ids[-each.answer :])
            told = {"input_ids": ids, "attention_mask": mask, "labels": labels}
            loss = self.model(**{name: tensor.to(self.device) for name, tensor in told.items()}).loss
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
        return clock.took()


class TrlTrainer:
    """TRL's SFTTrainer; what is said to it beside its defaults writes and tells less, and computes the same."""

    def __init__(
        self, config: AdapterTraining, generator: Transformers, examples: list[TrainingExample], steps: int, work: Path
    ) -> None:
        from peft import LoraConfig
        from transformers import AutoModelForCausalLM, TrainerCallback
        from trl import SFTConfig, SFTTrainer

        from datasets import Dataset

        clock, self.took = Clock(), []

        class Steps(TrainerCallback):
            def on_train_begin(self, *_: Any, **__: Any) -> None:
                clock.start()

            def on_step_end(_, *__: Any, **___: Any) -> None:
                self.took.append(clock.took())

        quiet = {"save_strategy": "no", "logging_strategy": "no", "report_to": "none", "disable_tqdm": True, "use_cpu": True}
        settings = SFTConfig(output_dir=str(work), max_steps=steps, per_device_train_batch_size=config.batch_size, **quiet)
        answers = [[{"role": "assistant", "content": example.answer}] for example in examples]
        rows = Dataset.from_list(
            [{"prompt": list(e.messages), "completion": answer} for e, answer in zip(examples, answers, strict=True)]
        )
        lora = LoraConfig(r=config.rank, lora_alpha=config.alpha, target_modules="all-linear", task_type="CAUSAL_LM")
        folder = converted(generator.source())  # whose settings do not say which class to load
        model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32")  # as SFTTrainer loads one by its name
        tokenizer = generator.opens()[1]().tokenizer
        self.trainer = SFTTrainer(
            model, settings, train_dataset=rows, processing_class=tokenizer, peft_config=lora, callbacks=[Steps()]
        )
        self.tokens = sum(len(row["input_ids"]) for row in self.trainer.train_dataset)
        self.trainable = sum(weight.numel() for weight in self.trainer.model.parameters() if weight.requires_grad)

    def round(self) -> Took:
        with redirect_stdout(sys.stderr):
            self.trainer.train()
        return self.took[-1]


def training(workbench: Workbench, work: Path, steps: int, rounds: int) -> dict[str, Any]:
    """Tokens a second of the three loops on the same examples."""
    import torch

    config = AdapterTraining(distractors=0, train_examples=steps * AdapterTraining().batch_size)
    generator = plain_knobs(Transformers(), config.answer_tokens)
    data = drain(adapter_data(workbench, TrialConfig(), config.model_dump()))
    data, sequences = drain(tokenized(config, data, generator.opens()[1](), generator))
    learnt, used = sequences["train"], min(len(sequences["train"]), steps * config.batch_size) // config.batch_size
    learnt, examples, steps = learnt[: used * config.batch_size], list(data.train)[: used * config.batch_size], used
    ours, bare = OurLoop(config, generator, learnt, work), BareLoop(config, generator)
    trl = TrlTrainer(config, generator, examples, steps, work)
    batches, tokens = ours.batches(steps), sum(len(each.ids) for each in learnt)
    loops: dict[str, Callable[[], Took]] = {
        "ours": lambda: ours.round(steps),
        "bare_torch": lambda: bare.round(batches),
        "trl": trl.round,
    }
    times: dict[str, list[Took]] = {name: [] for name in loops}
    for turn in range(rounds):
        for name, once in loops.items():
            print(f"    round {turn}: {name}", file=sys.stderr, flush=True)
            times[name].append(once())
    write_adapter(ours.loop, generator, adapters_home() / "first", work, {}, [])
    ratios = {
        f"of_{name}": {
            kind: spread(
                getattr(theirs, kind) / getattr(own, kind) for theirs, own in zip(times[name], times["ours"], strict=True)
            )
            for kind in Took._fields
        }
        for name in ("bare_torch", "trl")
    }
    return {
        "examples": len(learnt),
        "steps": steps,
        "rounds": rounds,
        "threads": torch.get_num_threads(),
        "tokens": tokens,
        "tokens_by_trl": trl.tokens,
        "padded_by_bare_torch": sum(max(len(each.ids) for each in batch) * len(batch) for batch in batches) / tokens,
        "trainable": ours.loop.trainable,
        "trainable_by_trl": trl.trainable,
        "dtype": str(ours.loop.base.model.dtype).removeprefix("torch."),
        "dtype_by_trl": str(trl.trainer.model.dtype).removeprefix("torch."),
        "tokens_per_s": {name: per_s(tokens, each) for name, each in times.items()},
        **ratios,
    }


def per_s(tokens: int, times: Sequence[Took]) -> dict[str, float]:
    """Tokens a second of each clock, median."""
    return {kind: tokens / median(getattr(took, kind) for took in times) for kind in Took._fields}


def told(times: Sequence[Took]) -> dict[str, dict[str, float]]:
    """Of each clock median, 95th percentile and longest, in seconds."""
    rows = {kind: [getattr(took, kind) for took in times] for kind in Took._fields}
    return {kind: {"median": median(row), "p95": float(np.quantile(row, 0.95)), "max": max(row)} for kind, row in rows.items()}


def switching(workbench: Workbench, moves: int) -> dict[str, Any]:
    """Seconds from another scale to what the bars of *Sampling* show, and from another adapter to the first word on *Ask*."""
    shutil.copytree(adapters_home() / "first", adapters_home() / "second")
    config = TrialConfig()
    drain(workbench.prepare(config))
    question = split(drain(workbench.read_corpus(config)), "test").queries[0].text
    steps = read_chain(PRESETS["llama.cpp defaults"])

    def wearing(**knobs: Any) -> TrialConfig:
        return config.model_copy(update={"generation": Transformers(**knobs)})

    def bars(scale: float) -> Took:
        recipe, clock = wearing(adapter="first", adapter_scale=scale), Clock()
        reading = drain(prompts.read(workbench, recipe, question, "question")).reading
        start = History(tuple(reading.prompt.tokens), len(reading.prompt.tokens))
        stages = trace(prompts.first_logits(workbench, recipe, reading), steps, start)
        prompts.token_texts(recipe, shown_tokens(stages))
        return clock.took()

    def first_word(adapter: str) -> Took:
        asking, clock = workbench.ask(wearing(adapter=adapter), question), Clock()
        for piece in asking:
            if isinstance(piece, str) and piece:
                break
        took = clock.took()
        asking.close()
        return took

    scales = [bars(round(2 * (place + 1) / (moves + 1), 3)) for place in range(moves + 1)][1:]  # the first one loads the model
    answers = [first_word(("first", "second", "")[place % 3]) for place in range(moves + 1)][1:]
    tokens = len(prompts.reading(workbench, wearing(), question).prompt.tokens)
    return {"moves": moves, "prompt_tokens": tokens, "scale_to_bars": told(scales), "switch_to_first_word": told(answers)}


def merging(workbench: Workbench, questions: int) -> dict[str, Any]:
    """What `merge-adapter` tells."""
    made = drain(merge_adapter(workbench, TrialConfig(), "first", None, checked=questions))
    return {name: made[name] for name in ("prompts", "tokens_per_s", "against_the_adapter")}


def main(quick: bool = False) -> dict[str, Any]:
    steps, rounds = (1, 1) if quick else (1, 3)
    with tempfile.TemporaryDirectory() as home:
        os.environ["GROUNDWORK_HOME"] = home
        workbench = Workbench(Path(home))
        work = work_folder(adapters_home() / "first")
        work.mkdir(parents=True)
        found = {
            "training": training(workbench, work, steps, rounds),
            "switching": switching(workbench, 3 if quick else 12),
            "merging": merging(workbench, 2 if quick else 6),
        }
    ratios = {name: found["training"][name]["processor_s"] for name in ("of_bare_torch", "of_trl")}
    required = {
        **{name: ratio["median"] for name, ratio in ratios.items()},
        "scale_to_bars_s": found["switching"]["scale_to_bars"]["wall_s"]["p95"],
        "switch_to_first_word_s": found["switching"]["switch_to_first_word"]["wall_s"]["p95"],
    }
    return {
        "required": {name: against("adapters", name, value) for name, value in required.items()},
        **found,
        "spread": {f"required.{name}": ratio for name, ratio in ratios.items()},
        "load": list(os.getloadavg()[:2]),
    }


if __name__ == "__main__":
    print(json.dumps(main(options(__doc__, "--quick").quick)))
