"""What an experiment says so far: each of its points against the base, question by question, and which are not told from the best."""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

from core import registry
from core.comparison.comparison import Gap, corrected, gap_columns, gaps
from core.config import PART_KINDS, TrialConfig, fingerprint, with_settings
from core.errors import WorkbenchError
from core.evaluation.metric import judges
from core.labs.experiments import book, rounds
from core.labs.experiments.experiment import Experiment, Factor
from core.labs.experiments.rounds import SAME
from core.labs.trials import values
from core.labs.trials.comparison import Trial, TrialComparison, Versus, named_groups, some
from core.labs.trials.leaderboard import AT_TOP, WORSE, Leaderboard, leaderboard
from core.labs.trials.listing import everything
from core.labs.trials.values import recipe_key, scores
from core.progress import counted
from core.statistics.bootstrap import Interval
from core.workbench import Workbench

BASE, BASELINE = "base", "baseline"


class PointResult(NamedTuple):
    """A recipe of an experiment. difference: minus the baseline, p corrected over all; None of the baseline, and without one.
    beside: it is no point of the experiment, only what these are compared with."""

    trial: Trial  # the newest of its repeats
    settings: dict[str, Any]  # what is varied -> its value here; left out where the part in use does not have it
    repeats: int
    interval: Interval  # of the mean over questions
    difference: Gap | None
    equal: bool  # the best, or not distinguishable from it
    beside: bool = False


class Chosen(NamedTuple):
    """Trials that can be compared, newest first."""

    name: str  # what they were asked: "xquad-en, 1,190 questions, k 10"
    members: list[Trial]
    left_out: list[str]  # of their study, of a sweep, or of those that were named, and why: a sentence each


class StudyResults(NamedTuple):
    metric: str
    k: int
    rows: list[PointResult]  # as the factors name their values
    baseline: Trial | None
    board: Leaderboard
    reference: str = BASE  # what the baseline is called

    @property
    def best(self) -> Trial:
        return self.board.rows[0].trial


def of_study(workbench: Workbench, experiment: Experiment) -> list[Trial]:
    """Its trials, newest first."""
    return list(everything(workbench).matching(sweep=experiment.id))


def of_base(experiment: Experiment, members: Sequence[Trial]) -> list[Trial]:
    """Those of its trials that its base makes, and its baseline: not those of an earlier version with another base, which are
    named by the same values, nor what people saved beside them. Of a folder all."""
    made, recipe = _made_by(experiment), experiment.compared_with
    key = _key(recipe, members[0]) if recipe and members else ""
    return [t for t in members if t.id == experiment.baseline or made(t) or key and recipe_key(t, SAME) == key]


def beside(experiment: Experiment, members: Sequence[Trial]) -> list[str]:
    """Those of them that are no point of the experiment: only compared with."""
    point = _made_by(experiment)
    return [trial.id for trial in members if not point(trial)]


def _made_by(experiment: Experiment) -> Callable[[Trial], bool]:
    """Whether a trial is a point of the experiment: its base but for what is varied. Of a folder each is."""
    if not experiment.factors:
        return lambda trial: True
    varied = {factor.setting for factor in experiment.factors} | {"seed", "corpus.questions"}
    parts = {factor.stage for factor in experiment.factors if factor.compares_parts}
    mapping = experiment.recipe.model_dump(mode="json")
    fixed = {
        f"{stage}.{name}": value
        for stage, own in mapping.items()
        if isinstance(own, dict) and stage not in parts
        for name, value in own.items()
        if f"{stage}.{name}" not in varied
    }
    # a setting may be newer than the trial
    return lambda trial: all(trial.settings.get(name, value) == value for name, value in fixed.items())


def _key(recipe: TrialConfig, like: Trial) -> str:
    """That of trials which measured this recipe, on whatever questions, with whatever seed."""
    return recipe_key(replace(like, config=recipe.model_dump(mode="json")), SAME)


def question_sets(experiment: Experiment, members: Sequence[Trial]) -> list[list[Trial]]:
    """Its measured trials, of its base, by what they were asked: first those that the choice is made on, by the rule of `rounds`."""
    own = of_base(experiment, members)
    return rounds.ordered(experiment, own, _points(experiment, own))


def on_report(experiment: Experiment, members: Sequence[Trial]) -> list[Trial]:
    """Of these trials, newest first, the last of each recipe of its base that was measured on the questions to report on."""
    own = [trial for trial in of_base(experiment, members) if trial.metrics]
    asked = [
        trial for trial in own if trial.settings.get("corpus.questions", "all") == (experiment.report_on or experiment.choose_on)
    ]
    return [*{trial.config_fingerprint: trial for trial in reversed(asked)}.values()]


def reported(workbench: Workbench, experiment: Experiment, members: Sequence[Trial], metric: str) -> TrialComparison | None:
    """Each recipe on the questions to report on against what they are compared with, by its means over its seeds, in the order in
    which they were measured; None: there is nothing to compare yet."""
    own = sorted(on_report(experiment, members), key=lambda trial: trial.id, reverse=True)
    if not own:
        return None
    table = scores(workbench, [trial for trial in own if trial.group == own[0].group], metric)
    (base, _), others = _base_row(workbench, experiment, table.repeats), list(reversed(range(len(table.recipes))))
    if base is None or len(others) < 2:
        return None
    others.remove(base)
    tests = table.rules.differences(table.values[others].T, table.values[base][:, None])
    changes = corrected({(row, base, metric): test for row, test in zip(others, tests, strict=True)})
    means = table.values.mean(axis=1).tolist()
    rows = [Versus(table.recipes[row], means[row], means[base], changes[row, base, metric]) for row in others]
    return TrialComparison(metric, table.k, table.recipes[base], rows, len(rows), 0, 0, table.rules.confidence)


def _points(experiment: Experiment, own: Sequence[Trial]) -> list[Trial]:
    """Of the trials of its base those that are no more than compared with left out: asked of halving alone."""
    return [*filter(_made_by(experiment), own)] if experiment.design.kind == "halving" else list(own)


def left_out(experiment: Experiment, members: Sequence[Trial]) -> list[str]:
    """What of its trials is not among the first of these sets, and why: a sentence each."""
    own = of_base(experiment, members)
    return rounds.left_out(experiment, members, own, _points(experiment, own))


def study_of(workbench: Workbench, members: Sequence[Trial]) -> Experiment | None:
    """The experiment that all of these trials belong to."""
    sweeps = {trial.sweep for trial in members}
    version = book.latest(workbench).get(sweeps.pop()) if len(sweeps) == 1 else None
    return version and version.experiment


def select(
    workbench: Workbench, sweep: str = "", dataset: str = "", only: Collection[str] = (), metric: str = "", part: str = ""
) -> Chosen:
    """What verbs and tabs look at: of an experiment what its choice is made on, of other trials the largest group that can be compared.
    part: only those on the dev, or on the test questions."""
    version = book.latest(workbench).get(sweep)
    if version is None or only or metric and not judges(metric):
        name, shown = values.select(workbench, sweep, dataset, only, metric, part)
        return Chosen(name, shown, _elsewhere(workbench, sweep, dataset, only, part, len(shown)))
    experiment = version.experiment
    stored = [trial for trial in of_study(workbench, experiment) if dataset in ("", trial.dataset)]
    members = {trial.id: trial for trial in stored if part in ("", trial.settings.get("corpus.questions"))}

    def told() -> tuple[list[str], list[str]]:
        sets = question_sets(experiment, [*members.values()])
        return [trial.id for trial in sets[0]] if sets else [], left_out(experiment, [*members.values()])

    key = fingerprint([(trial.id, bool(trial.metrics)) for trial in members.values()], experiment)
    first, sentences = workbench.pipeline.remember("study told by", key, told)  # ids: what people say of trials changes
    if not first:
        where = f" on the {part} questions" * bool(part)
        raise WorkbenchError(
            " ".join([f"The experiment '{sweep}' has no measured trial{where}.", *sentences]),
            todo=f"`python -m core experiment run {sweep}` measures what is missing.",
        )
    shown = [members[trial_id] for trial_id in first]
    return Chosen(next(iter(named_groups(shown))), shown, sentences)


def _elsewhere(workbench: Workbench, sweep: str, dataset: str, only: Collection[str], part: str, shown: int) -> list[str]:
    """What of the trials that were named, or of a sweep, does not stand beside the `shown`, and why: a sentence each."""
    if not (sweep or only):
        return []
    listed = everything(workbench).matching(dataset, sweep=sweep)
    listed = listed.among(only) if only else listed
    listed = listed.asked(part) if part else listed
    without = len(listed.narrowed("measured = 0"))
    reasons = {"on other questions or documents, or by other rules": len(listed) - without - shown, "without a result": without}
    return [f"{counted(number, 'trial')} {why}." for why, number in reasons.items() if number]


def results(workbench: Workbench, experiment: Experiment, members: Sequence[Trial], metric: str) -> StudyResults:
    """Of trials of one question set."""
    if experiment.baseline and experiment.baseline not in {trial.id for trial in members}:
        members = [*members, *(t for t in some(workbench, [experiment.baseline]) if t.group == members[0].group)]
    key = fingerprint(
        [(trial.id, trial.name) for trial in members],
        metric,
        experiment.baseline,
        experiment.against,
        experiment.base,
        experiment.factors,
    )
    return workbench.pipeline.remember("study results", key, lambda: _results(workbench, experiment, members, metric))


def rows(experiment: Experiment, result: StudyResults) -> list[dict[str, Any]]:
    """As a table of one row a point; what is only compared with has no value of what is varied."""
    return [
        {
            "trial": row.trial.id,
            **{factor.setting: None if row.beside else row.settings.get(factor.setting) for factor in experiment.factors},
            result.metric: row.interval.mean,
            "low": row.interval.low,
            "high": row.interval.high,
            **gap_columns(row.difference, f"to the {result.reference}"),
            "context tokens": context(row.trial),
            "group": AT_TOP if row.equal else WORSE,
            "repeats": row.repeats,
            "n": row.interval.n,
        }
        for row in result.rows
    ]


def context(trial: Trial) -> float | None:
    """Tokens of the first k chunks, mean of a question."""
    return trial.costs["context_at_k"].value if "context_at_k" in trial.costs else None


def measured(workbench: Workbench, experiment: Experiment, metric: str = "") -> list[dict[str, Any]]:
    """The table of an experiment on the questions that its choice is made on."""
    sets = question_sets(experiment, of_study(workbench, experiment))
    if not sets:
        raise WorkbenchError(
            f"The experiment '{experiment.id}' has no measured trial.",
            todo=f"`python -m core experiment run {experiment.id}` runs it.",
        )
    return rows(experiment, results(workbench, experiment, sets[0], metric or experiment.metrics[0]))


def settings_of(experiment: Experiment, trial: Trial) -> dict[str, Any]:
    """What is varied -> its value in this trial, as the factor names it."""
    values = {}
    for factor in experiment.factors:
        stage, _, name = factor.setting.partition(".")
        own = trial.config.get(stage)
        if factor.compares_parts:
            values[factor.setting] = _part(experiment, factor, own or {})
        elif not name:
            values[factor.setting] = own
        elif isinstance(own, dict) and name in own:
            values[factor.setting] = own[name]
    return values


def baseline_of(workbench: Workbench, members: Sequence[Trial]) -> str:
    """The trial among these that their study compares the others with: the one that it names, else one of its base recipe; ""
    where they are of no study."""
    if (experiment := study_of(workbench, members)) is None:
        return ""
    row, _ = _base_row(workbench, experiment, [[trial] for trial in members])
    return members[row].id if row is not None else ""


def _part(experiment: Experiment, factor: Factor, own: dict[str, Any]) -> Any:
    """The value of a factor that compares parts, which makes this stage of a recipe but for what others vary in it; of the base,
    where no value makes it, its part with what differs from that part's defaults."""
    varied = {other.setting.partition(".")[2] for other in experiment.factors if other.stage == factor.stage} - {"part", ""}

    def rest(stage: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in stage.items() if name not in varied}

    for value in factor.values:
        with suppress(WorkbenchError):  # one that is no recipe by itself
            made = with_settings(experiment.recipe, {factor.setting: value}).model_dump(mode="json")
            if rest(made[factor.stage]) == rest(own):
                return value
    part = registry.parts(PART_KINDS[factor.stage]).get(own.get("part", ""))
    usual = part().model_dump(mode="json") if part else {}
    different = {name: value for name, value in rest(own).items() if usual.get(name) != value}
    return {"part": own.get("part", ""), **different} if different else own.get("part")


def _results(workbench: Workbench, experiment: Experiment, members: Sequence[Trial], metric: str) -> StudyResults:
    table, board = scores(workbench, members, metric), leaderboard(workbench, members, metric)
    equal = {row.trial.id for row in board.rows if row.equal}
    intervals = {row.trial.id: row.interval for row in board.rows}
    (base, reference), point = _base_row(workbench, experiment, table.repeats), _made_by(experiment)
    differences: list[Gap | None] = [None] * len(table.recipes)
    others = [row for row in range(len(table.recipes)) if row != base]
    if base is not None and others:
        differences = [*gaps(table.values - table.values[base], table.rules, others)]
        differences[base] = None
    made = [
        PointResult(
            trial,
            settings_of(experiment, trial),
            len(table.repeats[row]),
            intervals[trial.id],
            differences[row],
            trial.id in equal,
            not point(trial),
        )
        for row, trial in enumerate(table.recipes)
    ]
    baseline = table.recipes[base] if base is not None else None
    return StudyResults(metric, table.k, _in_order(experiment, made), baseline, board, reference)


def called(experiment: Experiment, trial: Trial) -> str:
    """What the trial is called that others are compared with."""
    return BASE if recipe_key(trial, SAME) == _key(experiment.recipe, trial) else BASELINE


def _base_row(workbench: Workbench, experiment: Experiment, repeats: Sequence[Sequence[Trial]]) -> tuple[int | None, str]:
    """(place among the recipes, what it is called) of what the others are compared with: the recipe of the trial that the experiment
    names, or that it names itself, else the base recipe, as long as that recipe is not measured on these questions."""
    named = some(workbench, [experiment.baseline]) if experiment.baseline else []
    keys = [(recipe_key(trial, SAME), BASELINE) for trial in named]
    for recipe, name in ((experiment.compared_with, BASELINE), (experiment.recipe, BASE)):
        keys += [(_key(recipe, of[0]), name) for of in repeats[:1] if recipe]
    for key, name in keys:
        for row, of in enumerate(repeats):
            if recipe_key(of[0], SAME) == key:
                return row, name
    return None, BASE


def _in_order(experiment: Experiment, made: list[PointResult]) -> list[PointResult]:
    def place(factor: Factor, row: PointResult) -> tuple:
        value = row.settings.get(factor.setting)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return 0, value, ""
        listed = list(factor.values)
        return 1, listed.index(value) if value in listed else len(listed), str(value)

    return sorted(made, key=lambda row: [place(factor, row) for factor in experiment.factors])
