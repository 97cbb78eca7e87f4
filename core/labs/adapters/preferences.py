"""Where preference optimisation breaks: settings of its training (beta, number of pairs) crossed, each with the same seeds.

Every combination is an adapter of its own name, so a study that was stopped goes on, and a larger one uses what a smaller one trained.
Rows are trainings, not means over seeds: a split of its own comes with each seed.
"""

from collections.abc import Generator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from core.config import TrialConfig, valid
from core.errors import WorkbenchError
from core.labs.adapters.experiment import trained_each
from core.labs.adapters.training import preference_data, train_dpo
from core.models.adapters import adapter_record
from core.records import Progress
from core.training.adapters.settings import PreferenceTraining
from core.workbench import Workbench

Record = dict[str, Any]  # training.json


def study(
    workbench: Workbench,
    config: TrialConfig,
    name: str,
    grid: dict[str, list[Any]],
    seeds: Sequence[int],
    settings: dict[str, Any],
    file: Path | None = None,
) -> Generator[Progress, None, list[Record]]:
    """Trains what is not trained yet; the records of all, in the grid's order."""
    if strange := [field for field in grid if field not in PreferenceTraining.model_fields or field == "seed"]:
        todo = f"Some of: {', '.join(each for each in PreferenceTraining.model_fields if each != 'seed')}."
        raise WorkbenchError(f"'{strange[0]}' is no setting of such a training.", where="grid", todo=todo)
    fields = [*grid, "seed"]
    every = [dict(zip(fields, values, strict=True)) for values in product(*grid.values(), seeds)]
    trainings = {own: valid(PreferenceTraining, settings | each) for each in every if (own := own_name(name, each))}
    yield from trained_each(
        config,
        trainings,
        lambda *of: train_dpo(workbench, config, *of, file),
        lambda wanted: preference_data(workbench, config, wanted, file),
    )
    return [adapter_record(own) for own in trainings]


def own_name(name: str, settings: dict[str, Any]) -> str:
    """Of the study's adapter with these settings."""
    return "-".join([name, *(str(part) for field, value in settings.items() for part in (field, value))])


def table(records: Sequence[Record], fields: Sequence[str]) -> list[dict[str, Any]]:
    """A row a training: on pairs that it never saw, and of its greedy answers to their prompts beside the base's."""
    rows = []
    for record in records:
        test, before, after = record["test"], record["answers"]["before"], record["answers"]["after"]
        row: dict[str, Any] = {field: record["config"][field] for field in (*fields, "seed")}
        row |= {
            "pairs": record["data"]["examples"]["train"],
            "tested": record["data"]["examples"]["test"],
            "steps": record["steps"],
            "best step": record["best_step"],
        }
        for name in ("accuracy", "chosen", "rejected"):
            row |= {name: test[name]["value"], f"{name} low": test[name]["low"], f"{name} high": test[name]["high"]}
        row |= {"margin": test["margin"]["value"], "loss": test["loss"]["value"], "kl": test["kl"]["value"]}
        for name in before:
            row |= {f"{name} before": before[name], f"{name} after": after[name]}
        f1 = record["comparison"]["f1"]
        row |= {f"f1 {name}": f1[name] for name in ("before", "difference", "low", "high", "p", "n")}
        rows.append(row | {"minutes": sum(record["seconds"].values()) / 60})
    return rows


def sentences(rows: Sequence[dict[str, Any]], fields: Sequence[str]) -> list[str]:
    """Where it broke, by rules that are said in each sentence."""
    breaks = {
        "No step was better on the validation pairs than the start, so that what is measured is the model before training, with {}.": (
            lambda row: row["best step"] == 0
        ),
        "The preferred answers themselves became less likely (interval below 0) with {}.": (
            lambda row: row["chosen high"] is not None and row["chosen high"] < 0
        ),
        "The answers' token F1 with the preferred ones fell (interval of the difference below 0) with {}.": (
            lambda row: row["f1 low"] is not None and row["f1 high"] < 0
        ),
        "The held-out pairs are ranked no better than by chance (interval with 0.5, or below it) with {}.": (
            lambda row: row["accuracy low"] is None or row["accuracy low"] <= 0.5
        ),
    }
    told = []
    for sentence, broken in breaks.items():
        where = [", ".join(f"{field} {row[field]}" for field in (*fields, "seed")) for row in rows if broken(row)]
        told.append(sentence.format("; ".join(where) if where else "none of these settings"))
    return told
