"""The table of results of a paper: a row a trial, a column a metric or cost, and what is really better than what."""

from collections.abc import Sequence
from typing import Any

from core.comparison.comparison import Difference, corrected, spread
from core.errors import WorkbenchError
from core.evaluation.metric import headlines, metric_or_measure, metrics_and_measures
from core.labs.trials import comparison
from core.labs.trials.comparison import ALPHA, COSTS, MOST, Trial, direction
from core.labs.trials.costs import own_or_alike
from core.labs.trials.leaderboard import AT_TOP
from core.report.tables import DIFFERENCE
from core.statistics.paired import Paired
from core.workbench import Workbench


def table(
    workbench: Workbench, words: Sequence[str], metrics: Sequence[str] = (), costs: Sequence[str] = (), reference: str = ""
) -> dict[str, Any]:
    """Means with intervals, the best of each metric with those not told from it, and p against the reference (default: the
    first), corrected over all tests of the table.

    Best: the highest mean (the lowest where less is better); with it stands what the paired permutation test, by Holm
    over the column, does not tell from it at 5%. Costs are told and not tested: of a time the median over its questions, of
    a trial that was not timed that of those that did the same work.
    """
    trials, base = _chosen(workbench, list(words), reference)
    for name, names in [(m, metrics_and_measures()) for m in metrics] + [(c, COSTS) for c in costs]:
        if name not in names:
            raise WorkbenchError(f"There is no '{name[:100]}' of a trial.", todo=f"Choose among {', '.join(names)}.")
    labels = dict(zip((trial.id for trial in trials), comparison.labels(trials), strict=True))
    metrics = list(dict.fromkeys(metrics or headlines()))
    level = base.config["evaluation"]["confidence"]  # of all intervals, whatever each trial's recipe says
    measured = {t.id: {row["metric"]: row for row in workbench.measured(t.id, level)["metrics"]} for t in trials}
    tests = {metric: _tests(workbench, base, trials, metric) for metric in metrics}
    changes = corrected({(trial, base.id, metric): paired for metric, of in tests.items() for trial, paired in of.items()})
    equals = {metric: _equals(workbench, trials, metric, measured) for metric in metrics}
    spent = {cost: own_or_alike(workbench, trials, cost) for cost in costs}
    rows = []
    for trial in trials:
        cells = {
            metric: {
                **{key: measured[trial.id].get(metric, {}).get(key) for key in ("mean", "low", "high", "n", "total")},
                **_difference(changes.get((trial.id, base.id, metric))),
                "best": trial.id in equals[metric],
            }
            for metric in metrics
        }
        for cost, of in spent.items():
            spread = of.get(trial.id)
            cells[cost] = {"mean": spread and spread.value, "low": spread and spread.low, "high": spread and spread.high}
        rows.append({"trial": trial.id, "name": labels[trial.id], "cells": cells})
    metric_columns = [
        {"name": m, "label": comparison.label(m, base.k), "unit": metric_or_measure(m).unit, "direction": direction(m)}
        for m in metrics
    ]
    cost_columns = [{"name": c, "label": COSTS[c][0], "unit": COSTS[c][1], "direction": -1} for c in costs]
    return {
        "columns": [*metric_columns, *cost_columns],
        "rows": rows,
        "reference": labels[base.id],
        "tests": len(changes),
        "questions": base.total,
        "confidence": level,
    }


def ranked(record: dict[str, Any], metric: str) -> dict[str, Any]:
    """The leaderboard that the command answers as a table: the best and those not told from it, each difference to the best, and p of the
    paired t tests against it, corrected over all comparisons, those of rows that are not shown too."""
    rows, unit, better = record["leaderboard"], metric_or_measure(metric).unit, direction(metric)
    names = {"mean": metric, "low": "low", "high": "high", "n": "n", "p": "p (Holm)"}
    gap = {"mean": "to the best", "low": "difference low", "high": "difference high"}
    return {
        "columns": [
            {"name": metric, "label": record["metric"], "unit": unit, "direction": better},
            {"name": DIFFERENCE, "label": "To the best", "unit": unit, "direction": better},
        ],
        "rows": [
            {
                "trial": row["trial"],
                "name": row["name"],
                "cells": {
                    metric: {
                        **{key: row[name] for key, name in names.items()},
                        "difference": row["to the best"],
                        "difference_low": row["difference low"],
                        "difference_high": row["difference high"],
                        "total": record["asked"],
                        "best": row["group"] == AT_TOP,
                    },
                    DIFFERENCE: {key: row[name] for key, name in gap.items()},
                },
            }
            for row in rows
        ],
        "reference": rows[0]["name"],
        "tests": record["comparisons"],
        "test": "paired t test",
        "seeds": max(row["repeats"] for row in rows),
        "recipes": record["recipes"] + record["left out, of lower means"],
        "questions": record["asked"],
        "confidence": record["confidence"],
    }


def _chosen(workbench: Workbench, words: list[str], reference: str) -> tuple[list[Trial], Trial]:
    """The trials, all of which measured the same, and the one that others are compared with."""
    ids = list(dict.fromkeys(workbench.trial_id(word) for word in words))
    if len(ids) > MOST:
        raise WorkbenchError(f"A table has at most {MOST} trials.", todo="Choose fewer.")
    reference_id = workbench.trial_id(reference) if reference else ids[0]
    if reference_id not in ids:
        raise WorkbenchError("The reference is none of the table's trials.", todo="Add it, or choose one of them.")
    trials = comparison.some(workbench, ids)
    base = trials[ids.index(reference_id)]
    for trial in trials:
        if not trial.metrics:
            why = "it measured no question" if trial.status == "ok" else trial.status
            raise WorkbenchError(f"Trial {trial.short} has no results: {why}.", todo="Leave it out.")
        if trial.group != base.group:
            raise WorkbenchError(
                f"Trial {trial.short} answered other questions, or under other rules, than {base.short}: their means do not "
                "compare.",
                todo="Make a table of each group.",
            )
    return trials, base


def _tests(workbench: Workbench, base: Trial, trials: Sequence[Trial], metric: str) -> dict[str, Paired | None]:
    """Trial -> its paired difference from the base, p uncorrected; None where they share no measured question."""
    others = [trial for trial in trials if trial is not base]
    rows = comparison.compare(workbench, base, others, metric).rows if others else []
    return {row.trial.id: row.paired for row in rows}


def _difference(change: Difference | None) -> dict[str, float | None]:
    """Minus the reference, with its interval and p; no more than an empty p of the reference itself."""
    if change is None or change.paired is None:
        return {"p": None}
    return spread("difference", change.paired, "_") | {"p": change.p_holm}


def _equals(workbench: Workbench, trials: Sequence[Trial], metric: str, measured: dict[str, dict]) -> set[str]:
    """The best trial of a column and those that are not told from it; none where there is nothing to choose among."""
    rated = [trial for trial in trials if (measured[trial.id].get(metric) or {}).get("mean") is not None]
    if len(rated) < 2:
        return set()
    top = max(rated, key=lambda trial: measured[trial.id][metric]["mean"] * direction(metric))
    rows = comparison.compare(workbench, top, [trial for trial in rated if trial is not top], metric).rows
    return {top.id, *(row.trial.id for row in rows if row.p_holm is not None and row.p_holm >= ALPHA)}
