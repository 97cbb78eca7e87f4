"""Which of an experiment's trials are compared with each other: pages and commands ask here, so that they tell the same.

Only trials that answered the same questions are compared. Halving asks few questions first and more in each round: the last
round that is whole has the say. A round in which a run was stopped holds the points that came first, not the best ones.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

from core.labs.experiments.adaptive import rungs
from core.labs.experiments.experiment import Experiment
from core.labs.trials.comparison import Trial, groups
from core.labs.trials.values import recipe_key

SAME = ("seed", "corpus.questions")  # in what the trials of one point may differ


def ordered(experiment: Experiment, members: Sequence[Trial], points: Sequence[Trial]) -> list[list[Trial]]:
    """The measured ones of an experiment's trials by what they were asked: first those that the choice is made on, last those to
    report on. points: those that are no more than compared with left out."""
    halving, stopped = experiment.design.kind == "halving", unfinished(experiment, points)

    def place(of: list[Trial]) -> tuple:
        asked = of[0].settings.get("corpus.questions")
        reported = bool(experiment.report_on) and asked == experiment.report_on
        other = bool(experiment.factors) and asked != experiment.choose_on  # of a version that chose on others
        size = (-of[0].total, -len(of)) if halving else (-len(of), -of[0].total)
        return reported, other, of[0].group in stopped, *size

    return sorted(groups(members).values(), key=place)


def unfinished(experiment: Experiment, points: Sequence[Trial]) -> dict[Hashable, tuple[int, int]]:
    """group -> (points that it has, points that it is to have), the base aside, of the rounds of halving in which a run was
    stopped. What failed in a round is out, and makes it no less whole."""
    if experiment.design.kind != "halving":
        return {}
    stopped, by_rules = {}, defaultdict(list)
    chosen = [trial for trial in points if trial.settings.get("corpus.questions") == experiment.choose_on]
    base = recipe_key(replace(chosen[0], config=experiment.recipe.model_dump(mode="json")), SAME) if chosen else ""
    planned = len({point for point, _ in _measured(chosen)} - {base})
    for group, of in groups(chosen).items():
        by_rules[group[1:]].append(of)
    for rounds in by_rules.values():
        for before, of in pairwise(sorted(rounds, key=lambda of: of[0].total)):
            there, there_before = ({own for own in _measured(each) if own[0] != base} for each in (of, before))
            went_on = min(rungs(experiment, planned, of[0].total)[-1].points, len({point for point, _ in there_before}))
            began = min(trial.id for trial in of)
            failed = _measured(t for t in chosen if not t.metrics and t.id > began) & there_before - there
            wanted = went_on * experiment.repeats - len(failed)
            if len(there) < wanted:
                stopped[of[0].group] = len(there), wanted
    return stopped


def left_out(experiment: Experiment, stored: Sequence[Trial], members: Sequence[Trial], points: Sequence[Trial]) -> list[str]:
    """What of an experiment's stored trials does not stand beside those that the choice is made on, and why: a sentence each.
    members: those of its base and what they are compared with."""
    sets, told = ordered(experiment, members, points), []
    stopped, shown = unfinished(experiment, points), sets[0] if sets else []
    for of in sets[1:]:
        asked, total = of[0].settings.get("corpus.questions"), f"{of[0].total:,} questions"
        if of[0].group in stopped:
            has, wanted = stopped[of[0].group]
            again = f"`python -m core experiment run {experiment.id}` goes on"
            why = f"a round that was not finished, with {has:,} of {wanted:,} points; {again}"
            if experiment.settled:
                why = f"{has:,} of {wanted:,} points went through that round: the experiment was settled before, or stopped"
        elif asked != shown[0].settings.get("corpus.questions"):
            why = {"test": "the test half", "dev": "the dev half"}.get(asked, "not the half on which the choice is made")
        elif of[0].group[1:] != shown[0].group[1:]:
            why = "on other documents or by other rules"
        else:
            why = "an earlier round" if of[0].total < shown[0].total else "another set of questions"
        told.append(f"{_count(len(of))} on {total}: {why}.")
    if others := len(stored) - len(members):
        told.append(f"{_count(others)} of another base recipe: of an earlier version of the experiment, or saved by hand.")
    there = _measured(shown)
    last = {point: trial for trial in sorted(members, key=lambda trial: trial.id) for point in _measured([trial])}
    if failed := sum(not trial.metrics for point, trial in last.items() if point not in there):
        told.append(f"{_count(failed)} without a result: `python -m core experiment status {experiment.id}` says why.")
    return told


def _measured(trials: Iterable[Trial]) -> set[tuple[str, Hashable]]:
    """What was measured: (recipe, seed)."""
    return {(recipe_key(trial, SAME), trial.config.get("seed")) for trial in trials}


def _count(trials: int) -> str:
    return f"{trials:,} trial{'s' * (trials != 1)}"
