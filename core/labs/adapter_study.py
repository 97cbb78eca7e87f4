"""How a setting of an adapter's training changes what it is worth: rank, targets, data; each value with the same seeds.

Every combination is an adapter of its own name, so a study that was stopped goes on, and a larger one uses what a smaller one trained.
"""

from collections.abc import Generator, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core.config import TrialConfig, fingerprint, valid
from core.errors import WorkbenchError
from core.labs.adapters import adapter_log, base_of, train_adapter
from core.models.adapters import adapter_record, is_tested
from core.models.hub import adapters_home
from core.progress import counted_within
from core.records import Progress
from core.statistics.bootstrap import Interval, intervals
from core.statistics.corrections import correct_defined
from core.statistics.paired import Paired, paired_difference
from core.training.adapters.settings import AdapterTraining, LoraTraining
from core.workbench import Workbench

MEASURES = ("em", "f1")


class StudyRow(NamedTuple):
    """A value over its seeds. scores: of the test's questions, each the mean over seeds; spread: standard deviation of the seeds' means;
    against: minus the first value, on the same questions; None: that one."""

    value: Any
    adapters: list[str]
    trainable: int
    loss: float  # of an answer's token on the test part, mean over seeds
    scores: dict[str, Interval]
    spread: dict[str, float | None]
    against: dict[str, Paired] | None
    p_holm: dict[str, float]
    minutes: float  # of a training
    memory_mb: float  # most that a training's process held


def study(
    workbench: Workbench,
    config: TrialConfig,
    name: str,
    field: str,
    values: Sequence[Any],
    seeds: Sequence[int],
    settings: dict[str, Any],
    file: Path | None = None,
) -> Generator[Progress, None, list[StudyRow]]:
    """Trains what is not trained yet, and compares the values with the first one."""
    if field not in AdapterTraining.model_fields or field == "seed":
        todo = f"One of: {', '.join(each for each in AdapterTraining.model_fields if each != 'seed')}."
        raise WorkbenchError(f"'{field}' is no setting of a training.", where="grid", todo=todo)
    every = [valid(AdapterTraining, {**settings, field: value, "seed": seed}) for value, seed in product(values, seeds)]
    names = [f"{name}-{field}-{getattr(each, field)}-{each.seed}" for each in every]
    for number, (own, each) in enumerate(zip(names, every, strict=True)):
        step = Progress(number, len(every), own)
        yield step
        if is_tested(own):
            check_same(own, each, config)
        else:
            yield from counted_within(train_adapter(workbench, config, own, each.model_dump(), file), step)
    chunks = [names[at : at + len(seeds)] for at in range(0, len(names), len(seeds))]
    return rows_of(list(zip(values, chunks, strict=True)), config)


def check_same(name: str, wanted: LoraTraining, config: TrialConfig) -> None:
    """Raises where the adapter of this name was trained otherwise."""
    record = adapter_record(name)
    model = base_of(config).model
    settings = valid(type(wanted), record.get("config", {}))  # of an older version with the knobs that came later
    if settings != wanted or record.get("base", {}).get("model") != model:
        todo = "Give the study another name, or delete that adapter."
        raise WorkbenchError(f"'{name}' was trained with other settings.", where=str(adapters_home() / name), todo=todo)


def rows_of(groups: Sequence[tuple[Any, list[str]]], config: TrialConfig) -> list[StudyRow]:
    """Of values with their adapters, a seed each; the first is what the others are held against."""
    records = [[adapter_record(name) for name in names] for _, names in groups]
    asked = {fingerprint([row["id"] for row in record["tested"]]) for some in records for record in some}
    if len(asked) > 1:
        todo = "Set test_examples and alike to values with which all keep the same test questions."
        raise WorkbenchError("The adapters were not tested on the same questions.", where="test", todo=todo)
    rules, tables, rows = config.evaluation, [], []
    for some in records:
        tables.append(np.array([[[row["after"][m] for m in MEASURES] for row in record["tested"]] for record in some], float))
    for (value, names), some, table in zip(groups, records, tables, strict=True):
        means = intervals(table.mean(axis=0), rules.resamples, rules.confidence, config.seed)
        deviations = table.mean(axis=1).std(axis=0, ddof=1) if len(some) > 1 else [None] * len(MEASURES)
        against = None
        if rows:
            first = tables[0].mean(axis=0)
            paired = paired_difference(table.mean(axis=0), first, rules.resamples, rules.confidence, seed=config.seed)
            against = dict(zip(MEASURES, paired, strict=True))
        memory = [line.get("memory_mb", 0) for name in names for line in adapter_log(name) if line["kind"] == "step"]
        rows.append(
            StudyRow(
                value,
                list(names),
                some[0]["trainable"],
                float(np.mean([record["loss"]["after"] for record in some])),
                dict(zip(MEASURES, means, strict=True)),
                {name: None if each is None else float(each) for name, each in zip(MEASURES, deviations, strict=True)},
                against,
                {},
                float(np.mean([record["seconds"]["training"] for record in some])) / 60,
                float(max(memory, default=0)),
            )
        )
    tests = [(row, name, paired.p) for row in rows if row.against for name, paired in row.against.items() if paired.p is not None]
    for (row, name, _), p in zip(tests, correct_defined([p for *_, p in tests]), strict=True):
        row.p_holm[name] = p
    return rows


def table(rows: Sequence[StudyRow], field: str) -> list[dict[str, Any]]:
    """A row a value."""
    lines = []
    for row in rows:
        line: dict[str, Any] = {field: row.value, "seeds": len(row.adapters), "parameters": row.trainable, "loss": row.loss}
        for name, interval in row.scores.items():
            paired = row.against and row.against[name]
            line |= {
                name: interval.mean,
                f"{name} low": interval.low,
                f"{name} high": interval.high,
                f"{name} sd": row.spread[name],
            }
            line |= {f"{name} difference": paired and paired.difference, f"{name} p (Holm)": row.p_holm.get(name)}
        lines.append(line | {"minutes": row.minutes, "memory_mb": row.memory_mb})
    return lines
