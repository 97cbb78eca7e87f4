"""Noise budgets of what was repeated: a table of anybody's, stored repeats of a recipe, or stored samples of answers."""

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from core.config import fingerprint
from core.errors import WorkbenchError
from core.evaluation.metric import MAIN
from core.files import regular
from core.judging.diversity import answer_f1
from core.labs.scores.judging import MeasureScores
from core.labs.trials import values as trial_values
from core.labs.trials.comparison import label
from core.report.table import Column, Table
from core.statistics.noise import MOST_FACTORS, NoiseBudget, Settled, noise_budget, settled, verdict
from core.workbench import Workbench

VALUE, QUESTION = "value", "question"
MOST_ROWS = 200_000


class Repeated(NamedTuple):
    """A long table: values [n] with the level of each factor, the questions first."""

    what: str
    values: np.ndarray
    factors: dict[str, list[str]]


def of_file(path: Path, value: str = VALUE, factors: Sequence[str] = ()) -> Repeated:
    """A CSV file with a row a value: a column of it, and a column a factor. An empty value, or NaN, is unmeasured."""
    try:
        with regular(path, "Give a CSV file.").open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows, columns = [], list(reader.fieldnames or ())
            for row in reader:
                rows.append(row)
                if len(rows) > MOST_ROWS:
                    raise WorkbenchError(
                        f"The table has more than {MOST_ROWS:,} rows.", where=str(path), todo="Draw some of them."
                    )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise WorkbenchError(f"The table cannot be read: {error}", where=str(path), todo="Give a CSV file in UTF-8.") from None
    names = list(factors) or [name for name in columns if name != value]
    if missing := [name for name in (value, *names) if name not in columns]:
        raise WorkbenchError(
            f"The table has no column {', '.join(map(repr, missing))}.",
            where=str(path),
            todo=f"Its columns: {', '.join(columns):.300}. Name them with --value and --factors.",
        )
    if not names or len(names) > MOST_FACTORS:
        todo = f"Name one to {MOST_FACTORS} with --factors, the questions first."
        raise WorkbenchError(f"{len(names)} columns would be factors.", where=str(path), todo=todo)
    if not factors and QUESTION in names:
        names = [QUESTION, *(name for name in names if name != QUESTION)]
    numbers = [_number(row[value], f"{path}:{line}") for line, row in enumerate(rows, 2)]
    return Repeated(path.name, np.array(numbers, np.float64), {name: [row[name] or "" for row in rows] for name in names})


def _number(text: str | None, place: str) -> float:
    if not (text or "").strip():
        return np.nan
    try:
        number = float(text)
    except ValueError:
        raise WorkbenchError(
            f"'{text[:40]}' is no number.", where=place, todo="Leave a value empty that was not measured."
        ) from None
    if np.isinf(number):
        raise WorkbenchError("A value is infinite.", where=place, todo="Leave a value empty that was not measured.")
    return number


def of_trials(workbench: Workbench, sweep: str = "", dataset: str = "", only: Sequence[str] = (), metric: str = MAIN) -> Repeated:
    """The stored recipe with the most repeats under other seeds, of those that can be compared; its values by question and seed."""
    _, members = trial_values.select(workbench, sweep, dataset, {workbench.trial_id(words) for words in only}, metric)
    by_recipe = defaultdict(dict)
    for trial in members:
        by_recipe[trial_values.recipe_key(trial)].setdefault(trial.config.get("seed"), trial)
    repeats = list(max(by_recipe.values(), key=len).values())
    if len(repeats) < 2:
        raise WorkbenchError(
            "No recipe is stored under two seeds.",
            todo="Store repeats: python -m core recipe sweep --grid seed=0:4:1, then name its sweep.",
        )
    table, places = trial_values.matrix(workbench, repeats, metric)
    factors = {QUESTION: [str(place) for _ in repeats for place in places], "seed": []}
    factors["seed"] = [str(trial.config.get("seed")) for trial in repeats for _ in places]
    return Repeated(f"{repeats[0].title}: {label(metric, repeats[0].k)}", table.ravel(), factors)


def of_samples(workbench: Workbench, dataset: str = "") -> Repeated:
    """Stored samples of answers, those of the chain with most of them: token F1 with the accepted answers, by question and seed."""
    rows = workbench.store.query(
        """SELECT ground, chain, query_id, seed, text, answers, finish_reason FROM samples
           WHERE ? IN ('', dataset)""",
        [dataset],
    )
    alike = defaultdict(list)
    for row in rows:
        alike[row["ground"], row["chain"]].append(row)
    if not alike:
        raise WorkbenchError("No samples of answers are stored.", todo="Draw some: python -m core sampling experiment.")
    chosen = max(alike.values(), key=len)
    failed = [row["finish_reason"] == "failed" for row in chosen]
    scores = [np.nan if f else answer_f1(row["text"], row["answers"]) for f, row in zip(failed, chosen, strict=True)]
    factors = {QUESTION: [row["query_id"] for row in chosen], "seed": [str(row["seed"]) for row in chosen]}
    return Repeated(f"samples of {chosen[0]['chain']}: token F1", np.array(scores, np.float64), factors)


def of_runs(measured: MeasureScores) -> Repeated:
    """The runs of a judge on the answers that it was given: by answer and run."""
    runs = [score.detail.get("runs") or [] for score in measured.scores]
    values = [np.nan if value is None else value for some in runs for value in some]
    if sum(len(some) > 1 for some in runs) < 2:
        raise WorkbenchError(f"{measured.measure.label} has judged no two answers twice.", todo="Score them in two runs or more.")
    factors = {
        "answer": [str(place) for place, some in enumerate(runs) for _ in some],
        "run": [str(run) for some in runs for run in range(len(some))],
    }
    return Repeated(f"runs of {measured.measure.label}", np.array(values, np.float64), factors)


def budget(
    repeated: Repeated,
    gain: float | None = None,
    planned: Sequence[str] = (),
    shared: Sequence[str] = (),
    differences: bool = False,
) -> dict[str, Any]:
    """The variance components with their intervals, and where a gain is given, the verdict in words. planned: FACTOR=LEVELS."""
    names = list(repeated.factors)
    if unknown := [name for name in shared if name not in names]:
        raise WorkbenchError(f"There is no factor {', '.join(unknown)}.", todo=f"Factors: {', '.join(names)}.")
    made = noise_budget(repeated.values, repeated.factors)
    if not made.components:
        raise WorkbenchError(f"The noise cannot be estimated: {'; '.join(made.notes)}.", todo="Measure some questions again.")
    outcome = None
    if gain is not None:
        outcome = settled(made, gain, _levels(planned, names), shared, differences)
    return told(repeated.what, made, outcome)


def remembered(
    workbench: Workbench,
    repeated: Repeated,
    gain: float | None = None,
    planned: Sequence[str] = (),
    shared: Sequence[str] = (),
    differences: bool = False,
) -> dict[str, Any]:
    """The budget, computed once."""
    asked = (gain, tuple(planned), tuple(shared), differences)
    key = fingerprint(repeated.what, repeated.values.tobytes().hex(), repeated.factors, asked)
    return workbench.pipeline.remember("noise_budget", key, lambda: budget(repeated, *asked))


def _levels(planned: Sequence[str], names: Sequence[str]) -> dict[str, int]:
    levels = {}
    for text in planned:
        name, _, number = text.partition("=")
        if name not in names or not number.isdecimal() or int(number) < 1:
            raise WorkbenchError(
                f"'{text}' plans nothing.", todo=f"For example --planned {names[-1]}=3; factors: {', '.join(names)}."
            )
        levels[name] = int(number)
    return levels


def told(what: str, made: NoiseBudget, outcome: Settled | None) -> dict[str, Any]:
    """As the command line prints it."""
    whole = sum(each.variance for each in made.components)
    return {
        "of": what,
        "mean": made.mean,
        "values": made.n,
        "unmeasured": made.total - made.n,
        "levels": made.levels,
        "cells with a value": f"{made.cells:,} of {made.possible:,}",
        "notes": ". ".join(made.notes),
        "verdict": verdict(outcome, made) if outcome else "",
        "components": [
            {
                "component": each.name,
                "standard deviation": each.deviation,
                "low": each.low**0.5,
                "high": each.high**0.5,
                "share of the variance": each.variance / whole if whole else 0.0,
            }
            for each in made.components
        ],
    }


def component_table(record: dict[str, Any], command: str = "") -> Table:
    rows = [{**row, "percent": 100 * row["share of the variance"]} for row in record["components"]]
    columns = (
        Column("component", "component"),
        *(Column(name, name, "%.4f") for name in ("standard deviation", "low", "high")),
        Column("percent", "share of the variance", "%.0f%%"),
    )
    note = f"{record['of']}: mean {record['mean']:.3f}, n {record['values']:,}; 95% intervals"
    return Table("noise_table", columns, rows, "Where the variance comes from", note, command)
