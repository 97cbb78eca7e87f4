"""The winner chosen on the dev questions and reported on the test questions.

The highest of many means is too high: it was chosen for its luck too. How much is told by making the choice anew in each
resample of the dev questions; what it is worth is told by the test questions, which had no say in it.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from core.config import with_settings
from core.errors import WorkbenchError
from core.labs.experiments import results
from core.labs.experiments.rounds import SAME
from core.labs.trials.comparison import Trial, direction, groups, label, labels, recipe, some, times_context
from core.labs.trials.listing import everything
from core.labs.trials.values import RecipeScores, recipe_key, scores
from core.statistics.paired import Paired
from core.statistics.selection import HIGH, Winner, winner
from core.workbench import Workbench


class Reported(NamedTuple):
    """A winner with its mean on dev and its difference to the base on dev and test."""

    metric: str
    dev: RecipeScores
    winner: Winner
    base: int  # row of the base in dev
    on_dev: Paired | None  # winner minus base; None: the base won
    on_test: Paired | None  # None: not measured yet, or the base won
    test_means: tuple[float, float] | None  # of winner and base
    missing: list[Trial]  # of winner and base those that were not measured on test
    contexts: tuple[float | None, float | None] = (None, None)  # tokens of the first k chunks on test, of winner and base

    def more_context(self, base: str = "base") -> str:
        """How much more or less text the winner reads on test than the base, called so; "" where it is about as much, or not known."""
        mine, other = self.contexts
        if mine is None or other is None or not (times := times_context(mine, other)):
            return ""
        return f"The winner reads {mine:,.0f} tokens of context a question, the {base} {other:,.0f}: they are compared {times}."


def choice(workbench: Workbench, members: Sequence[Trial], metric: str, base: str = "") -> Reported:
    """Among the dev trials of these: of an experiment those that its leaderboard tells, else of more and more questions the last. base:
    id of the trial to compare with, else the first that was measured. Of equal means the recipe that is measured on test wins,
    then the oldest."""
    on_dev = [trial for trial in members if trial.settings.get("corpus.questions") == "dev"]
    if not on_dev:
        raise WorkbenchError(
            "None of these trials was measured on the dev questions.",
            todo="Measure them with --set corpus.questions=dev, so that the test questions play no part in the choice.",
        )
    answered = groups(on_dev)
    if (experiment := results.study_of(workbench, on_dev)) and (sets := results.question_sets(experiment, on_dev)):
        on_dev = sets[0]
    elif len({group[1:] for group in answered}) == 1:  # the same documents and rules
        on_dev = max(answered.values(), key=lambda members: members[0].total)
    measured = scores(workbench, on_dev, metric)
    better = direction(metric)
    stored, keys = everything(workbench), [recipe_key(trial, SAME) for trial in measured.recipes]
    rules = measured.recipes[0].group[1:]
    tested: dict[str, list[Trial]] = {key: [] for key in keys}
    for trial in stored.of_recipes(on_test_key(trial) for trial in measured.recipes):
        if trial.metrics and trial.group[1:] == rules:
            tested[recipe_key(trial, SAME)].append(trial)
    best = winner(better * measured.values, *measured.rules)
    equals = np.flatnonzero(better * measured.values.mean(axis=1) >= best.mean - HIGH).tolist()
    first = min(equals, key=lambda row: (not tested[keys[row]], min(trial.id for trial in measured.repeats[row])))
    best = best._replace(place=first)
    own = next(iter(some(workbench, [base])), None) if base else min(on_dev, key=lambda trial: trial.id)
    if own is None or recipe_key(own, SAME) not in keys:
        raise WorkbenchError("The base is not among the dev trials.", todo="Measure it with --set corpus.questions=dev.")
    base_place = keys.index(recipe_key(own, SAME))
    if base_place == best.place:
        return Reported(metric, measured, best, base_place, None, None, None, [])
    pair = (best.place, base_place)
    dev = measured.rules.difference(*(measured.values[place] for place in pair))
    asked = [{trial.questions for trial in tested[keys[place]]} for place in pair]
    shared = stored.last_asked(asked[0] & asked[1])
    if not shared:
        missing = [place for place, of in zip(pair, asked, strict=True) if not of] or pair
        return Reported(metric, measured, best, base_place, dev, None, None, [measured.recipes[place] for place in missing])
    on_test = [[trial for trial in tested[keys[place]] if trial.questions == shared] for place in pair]
    first, second = (scores(workbench, of, metric) for of in on_test)
    both = np.intersect1d(first.places, second.places)
    columns = [of.values[0][np.isin(of.places, both)] for of in (first, second)]
    test = measured.rules.difference(*columns)
    contexts = tuple(results.context(of[0]) for of in on_test)
    return Reported(metric, measured, best, base_place, dev, test, tuple(float(c.mean()) for c in columns), [], contexts)


def on_test_key(trial: Trial) -> str:
    """Identity of its recipe on the test questions, as the store keeps it: without the seed."""
    return recipe_key(replace(trial, config=trial.config | {"corpus": trial.config["corpus"] | {"questions": "test"}}))


def record(workbench: Workbench, result: Reported) -> dict[str, Any]:
    """The choice in words and numbers, and how often each recipe would have been chosen."""
    better = direction(result.metric)
    names = labels(result.dev.recipes)
    own = result.dev.values.mean(axis=1)
    low, high = result.winner.interval(better)
    order = np.lexsort((-better * own, -result.winner.shares))
    return {
        "metric": label(result.metric, result.dev.k),
        "winner": names[result.winner.place],
        "base": names[result.base],
        "questions of dev": result.dev.values.shape[1],
        "mean on dev": better * result.winner.mean,
        "optimism": better * result.winner.optimism,
        "interval of the choice, low": low,
        "interval of the choice, high": high,
        "mean on test": result.test_means and result.test_means[0],
        "base on test": result.test_means and result.test_means[1],
        "context on test": result.more_context(),
        "to do": todo(workbench, result),
        "difference to the base": [
            {
                "questions": where,
                "difference": paired.difference,
                "low": paired.low,
                "high": paired.high,
                "p": paired.p,
                **dict(zip(("won", "lost"), paired.won_and_lost(better), strict=True)),
                "tied": paired.ties,
                "n": paired.n,
            }
            for where, paired in (("dev", result.on_dev), ("test", result.on_test))
            if paired
        ],
        "chosen in": [
            {"trial": result.dev.recipes[row].id, "name": names[row], "mean on dev": own[row], "share": result.winner.shares[row]}
            for row in order.tolist()
        ],
    }


def todo(workbench: Workbench, result: Reported) -> str:
    """What is left to do before the winner can be reported; "" if nothing is."""
    if result.on_dev is None:
        return "The base itself has the best mean on dev: there is nothing to report."
    commands = [on_test(workbench, trial) for trial in result.missing]
    return "Measure on the test questions: " + " and ".join(commands) if commands else ""


def on_test(workbench: Workbench, trial: Trial) -> str:
    """The command that measures its recipe on the test questions."""
    return workbench.command(with_settings(recipe(trial), {"corpus.questions": "test"}))
