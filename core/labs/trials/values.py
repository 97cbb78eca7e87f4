"""The values by question of many trials at once: a row a recipe, from one query of the store.

Repeats of a recipe, which differ in their seed alone, are one row: the mean of their values. Of trials with the same seed
too, which are the same measurement, the newest counts.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from core.comparison.comparison import Rules
from core.config import fingerprint
from core.errors import WorkbenchError
from core.evaluation.metric import judges, metrics_and_measures
from core.labs.trials.comparison import Trial, direction, groups
from core.labs.trials.listing import everything
from core.pipeline.recipe_words import doing
from core.workbench import Workbench

MOST = 1_000  # recipes looked at together


class RecipeScores(NamedTuple):
    """What the recipes of one group measured, on the questions that all of them measured."""

    metric: str
    recipes: list[Trial]  # the newest trial of each
    repeats: list[list[Trial]]  # all that count, one a seed
    values: np.ndarray  # [recipes, questions] float64, mean over repeats
    seed_spread: np.ndarray  # [recipes] float64, standard deviation of the repeats' means; NaN below two
    places: np.ndarray  # [questions] int64: place of each in the question set
    total: int  # questions asked
    left_out: int = 0  # recipes beyond MOST, or trials beyond twice as many

    @property
    def k(self) -> int:
        return self.recipes[0].k

    @property
    def rules(self) -> Rules:
        """Those of the newest trial."""
        rules = self.recipes[0].config["evaluation"]
        return Rules(rules["resamples"], rules["confidence"], self.recipes[0].config["seed"])


def recipe_key(trial: Trial, but: Collection[str] = ("seed",)) -> str:
    """Trials with the same one ran the same recipe, but for these settings."""
    stages = {stage for stage in but if "." not in stage}
    mapping = {stage: value for stage, value in doing(trial.config).items() if stage not in stages}
    for setting in set(but) - stages:
        stage, _, name = setting.partition(".")
        mapping[stage] = {key: value for key, value in (mapping.get(stage) or {}).items() if key != name}
    return fingerprint(mapping)


def select(
    workbench: Workbench, sweep: str = "", dataset: str = "", only: Collection[str] = (), metric: str = "", part: str = ""
) -> tuple[str, list[Trial]]:
    """(name, trials) of the largest group that can be compared among the trials of a sweep, a corpus, or with these ids.
    part: only those on the dev, or on the test questions."""
    if metric and not judges(metric):
        raise WorkbenchError(f"There is no metric '{metric}'.", todo=f"Choose among {', '.join(metrics_and_measures())}.")
    listed = everything(workbench).matching(dataset, sweep=sweep)
    listed = listed.among(only) if only else listed
    listed = listed.asked(part) if part else listed
    named = {name: listed.of_group(group) for name, group in listed.groups().items()}
    if not named:
        whose = f"The sweep '{sweep}'" if sweep else f"The corpus '{dataset}'" if dataset else "The store"
        raise WorkbenchError(
            f"{whose} has no measured trial{f' on the {part} questions' * bool(part)}.",
            todo="`python -m core trials list` lists the stored trials with their sweeps' names.",
        )
    name, *_ = named
    if part and len(named) > 1:  # of rounds with more and more questions the last has the say
        newest = {name: of[0] for name, of in named.items()}
        alike = [other for other, trial in newest.items() if trial.group[1:] == newest[name].group[1:]]
        name = max(alike, key=lambda other: newest[other].total)
    return name, named[name][:]


def scores(workbench: Workbench, members: Sequence[Trial], metric: str) -> RecipeScores:
    """Of trials of one group, newest first."""
    key = fingerprint([trial.id for trial in members], metric)
    read = workbench.pipeline.remember("recipe scores", key, lambda: _scores(workbench, members, metric))
    now = {trial.id: trial for trial in members}  # people may have named them since
    repeats = [[now[trial.id] for trial in trials_of] for trials_of in read.repeats]
    return read._replace(recipes=[trials_of[0] for trials_of in repeats], repeats=repeats)


def _scores(workbench: Workbench, members: Sequence[Trial], metric: str) -> RecipeScores:
    if len(groups(members)) > 1:
        raise WorkbenchError(
            "These trials answered other questions, or by other rules: they cannot be ranked together.",
            todo="Choose trials of one corpus, question set, depth and rule of relevance.",
        )
    rated = [trial for trial in members if metric in trial.metrics] or [trial for trial in members if trial.metrics]
    lower = max(len(rated) - 2 * MOST, 0)
    if lower:  # what a recipe is takes a moment to tell: of a hundred thousand trials the highest means are looked at
        better = direction(metric)
        chosen = {t.id for t in sorted(rated, key=lambda t: -better * t.metrics.get(metric, 0.0))[: 2 * MOST]}
        rated = [trial for trial in rated if trial.id in chosen]
    seeds: dict[str, dict[Any, Trial]] = defaultdict(dict)
    for trial in rated:
        seeds[recipe_key(trial)].setdefault(trial.config.get("seed"), trial)
    repeats = [list(trials_of.values()) for trials_of in seeds.values()]
    if len(repeats) > MOST:
        repeats.sort(key=lambda trials_of: -direction(metric) * np.mean([trial.metrics.get(metric, 0.0) for trial in trials_of]))
    shown = repeats[:MOST]
    if not shown:
        raise WorkbenchError("None of these trials measured anything.", todo="Choose trials whose status is ok.")
    values, places = matrix(workbench, [trial for trials_of in shown for trial in trials_of], metric)
    if values.shape[1] < 2:
        raise _too_few()
    bounds = np.cumsum([0, *(len(trials_of) for trials_of in shown)])
    means = np.add.reduceat(values, bounds[:-1], axis=0) / np.diff(bounds)[:, None]
    spread = [values[a:b].mean(axis=1).std(ddof=1) if b - a > 1 else np.nan for a, b in pairwise(bounds)]
    newest = [trials_of[0] for trials_of in shown]
    return RecipeScores(
        metric, newest, shown, means, np.array(spread), places, newest[0].total, max(len(repeats) - MOST, 0) + lower
    )


def matrix(workbench: Workbench, members: Sequence[Trial], metric: str) -> tuple[np.ndarray, np.ndarray]:
    """([trials, questions] float64, place of each question in the set) on the questions that all measured."""
    values = by_place(workbench, members, metric)
    places = np.flatnonzero(~np.isnan(values).any(axis=0))
    return np.ascontiguousarray(values[:, places]), places


def comparable(workbench: Workbench, members: Sequence[Trial], metric: str) -> np.ndarray:
    """The same values of trials that are compared; raises where they share fewer than two questions."""
    values, _ = matrix(workbench, members, metric)
    if values.shape[1] < min(2, len(members)):
        raise _too_few()
    return values


def _too_few() -> WorkbenchError:
    what = "Fewer than two questions were measured by all of these trials."
    return WorkbenchError(what, todo="Choose trials that measured the same questions.")


def by_place(workbench: Workbench, members: Sequence[Trial], metric: str) -> np.ndarray:
    """[trials, places] float64 by the place of each question in the set, up to the last one measured; NaN: unmeasured."""
    ids, question_set = [trial.id for trial in members], members[0].questions
    table = workbench.store.columns(
        """WITH asked AS (SELECT unnest(?::VARCHAR[]) AS trial_id, unnest(range(?)) AS place)
           SELECT asked.place AS place, q.position AS position, coalesce(s.value, 'nan'::DOUBLE) AS value FROM scores s
           JOIN asked ON asked.trial_id = s.trial_id
           JOIN questions q ON q.fingerprint = ? AND q.query_id = s.query_id
           WHERE s.metric = ? AND s.trial_id BETWEEN ? AND ?""",  # trials of an experiment stand together: most rows are not read
        [ids, len(ids), question_set, f"{metric}@{members[0].k}", min(ids), max(ids)],
    )
    rows, columns = table["place"], table["position"]
    values = np.full((len(ids), int(columns.max(initial=-1)) + 1), np.nan)
    values[rows, columns] = table["value"]
    if len(missing := np.setdiff1d(np.arange(len(ids)), rows)):  # a metric that is newer than the trial
        values = _derived(workbench, members, metric, values, missing.tolist())
    return values


def _derived(workbench: Workbench, members: Sequence[Trial], metric: str, values: np.ndarray, rows: Sequence[int]) -> np.ndarray:
    asked = workbench.store.query(
        "SELECT query_id, position FROM questions WHERE fingerprint = ? ORDER BY position", [members[0].questions]
    )
    table = np.full((len(members), max(values.shape[1], len(asked))), np.nan)
    table[:, : values.shape[1]] = values
    for row in rows:
        own = workbench.trial_values(members[row].id, metric, members[0].k)
        for question in asked:
            table[row, question["position"]] = own.get(question["query_id"], np.nan)
    return table
