"""How sure a place on the Pareto frontier is: the share of resamples in which no other trial is at least as good in every
measure and better in one.

Metrics are resampled by question. Costs with a spread of their own are drawn anew too, once for all trials that did the
same work; costs that are counted, as chunks, stay.
"""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from core.config import fingerprint
from core.errors import WorkbenchError
from core.evaluation.metric import metrics_and_measures
from core.labs.trials.comparison import COSTS, Spread, Trial, direction
from core.labs.trials.costs import MOST, TIMED, spreads, unbeaten
from core.labs.trials.listing import everything
from core.labs.trials.values import comparable
from core.pipeline.recipe_words import work
from core.statistics.bootstrap import resampled_means
from core.workbench import Workbench

NORMAL_95 = 3.919928  # standard errors between the ends of a 95% interval
QUARTILES = 1.34898  # standard deviations between the quartiles of a normal distribution
MEDIAN = 1.253314  # standard error of a median, in those of a mean (normal distribution)
MEDIANS = {*TIMED, "answer_s"}  # costs that are medians, and their spread the quartiles of the questions
BLOCK = 4_000_000  # comparisons at a time
COMPARED = 100_000_000  # in all: beyond 316 trials fewer resamples than a thousand are made


class Member(NamedTuple):
    """A trial with its measures, and how often it is on the frontier."""

    trial: Trial
    values: tuple[float, ...]  # by measure
    on_frontier: bool  # as measured
    share: float  # of the resamples


def membership(workbench: Workbench, points: Sequence[Trial], measures: Sequence[str]) -> list[Member]:
    """Of those of these trials, of one group, that have all measures: two or three metrics and costs."""
    for name in measures:
        if name not in (*metrics_and_measures(), *COSTS):
            raise WorkbenchError(
                f"There is no '{name}' of a trial.", todo=f"Choose among {', '.join((*metrics_and_measures(), *COSTS))}."
            )
    if len(set(measures)) != len(measures) or not 2 <= len(measures) <= 3:
        raise WorkbenchError("A frontier is over two or three different measures.", where=", ".join(measures))
    if len(points) > MOST:
        raise WorkbenchError(f"{len(points):,} trials are too many for a frontier.", todo=f"Choose at most {MOST}.")
    costs = {name: spreads(workbench, points, name) for name in measures if name in COSTS}
    for name in measures:
        measured = costs[name] if name in COSTS else {t.id for t in points if name in t.metrics}
        points = [trial for trial in points if trial.id in measured]
    if not points:
        return []
    key = fingerprint([t.id for t in points], [[tuple(of[t.id]) for t in points] for of in costs.values()], list(measures))
    shares = workbench.pipeline.remember("membership", key, lambda: _membership(workbench, points, costs, measures))
    return [Member(trial, *own) for trial, own in zip(points, shares, strict=True)]


def frontier(
    workbench: Workbench, metric: str, cost: str, dataset: str = "", only: Collection[str] = (), third: str = ""
) -> list[dict[str, Any]]:
    """One row a measured recipe, by group of comparable trials: its metric, its cost with spread, whether one beats it, and
    how often it is on the frontier. only: ids of trials that are looked at, all of them (else of equal recipes the newest, and
    of very many the last). third: another metric or cost that counts for the frontier."""
    for name, names in ((metric, metrics_and_measures()), (cost, COSTS), (third, ("", *metrics_and_measures(), *COSTS))):
        if name not in names:
            raise WorkbenchError(f"There is no '{name}' of a trial.", todo=f"Choose among {', '.join(filter(None, names))}.")
    measures = [metric, cost, *filter(None, [third])]
    rows = []
    listed = everything(workbench).matching(dataset)
    for name, group in listed.groups().items():
        of = listed.of_group(group)
        points = (of.among(only) if only else of.last_repeats()).having(metric, cost)[:MOST][::-1]
        costs = spreads(workbench, points, cost)
        front = unbeaten(workbench, points, costs, metric) if len(points) > 1 else {trial.id for trial in points}
        members = {member.trial.id: member for member in membership(workbench, points, measures)}
        for trial in sorted(points, key=lambda trial: costs[trial.id].value):
            member = members.get(trial.id)
            row = {
                "trial": trial.id,
                "name": trial.title,
                "questions": name,
                metric: trial.metrics[metric],
                cost: costs[trial.id].value,
                "low": costs[trial.id].low,
                "high": costs[trial.id].high,
                "runs": costs[trial.id].runs,
                "beaten": "" if trial.id in front else "yes",
                **({third: member and member.values[2]} if third else {}),
                "on the frontier": member and ("yes" if member.on_frontier else ""),
                "share of resamples": member and member.share,
            }
            rows.append(row)
    return rows


def chart_rows(
    points: Sequence[Trial],
    costs: dict[str, Spread],
    front: set[str],
    members: Sequence[Member],
    metric: str,
    cost: str,
    third: str = "",
) -> list[dict[str, Any]]:
    """What a chart of quality against cost shows. front: ids of those that no other beats."""
    own = {member.trial.id: member for member in members}
    return [
        {
            "trial": trial.id,
            "name": trial.title,
            "recipe": trial.recipe,
            cost: costs[trial.id].value,
            "low": costs[trial.id].low,
            "high": costs[trial.id].high,
            "runs": costs[trial.id].runs,
            metric: trial.metrics[metric],
            "beaten": trial.id not in front,
            **({third: own[trial.id].values[2] if trial.id in own else None} if third else {}),
            "share of resamples on the frontier": own[trial.id].share if trial.id in own else None,
        }
        for trial in points
    ]


def undominated(values: np.ndarray) -> np.ndarray:
    """[draws, n] bool: no other point is as good in all measures and better in one. values [draws, n, measures], higher is
    better."""
    draws, n, measures = values.shape
    result = np.empty((draws, n), bool)
    step = max(1, BLOCK // (n * n))
    for first in range(0, draws, step):
        block = values[first : first + step]
        as_good, better = np.ones((len(block), n, n), bool), np.zeros((len(block), n, n), bool)
        for measure in range(measures):
            column = block[:, :, measure]
            as_good &= column[:, :, None] >= column[:, None, :]  # row against column
            better |= column[:, :, None] > column[:, None, :]
        result[first : first + step] = ~(as_good & better).any(axis=1)
    return result


def _membership(
    workbench: Workbench, points: Sequence[Trial], costs: dict[str, dict[str, Spread]], measures: Sequence[str]
) -> list[tuple[tuple[float, ...], bool, float]]:
    rules, seed = points[0].config["evaluation"], points[0].config["seed"]
    own, draws, signs = [], [], []
    for name in measures:
        if name in COSTS:
            values, sign = np.array([costs[name][trial.id].value for trial in points]), -1
            drawn = _drawn(points, costs[name], name, rules["resamples"], seed)
        else:
            table, sign = comparable(workbench, points, name), direction(name)
            values, drawn = table.mean(axis=1), resampled_means(np.ascontiguousarray(table.T), rules["resamples"], seed)
        own.append(np.round(sign * values, 12)), draws.append(np.round(sign * drawn, 12))
        signs.append(sign)
    table = np.column_stack(own)
    most = max(COMPARED // len(points) ** 2, 50)
    shares = undominated(np.stack(draws, axis=2)[:most]).mean(axis=0)
    now = undominated(table[None])[0]
    return [
        (tuple(map(float, row)), bool(on), float(share))
        for row, on, share in zip(table * np.array(signs), now, shares, strict=True)
    ]


def _drawn(points: Sequence[Trial], costs: dict[str, Spread], cost: str, resamples: int, seed: int) -> np.ndarray:
    """[resamples, trials] of a cost: normal about its value with its standard error. Trials that did the same work have the
    same time, and trials with the same answers that of these; a context is over the same questions, and moves with them for all
    trials alike."""
    rng, by_work = np.random.default_rng([seed, len(cost)]), {}
    columns = []
    for trial in points:
        spread = costs[trial.id]
        error = 0.0 if spread.low is None or not spread.n else (spread.high - spread.low) / NORMAL_95
        if error and cost in MEDIANS:
            error = MEDIAN * (spread.high - spread.low) / QUARTILES / np.sqrt(spread.n)
        key = work(trial.config, trial.corpus) if cost in TIMED else spread if cost in MEDIANS else ""
        if key not in by_work:
            by_work[key] = rng.standard_normal(resamples)
        columns.append(spread.value + error * by_work[key])
    return np.column_stack(columns)
