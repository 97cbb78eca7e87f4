"""Trains a head over the encoder: on labels of texts, tags of words, or answers in passages.

The encoder learns with its head (Devlin et al. 2019, "BERT", section 3.2), all of it or by LoRA. The best weights by validation are
measured once on the test part, with intervals by the bootstrap over groups of examples. Files: the work stands in
`<heads>/.training/<name>/` (log.jsonl, checkpoint.pt), the finished model in `<heads>/<name>/`, where it appears whole by renaming: a
folder that transformers reads, training.json and predictions.jsonl of the test. Closing the generator keeps the checkpoint of
the last evaluation: the same settings continue there, other settings start anew.
"""

import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core import files
from core.config import code_version, fingerprint
from core.models import hardware
from core.models.hub import bundled_folder
from core.models.identity import files_identity
from core.records import Progress
from core.statistics.bootstrap import FEW, bounds_of, drawn_means, summed
from core.training.heads.examples import Divided
from core.training.heads.loop import HeadLoop
from core.training.heads.low_rank_spans import SpanLoop
from core.training.heads.settings import HeadTraining
from core.training.heads.tasks import Spans, Task
from core.training.log import at_work, finish, write_line
from core.training.record import PhaseSeconds, TrainingResult

RESAMPLES, CONFIDENCE = 1000, 0.95


@dataclass(frozen=True)
class TrainedHead(TrainingResult):
    """test: measure -> value, low, high on the test part; None where it is not defined."""

    task: str
    sizes: dict[str, int]
    test: dict[str, dict[str, float | None]]
    notes: tuple[str, ...]


def train(config: HeadTraining, task: Task, parts: Divided, folder: Path) -> Generator[Progress, None, TrainedHead]:
    """Trains on the parts and writes the model to `folder`, whose name is its own."""
    with at_work(folder, "a model") as work:
        return (yield from _train(config, task, parts, folder, work))


def _train(config, task, parts, folder, work):
    base = bundled_folder()
    yield Progress(0, 0, "Preparing the texts")
    # a reader of low rank learns with matrices merged once a step, on the cores of a CPU twice as fast as by peft
    kind = SpanLoop if isinstance(task, Spans) and config.lora_rank and hardware.device() == "cpu" else HeadLoop
    mark = fingerprint(config, task.kind, task.labels, parts, files_identity(base), code_version(kind))
    seconds = PhaseSeconds()
    loop = kind(config, task, parts, base, work, mark)
    yield from loop.run()
    seconds.end("training")

    yield Progress(0, 0, "Test")
    predictions = loop.predict(parts.test)
    seconds.end("testing")
    seconds["test_a_text"] = round(seconds["testing"] / len(parts.test), 5)
    sizes = {name: len(getattr(parts, name)) for name in ("train", "validation", "test")} | {"labels": len(task.labels)}
    test = tested_measures(task, parts.test, predictions, config.seed)
    result = TrainedHead.by(loop, folder, seconds, task=task.kind, sizes=sizes, test=test, notes=parts.notes)
    write_line(work, "end", best_step=loop.best_step, stopped=loop.stopped, test=test)
    made = work / "model"
    with files.disk_reported("The model", work, loop.bytes()):
        loop.write(made)
    lines = (
        {"read": example.seen, "truth": task.truth(example), "prediction": told}
        for example, told in zip(parts.test, predictions, strict=True)
    )
    (made / "predictions.jsonl").write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8")
    finish(work, made, folder, result.record(config, labels=task.labels))
    return result


def tested_measures(
    task: Task, examples: Sequence[Any], predictions: Sequence[Any], seed: int
) -> dict[str, dict[str, float | None]]:
    """Each measure with its interval over groups, whose examples are drawn together; None where there are too few."""
    counts = summed(task.counts(examples, predictions), np.array([example.group or str(i) for i, example in enumerate(examples)]))
    whole = task.measures(counts.sum(axis=0, keepdims=True))
    drawn = task.measures(drawn_means(counts, RESAMPLES, seed))
    result = {}
    for name, value in whole.items():
        bounds = (np.nan, np.nan) if np.isnan(drawn[name]).all() else bounds_of(value[0], drawn[name], len(counts), CONFIDENCE)
        low, high = np.clip(bounds, *task.ends.get(name, (0, 1)))
        if len(counts) < FEW and high - low < 1e-12:
            low = high = np.nan  # so few that are all alike tell nothing of others
        result[name] = {
            which: None if np.isnan(some) else float(some) for which, some in (("value", value[0]), ("low", low), ("high", high))
        }
    further = task.further(examples, predictions)
    return result | {name: {"value": some.mean, "low": some.low, "high": some.high} for name, some in further.items()}
