"""Trains an adapter of a generator (LoRA) on questions with their passages, and measures it on documents that it never saw.

The adapter with the likeliest answers on the validation part is kept; the test part is asked once, at the end, with the adapter
and without, each time with the right passage. Files: the work stands in `<adapters>/.training/<name>/` (log.jsonl,
checkpoint.pt, the answers to the test so far), the adapter in `<adapters>/<name>/`, where it appears whole by renaming, before its
test and again after it: peft's files and training.json. Closing the generator keeps the last checkpoint: the same settings continue
there, other settings start anew.
"""

import json
import shutil
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core import files
from core.config import code_version, fingerprint
from core.generation.torch_lm import Transformers
from core.generation.torch_model import TorchModel
from core.models.adapters import SHIPPED, WEIGHTS, adapter_hash, adapter_record, at_hand
from core.models.hub import adapters_home
from core.records import Progress
from core.training.adapters.examples import PARTS, AdapterData, check
from core.training.adapters.loop import AdapterLoop, TokenSequence, sequence
from core.training.adapters.measuring import asked, asked_base, compared, tested
from core.training.adapters.settings import AnswerTraining, LoraTraining
from core.training.log import at_work, finish, new_folder, place, read_log, write_line
from core.training.record import PhaseSeconds, TrainingResult

COMMAND = "command.json"  # by which a training is asked for again
# settings of a generator that say which model it is, and how much it reads; the others are the usual ones of a training
MODEL = ("model", "download", "device", "dtype", "context_tokens")


@dataclass(frozen=True)
class TunedGenerator(TrainingResult):
    """A generator with an adapter. trainable: parameters that learnt."""

    data: dict[str, Any]
    trainable: int
    tokens_per_s: float


@dataclass(frozen=True)
class TrainedAdapter(TunedGenerator):
    """comparison: em and f1 of the test part with the right passage, before (the base) and after (with
    the adapter), and the paired difference; loss: of an answer's token there."""

    loss: dict[str, float]
    comparison: dict[str, dict[str, Any]]


def plain_knobs(generator: Transformers, answer_tokens: int) -> Transformers:
    """The generator as it is trained and measured: greedy, without an adapter, in this process."""
    usual = {name: field.default for name, field in Transformers.model_fields.items() if name not in MODEL}
    return generator.model_copy(update=usual | {"own_process": "no", "max_tokens": answer_tokens, "reuse_prefix": False})


def train(
    config: AnswerTraining, data: AdapterData, generator: Transformers, folder: Path, command: Sequence[str] = ()
) -> Generator[Progress, None, TrainedAdapter]:
    """Trains an adapter of this generator's model and writes it to `folder`, whose name is its own; of one that is trained and not
    tested the test goes on. command: by which that is asked for."""
    with adapter_work(folder, config, command) as work:
        return (yield from _train(config, data, generator, folder, work))


def is_untested(name: str, config: LoraTraining) -> bool:
    """Whether the adapter of this name was trained with these settings and is not tested yet, so that its test goes on."""
    record = adapter_record(name)
    return bool(record) and not record.get("comparison") and record.get("config") == config.model_dump()


def new_adapter(name: str, config: LoraTraining) -> Path:
    """Its folder; raises before any work where it can have none."""
    return new_folder(adapters_home(), name, "an adapter", is_untested(name, config), SHIPPED)


@contextmanager
def adapter_work(folder: Path, config: LoraTraining, command: Sequence[str]) -> Iterator[Path]:
    """The work folder of an adapter's training."""
    with at_work(folder, "an adapter", is_untested(folder.name, config)) as work:
        for left in work.glob(".*.tmp"):  # of a training that was killed while it wrote
            files.discard(left)
        files.write_whole(work / COMMAND, json.dumps(list(command)), "The command of the training", sync=False)
        yield work


def _train(config, data, generator, folder, work):
    seconds = PhaseSeconds()
    yield Progress(0, 0, "Loading the model")
    knobs = plain_knobs(generator, config.answer_tokens)
    source, opened = knobs.opens()
    base: TorchModel = opened()  # one of its own: what else asks the engine here is not trained with
    data, sequences = yield from tokenized(config, data, base, knobs)
    card = data.card()
    start, learnt = begun(config, card)
    if learnt:
        card["learnt_before"] = learnt
    mark = fingerprint(config, card, source, start, code_version(AdapterLoop))
    samples = data.validation[: config.samples]
    loop = AdapterLoop(config, base, knobs, sequences["train"], sequences["validation"], samples, work, mark)
    if config.begin_with:
        loop.begin_with(config.begin_with, learnt)
    write_card(work, card)
    seconds.end("preparing")
    yield from loop.run()
    seconds.end("training")

    write_untested(loop, generator, folder, work, card, seconds)
    losses = {}
    yield Progress(0, 0, "Test: loss of the base")
    with loop.tuned.disable_adapter():
        losses["before"] = loop.mean_loss(sequences["test"])
    before = yield from asked_base(loop, knobs, data.test, source, work / f"before-{mark}.jsonl")
    yield Progress(0, 0, "Test: loss with the adapter")
    losses["after"] = loop.mean_loss(sequences["test"])
    after = yield from asked(base, knobs, data.test, "Test: answers with the adapter", work / f"after-{mark}.jsonl")
    comparison = compared(before, after, config.seed)
    seconds.end("testing")
    result = TrainedAdapter.by(loop, folder, seconds, **of_adapter(loop, folder, card), loss=losses, comparison=comparison)
    write_line(work, "end", best_step=loop.best_step, stopped=loop.stopped, comparison=comparison)
    write_adapter(loop, generator, work, result, tested(data.test, before, after))
    return result


def begun(config: AnswerTraining, card: dict[str, Any]) -> tuple[str, int]:
    """Identity of the adapter that the training goes on from, and how many examples of the same order had made it; ("", 0) without."""
    if not config.begin_with or config.begin_with not in at_hand():
        return "", 0  # what is no adapter is told where it is read
    record = adapter_record(config.begin_with)
    same = record.get("data", {}).get("checksum") == card["checksum"]
    if not same:
        return adapter_hash(config.begin_with), 0
    a_step = min(record["config"]["batch_size"], record["data"]["examples"]["train"])  # no larger than all that there are
    return adapter_hash(config.begin_with), record["data"].get("learnt_before", 0) + record["best_step"] * a_step


def of_adapter(loop: AdapterLoop, folder: Path, card: dict[str, Any]) -> dict[str, Any]:
    """What a TunedGenerator has beside its steps; tokens_per_s: of all steps of the training."""
    steps = [line for line in read_log(folder) if line["kind"] == "step"]
    speed = sum(line["tokens"] for line in steps) / max(1e-9, sum(line["seconds"] for line in steps))
    return {"data": card, "trainable": loop.trainable, "tokens_per_s": round(speed, 1)}


def write_untested(
    loop: AdapterLoop, generator: Transformers, folder: Path, work: Path, card: dict[str, Any], seconds: PhaseSeconds
) -> None:
    """The adapter in its folder, trained and not tested yet. The seconds count those before a stop; of the steps the loop knows them."""
    loop.round()
    for name, value in adapter_record(folder.name).get("seconds", {}).items():
        seconds[name] = seconds[name] if name == "training" else round(seconds.get(name, 0.0) + value, 3)
    write_adapter(loop, generator, work, TunedGenerator.by(loop, folder, seconds, **of_adapter(loop, folder, card)))


def write_adapter(
    loop: AdapterLoop, generator: Transformers, work: Path, result: TunedGenerator, answers: list[dict[str, Any]] | None = None
) -> None:
    """The adapter in its folder, whole. answers: to the test part, then what it was made with goes; None: it is not tested yet."""
    base, made = loop.base, work / "adapter"
    shutil.rmtree(made, ignore_errors=True)
    loop.tuned.save_pretrained(made)
    if loop.config.stored_as != "float32":
        round_weights(made / WEIGHTS, loop.config.stored_as)
    (made / "README.md").unlink(missing_ok=True)  # an empty form
    about = {
        "base": {"name": base.name, "model": generator.model, "sha256": base.sha256},
        "device": base.device,
        "dtype": base.dtype,
    }
    record = {"comparison": {}} | result.record(loop.config, **about, tested=answers or [])
    (place if answers is None else finish)(work, made, result.folder, record)


def round_weights(file: Path, number_format: str) -> None:
    """Writes the tensors of a safetensors file anew, in that number format."""
    import torch
    from safetensors.torch import load_file, save_file

    save_file({name: tensor.to(getattr(torch, number_format)) for name, tensor in load_file(file).items()}, file)


def write_card(work: Path, card: dict[str, Any]) -> None:
    """Where the page reads it while the training runs."""
    files.write_whole(work / "card.json", json.dumps(card), "The card of the data", sync=False)


def tokenized(
    config: AnswerTraining, data: AdapterData, base: TorchModel, knobs: Any
) -> Generator[Progress, None, tuple[AdapterData, dict[str, list[TokenSequence]]]]:
    """The data without examples that are too long, which its card counts and spare ones stand for, and its parts as the model reads
    them."""
    left_out, tokens, sequences, parts = dict(data.left_out), {}, {}, {}
    most = min(config.max_tokens, knobs.context_tokens)
    for name in PARTS:
        wanted, fitting = len(getattr(data, name)), []
        for example in (*getattr(data, name), *data.spare.get(name, ())):
            if len(fitting) == wanted:
                break
            if len(fitting) % 50 == 0:
                yield Progress(len(fitting), wanted, f"Reading the examples for {name}")
            read = sequence(base, example)
            if len(read.ids) <= most and read.answer <= config.answer_tokens:
                fitting.append((example, read))
            else:
                long = read.answer > config.answer_tokens
                reason = f"answer over {config.answer_tokens:,} tokens" if long else f"over {most:,} tokens"
                left_out[reason] = left_out.get(reason, 0) + 1
        parts[name], sequences[name] = tuple(example for example, _ in fitting), [read for _, read in fitting]
        lengths = [len(each.ids) for each in sequences[name]]
        tokens[name] = {
            "all": sum(lengths),
            "longest": max(lengths, default=0),
            "answers": sum(each.answer for each in sequences[name]),
        }
    data = replace(data, **parts, left_out=left_out, tokens=tokens)
    check(data)
    return data, sequences
