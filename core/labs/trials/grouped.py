"""Trials by the value of one setting: of each group the means with their intervals, and how many trials and questions they are of."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from core.comparison.comparison import Rules
from core.config import fingerprint
from core.labs.trials.comparison import ABSENT, Trial, direction, label, setting_value
from core.labs.trials.listing import Listing
from core.labs.trials.own_columns import OwnColumn
from core.labs.trials.values import MOST, by_place
from core.report.table import COUNT, MEAN, Column, Table, between
from core.statistics.bootstrap import Interval
from core.workbench import Workbench, command_line

MOST_SETS = 12  # question sets that are told apart


class TrialGroup(NamedTuple):
    """The trials on one question set whose recipes have one value of the setting."""

    questions: str  # the set in words: a mean is comparable within it alone
    level: str | None  # None: these recipes do not have the setting
    ids: tuple[str, ...]
    means: dict[str, Interval]  # metric -> mean over trials and questions, its interval over questions
    confidence: float  # level of the intervals

    @property
    def key(self) -> str:
        return fingerprint(self.questions, self.level)[:12]


class Grouped(NamedTuple):
    setting: OwnColumn
    groups: list[TrialGroup]
    left_out: str  # what is not counted, in words; "": nothing


def grouped(workbench: Workbench, listing: Listing, setting: OwnColumn, metrics: Sequence[str]) -> Grouped:
    """The largest question sets first, the levels in order. A question's value in a group is its mean over the group's trials, of
    the questions that all of these measured; the interval is over questions."""
    key = fingerprint(listing.stamp, setting.name, list(metrics))
    return workbench.pipeline.remember("grouped trials", key, lambda: _grouped(workbench, listing, setting, metrics))


def _grouped(workbench: Workbench, listing: Listing, setting: OwnColumn, metrics: Sequence[str]) -> Grouped:
    made, left, sets = [], [], listing.groups()
    if len(sets) > MOST_SETS:
        left.append(f"{len(sets) - MOST_SETS:,} smaller question sets are left out.")
    for name, group in list(sets.items())[:MOST_SETS]:
        of = listing.of_group(group)
        if len(of) > MOST:
            left.append(f"Of {len(of):,} trials on {name} the newest {MOST:,} are grouped.")
        made += _of_set(workbench, name, of[:MOST], setting, metrics)
    return Grouped(setting, made, " ".join(left))


def _of_set(workbench: Workbench, name: str, trials: list[Trial], setting: OwnColumn, metrics: Sequence[str]) -> list[TrialGroup]:
    rows = workbench.store.query(
        "SELECT trial_id, value FROM settings WHERE setting = ? AND trial_id IN (SELECT unnest(?::VARCHAR[]))",
        [setting.name, [trial.id for trial in trials]],
    )
    levels = {row["trial_id"]: row["value"] for row in rows}
    members: dict[str | None, list[int]] = {}
    for place, trial in enumerate(trials):
        members.setdefault(levels.get(trial.id), []).append(place)
    evaluation = trials[0].config["evaluation"]
    rules = Rules(evaluation["resamples"], evaluation["confidence"], 0)
    means: dict[str, dict[str | None, Interval]] = {}
    for metric in metrics:
        values = by_place(workbench, trials, metric)
        means[metric] = {level: _mean(values[places], rules) for level, places in members.items()}
    return [
        TrialGroup(
            name,
            level,
            tuple(trials[place].id for place in places),
            {metric: means[metric][level] for metric in metrics},
            rules.confidence,
        )
        for level, places in sorted(members.items(), key=lambda item: _order(item[0]))
    ]


def _mean(values: np.ndarray, rules: Rules) -> Interval:
    """values [trials, questions]; trials that did not measure it at all are left out."""
    measured = values[~np.isnan(values).all(axis=1)] if values.size else values[:0]
    if not len(measured):
        return Interval(None, None, None, 0, values.shape[1], "not measured")
    return rules.mean(measured.mean(axis=0))


def _order(level: str | None) -> tuple[int, float, str]:
    """Numbers by size, then words, then those without the setting."""
    if level is None:
        return 2, 0.0, ""
    try:
        return 0, float(level), level
    except ValueError:
        return 1, 0.0, level


def level_words(result: Grouped, group: TrialGroup) -> str:
    return ABSENT if group.level is None else setting_value(result.setting.name, group.level)


def table(result: Grouped, *words: str) -> Table:
    """A row a group. words: of the command, behind the setting."""
    rows: list[dict[str, Any]] = []
    metrics = list(result.groups[0].means) if result.groups else []
    levels = " or ".join(f"{100 * level:g}%" for level in sorted({group.confidence for group in result.groups}))
    for group in result.groups:
        row: dict[str, Any] = {"level": level_words(result, group), "trials": len(group.ids)}
        for metric, mean in group.means.items():
            row |= {metric: mean.mean, f"{metric} interval": between(mean.low, mean.high, MEAN), f"{metric} n": mean.n}
            row |= {f"{metric} low": mean.low, f"{metric} high": mean.high}
        rows.append(row | {"questions": group.questions})
    columns = [Column("level", result.setting.title(), width=150), Column("trials", "", COUNT, width=60)]
    for metric in metrics:
        columns.append(Column(metric, label(metric), MEAN, direction=direction(metric), width=90))
        columns.append(Column(f"{metric} interval", levels + f" of {label(metric)}" * (len(metrics) > 1), width=130))
        columns.append(Column(f"{metric} n", "n" if len(metrics) == 1 else f"n of {label(metric)}", COUNT))
    columns.append(Column("questions", "On", width=260))
    note = "Means over the trials of a group, intervals over the questions that all of them measured"
    return Table(
        "trial_groups",
        columns,
        rows,
        f"Trials by {result.setting.title()}",
        note,
        command_line("trial-groups", result.setting.name, *words),
    )
