"""One setting chosen on the dev questions, and what the choice is worth on the test questions, which had no part in it."""

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import numpy as np

from core.comparison.comparison import rules_of
from core.config import TrialConfig, with_settings
from core.errors import WorkbenchError
from core.labs.trials import curve
from core.labs.trials.comparison import direction, equals_words, label
from core.labs.trials.curve import CurvePoint
from core.records import Progress
from core.statistics.bootstrap import Interval
from core.statistics.paired import Paired
from core.workbench import Workbench


class ChoiceOnDev(NamedTuple):
    setting: str
    value: Any
    before: Any  # the value as set
    metric: str
    k: int
    tried: int
    equal: int  # of the other values those that a paired test does not tell from the chosen one
    dev: Interval
    test: Interval
    paired: Paired | None  # chosen minus the value as set, on test; None: they are the same

    def sentence(self) -> str:
        """What was chosen, and what it is worth where it was not."""
        name, test, paired = label(self.metric, self.k), self.test, self.paired
        head = f"{_shown(self.value)} is the best of {self.tried} values on {self.dev.n:,} dev questions"
        head += f"; {equals_words(self.equal, self.tried - 1)}." if self.tried > 1 else "."
        worth = f"On {test.n:,} test questions {name} is {test.mean:.3f}{_between(test.low, test.high, '.3f')}"
        if paired is None:
            return f"{head} It is the value as set. {worth}."
        p = "" if paired.p is None else ", p < 0.001" if paired.p < 0.001 else f", p {paired.p:.3f}"
        change = f"{paired.difference:+.3f}{_between(paired.low, paired.high, '+.3f')}"
        return f"{head} {worth}, {change} to {_shown(self.before)} as set{p}.".replace("-", "\u2212")


def choose(
    workbench: Workbench, recipe: TrialConfig, setting: str, values: Sequence[Any], metric: str, budget: int = 0
) -> Generator[Progress, None, ChoiceOnDev]:
    """Of these values the one with the best mean on dev, of equally good ones the middle one; changes and stores nothing.

    budget: tokens of context that every value gets, 0: the first k chunks.
    """
    stage, _, field = setting.partition(".")
    before, halves = getattr(getattr(recipe, stage), field), {}
    for part in ("dev", "test"):
        run = halves[part] = yield from workbench.pipeline.resolve(with_settings(recipe, {"corpus.questions": part}))
        if not run.corpus.measurable:
            raise WorkbenchError(
                f"No question of the {part} half has evidence, so nothing can be chosen on dev and reported on test.",
                where="corpus.questions",
                todo="Add questions with evidence in other documents.",
            )
    points = yield from curve.curve(workbench, halves["dev"], setting, values, budget)
    table = direction(metric) * np.array([point.values[metric] for point in points])
    own = points[curve.middle_of_best(table[:, ~np.isnan(table).any(axis=0)].mean(axis=1))]
    asked = list(dict.fromkeys([own.value, before]))
    chosen, *as_set = yield from curve.curve(workbench, halves["test"], setting, asked, budget)
    paired = [_minus(halves["test"].config, chosen, other, metric) for other in as_set]
    tests = filter(None, curve.differences(workbench, halves["dev"].config, points, own, metric))
    level = 1 - recipe.evaluation.confidence
    return ChoiceOnDev(
        setting,
        own.value,
        before,
        metric,
        recipe.evaluation.k,
        len(points),
        sum(test.p_holm is None or test.p_holm >= level for test in tests),
        own.intervals[metric],
        chosen.intervals[metric],
        next(iter(paired), None),
    )


def record(choice: ChoiceOnDev) -> dict[str, Any]:
    """As the command line tells it."""
    paired = choice.paired
    rows = [
        {"questions": part, "mean": at.mean, "low": at.low, "high": at.high, "n": at.n}
        for part, at in (("dev", choice.dev), ("test", choice.test))
    ]
    return {
        "told": choice.sentence(),
        "setting": choice.setting,
        "chosen": choice.value,
        "to use it": f"--set {choice.setting}={choice.value}",
        "metric": label(choice.metric, choice.k),
        "of the chosen value": rows,
        "on test, to the value as set": [{"as set": choice.before, **paired._asdict()}] if paired else [],
    }


def _minus(config: TrialConfig, chosen: CurvePoint, other: CurvePoint, metric: str) -> Paired:
    return rules_of(config).difference(chosen.values[metric], other.values[metric])


def _between(low: float | None, high: float | None, form: str) -> str:
    return "" if low is None else f" [{low:{form}}, {high:{form}}]"


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else f"{value:,}" if type(value) is int else str(value)
