"""How a setting of an adapter's training changes what it is worth: rank, targets, data; each value with the same seeds.

Every combination is an adapter of its own name, so a study that was stopped goes on, and a larger one uses what a smaller one trained.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core.comparison.comparison import ArmComparison, compared, rules_of
from core.config import TrialConfig, valid
from core.errors import WorkbenchError
from core.labs.adapters.training import adapter_data, adapter_log, base_of, train_adapter
from core.models.adapters import adapter_record, is_tested
from core.models.hub import adapters_home
from core.progress import counted_within
from core.records import Progress
from core.training.adapters.settings import AdapterTraining, LoraTraining
from core.workbench import Workbench

MEASURES = ("em", "f1")


class StudyRow(NamedTuple):
    """A value over its seeds. sd: of each measure the standard deviation of the seeds' means; None: of one seed."""

    value: Any
    adapters: list[str]
    trainable: int
    loss: float  # of an answer's token on the test part, mean over seeds
    sd: dict[str, float | None]
    minutes: float  # of a training
    memory_mb: float  # most that a training's process held


class AdapterStudy(NamedTuple):
    """comparison: of the rows' places on the questions, each the mean over the seeds whose test asked it; minus the first."""

    rows: list[StudyRow]
    comparison: ArmComparison


def study(
    workbench: Workbench,
    config: TrialConfig,
    name: str,
    field: str,
    values: Sequence[Any],
    seeds: Sequence[int],
    settings: dict[str, Any],
    file: Path | None = None,
) -> Generator[Progress, None, AdapterStudy]:
    """Trains what is not trained yet, and compares the values with the first one."""
    if field not in AdapterTraining.model_fields or field == "seed":
        todo = f"One of: {', '.join(each for each in AdapterTraining.model_fields if each != 'seed')}."
        raise WorkbenchError(f"'{field}' is no setting of a training.", where="grid", todo=todo)
    every = [valid(AdapterTraining, {**settings, field: value, "seed": seed}) for value, seed in product(values, seeds)]
    names = [f"{name}-{field}-{getattr(each, field)}-{each.seed}" for each in every]
    yield from trained_each(
        config,
        dict(zip(names, every, strict=True)),
        lambda *of: train_adapter(workbench, config, *of, file),
        lambda wanted: adapter_data(workbench, config, wanted, file),
    )
    chunks = [names[at : at + len(seeds)] for at in range(0, len(names), len(seeds))]
    return compared_values(list(zip(values, chunks, strict=True)), config)


def trained_each(
    config: TrialConfig,
    trainings: Mapping[str, LoraTraining],
    train: Callable[[str, dict[str, Any]], Generator],
    read: Callable[[dict[str, Any]], Generator],
) -> Generator[Progress, None, None]:
    """Trains those of these adapters that are not there yet. read: what they learn from, to know whether the others learnt from it."""
    sources: dict[str, str] = {}  # by the setting of that name
    for number, (name, training) in enumerate(trainings.items()):
        step = Progress(number, len(trainings), name)
        yield step
        if is_tested(name):
            if training.source not in sources:
                sources[training.source] = (yield from counted_within(read(training.model_dump()), step)).source
            check_same(name, training, config, sources[training.source])
        else:
            yield from counted_within(train(name, training.model_dump()), step)


def check_same(name: str, wanted: LoraTraining, config: TrialConfig, source: str) -> None:
    """Raises where the adapter of this name was trained otherwise, or on other data than that of this source."""
    record = adapter_record(name)
    model = base_of(config).model
    settings = valid(type(wanted), record.get("config", {}))  # of an older version with the knobs that came later
    todo, learnt = "Give the study another name, or delete that adapter.", record.get("data", {}).get("source")
    if settings != wanted or record.get("base", {}).get("model") != model:
        raise WorkbenchError(f"'{name}' was trained with other settings.", where=str(adapters_home() / name), todo=todo)
    if learnt != source:
        what = f"'{name}' was trained on other data: {learnt}; now it is {source}."
        raise WorkbenchError(what, where=str(adapters_home() / name), todo=todo)


def compared_values(groups: Sequence[tuple[Any, list[str]]], config: TrialConfig) -> AdapterStudy:
    """Of values with their adapters, a seed each; the first is what the others are held against."""
    records = [[adapter_record(name) for name in names] for _, names in groups]
    asked = [[[_question(row) for row in record["tested"]] for record in some] for some in records]
    if any(own != asked[0] for own in asked):  # each seed draws its own, which all values share
        todo = "Set test_examples and alike to values with which all keep the same test questions."
        raise WorkbenchError("The adapters were not tested on the same questions.", where="test", todo=todo)
    values = {place: dict(zip(MEASURES, _by_question(some).T, strict=True)) for place, some in enumerate(records)}
    rows = []
    for (value, names), some in zip(groups, records, strict=True):
        means = np.array([_by_question([record]).mean(axis=0) for record in some])
        sd = [float(each) for each in means.std(axis=0, ddof=1)] if len(some) > 1 else [None] * len(MEASURES)
        loss = float(np.mean([record["loss"]["after"] for record in some]))
        minutes = float(np.mean([record["seconds"]["training"] for record in some])) / 60
        memory = [line.get("memory_mb", 0) for name in names for line in adapter_log(name) if line["kind"] == "step"]
        by_name = dict(zip(MEASURES, sd, strict=True))
        rows.append(StudyRow(value, list(names), some[0]["trainable"], loss, by_name, minutes, float(max(memory, default=0))))
    return AdapterStudy(rows, compared(values, rules_of(config), 0))


def _question(row: dict[str, Any]) -> tuple[str, str]:
    """Which question of the test it is: where an engine writes them, other seeds number others alike."""
    return row["id"], row["question"]


def _by_question(records: Sequence[dict[str, Any]]) -> np.ndarray:
    """[questions, measures]: of each question that was asked in one of these tests the mean over those that asked it."""
    asked: dict[tuple[str, str], list[list[float]]] = {}
    for row in (row for record in records for row in record["tested"]):
        asked.setdefault(_question(row), []).append([row["after"][name] for name in MEASURES])
    return np.array([np.mean(values, axis=0) for values in asked.values()], float)


def table(made: AdapterStudy, field: str) -> list[dict[str, Any]]:
    """A row a value."""
    lines = []
    for place, row in enumerate(made.rows):
        line: dict[str, Any] = {field: row.value, "seeds": len(row.adapters), "parameters": row.trainable, "loss": row.loss}
        for name in MEASURES:
            line |= made.comparison.cells(place, name) | {f"{name} sd": row.sd[name]}
        lines.append(line | {"minutes": row.minutes, "memory_mb": row.memory_mb})
    return lines
