"""Arms on the same questions: what each is worth, how it differs from its base, and which differences hold when all are corrected.

A value is what an arm measured on a question by a measure, NaN where it measured nothing. What is compared is anything that has values:
recipes, ways of answering, adapters in contexts, runs of other systems.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from core.config import TrialConfig
from core.report.table import P_VALUE, written
from core.statistics.bootstrap import Interval, mean_bounds
from core.statistics.corrections import correct_defined, holm
from core.statistics.paired import Paired, paired_difference, without_rounding
from core.statistics.proportion import unit_intervals
from core.statistics.t_test import paired_t_p

Arm = Hashable
Values = Mapping[Arm, Mapping[str, np.ndarray]]  # arm -> measure -> [questions] float64
Tests = Mapping[tuple[Arm, Arm, str], Paired | None]  # arm, base, measure -> the arm minus its base; None: they share no question


class Rules(NamedTuple):
    """By which intervals and tests are made."""

    resamples: int
    confidence: float
    seed: int

    def mean(self, values: np.ndarray) -> Interval:
        """Of a measure between 0 and 1 [questions]."""
        return unit_intervals(values[:, None], *self)[0]

    def differences(self, a: np.ndarray, b: np.ndarray) -> list[Paired]:
        """a - b, of each column."""
        return paired_difference(a, b, self.resamples, self.confidence, seed=self.seed)

    def difference(self, a: np.ndarray, b: np.ndarray) -> Paired:
        """a - b, of one column."""
        return self.differences(a, b)[0]


def rules_of(config: TrialConfig) -> Rules:
    return Rules(config.evaluation.resamples, config.evaluation.confidence, config.seed)


class Difference(NamedTuple):
    """An arm minus its base by a measure, on the questions that both measured."""

    arm: Any
    base: Any
    measure: str
    paired: Paired | None
    p_holm: float | None  # corrected over its family; None: not tested, or of no family

    def significant(self, level: float) -> bool:
        return self.p_holm is not None and self.p_holm < 1 - level

    @property
    def figures(self) -> str:
        """ "+0.120 (+0.050 to +0.200), p 0.012", corrected; of a difference that was tested."""
        return f"{self.paired.difference:+.3f} ({self.paired.between}), p {written(self.p_holm, P_VALUE)}"

    def columns(self, name: str = "difference") -> dict[str, float | None]:
        """As columns of a table of which each row is a difference."""
        difference, low, high, p = self.paired[:4] if self.paired else (None,) * 4
        return {name: difference, "low": low, "high": high, "p": p, "p (Holm)": self.p_holm}

    def verdict(self, level: float, words: tuple[str, str] = ("better", "worse"), direction: int = 1) -> str:
        """By the corrected p at the level of the intervals; "" where nothing was tested. words: where more is better, and where less."""
        if self.p_holm is None:
            return ""
        better, worse = words
        return "not significant" if not self.significant(level) else better if self.paired.difference * direction > 0 else worse


Family = Callable[[Difference], Hashable]  # tests with the same one are corrected together; None: not corrected


def together(difference: Difference) -> Hashable:
    """All tests are one family."""
    return ""


def by_measure(difference: Difference) -> Hashable:
    """The tests of each measure are a family."""
    return difference.measure


class ArmComparison(NamedTuple):
    """What arms are worth, and how they differ from their bases."""

    means: dict[tuple[Any, str], Interval]  # (arm, measure) -> over the questions
    differences: dict[tuple[Any, Any, str], Difference]  # (arm, base, measure), in the order asked for

    def of(self, arm: Arm, measure: str) -> Difference | None:
        """Of an arm that has one base; None: it is the base itself."""
        return next((each for each in self.differences.values() if (each.arm, each.measure) == (arm, measure)), None)

    def significant(self, level: float) -> list[Difference]:
        return [each for each in self.differences.values() if each.significant(level)]

    def findings(self, level: float, words: Callable[[Difference], str], nothing: str) -> list[str]:
        """What is told apart, in a lab's words."""
        return list(map(words, self.significant(level))) or [nothing]

    def row(self, arm: Arm, minus: str = "difference") -> dict[str, float | None]:
        """All that was measured of an arm, as columns of a table."""
        measures = [measure for each, measure in self.means if each == arm]
        return {name: value for measure in measures for name, value in self.cells(arm, measure, minus).items()}

    def cells(self, arm: Arm, measure: str, minus: str = "difference") -> dict[str, float | None]:
        """An arm's mean with its interval, and its difference from its base, as columns of a table."""
        change = self.of(arm, measure)
        row = spread(measure, self.means[arm, measure])
        row[f"{measure} {minus}"] = change and change.paired and change.paired.difference
        return row | {f"{measure} p (Holm)": change and change.p_holm}


def compared(
    values: Values,
    rules: Rules,
    base: Arm | None = None,
    pairs: Iterable[tuple[Arm, Arm]] = (),
    family: Family = together,
    unbounded: Collection[str] = (),
) -> ArmComparison:
    """Every arm minus the base, or the first of each pair minus the second, by every measure that both have.

    unbounded: measures that do not lie between 0 and 1; they are tested, and have no mean here.
    """
    pairs = list(pairs) or [(arm, base) for arm in values if base in values and arm != base]
    tests = {
        (arm, other, name): rules.difference(mine, values[other][name])
        for arm, other in pairs
        for name, mine in values[arm].items()
        if name in values[other]
    }
    means = {(arm, name): rules.mean(mine) for arm, own in values.items() for name, mine in own.items() if name not in unbounded}
    return ArmComparison(means, corrected(tests, family))


def corrected(tests: Tests, family: Family = together) -> dict[tuple[Any, Any, str], Difference]:
    """The tests with p corrected by Holm over each family."""
    made = {place: Difference(*place, paired, None) for place, paired in tests.items()}
    families: dict[Hashable, list[tuple[Any, Any, str]]] = {}
    for place, difference in made.items():
        if (name := family(difference)) is not None:
            families.setdefault(name, []).append(place)
    for places in families.values():
        p = correct_defined([made[place].paired and made[place].paired.p for place in places])
        made |= {place: made[place]._replace(p_holm=each) for place, each in zip(places, p, strict=True)}
    return made


class Gap(NamedTuple):
    """A mean difference, of many that are made in one pass."""

    difference: float
    low: float | None  # None: too few questions
    high: float | None
    p_holm: float | None  # paired t test, corrected over those tested; None: not tested


def gaps(differences: np.ndarray, rules: Rules, tested: Sequence[int]) -> list[Gap]:
    """Of each row of differences [arms, questions], without NaN."""
    differences = without_rounding(differences)
    bounds = mean_bounds(np.ascontiguousarray(differences.T), *rules)
    p = dict(zip(tested, holm(paired_t_p(differences[tested])).tolist(), strict=True)) if len(tested) else {}
    return [
        Gap(float(row.mean()), *ends, p.get(place)) for place, (row, *ends) in enumerate(zip(differences, *bounds, strict=True))
    ]


def gap_columns(gap: Gap | None, name: str, ends: str = "difference ") -> dict[str, float | None]:
    """As columns of a table; empty ones of what is compared with itself."""
    return dict(zip((name, f"{ends}low", f"{ends}high", "p (Holm)"), gap or (None,) * 4, strict=True))


def by_arm(differences: Mapping[tuple[Any, Any, str], Difference]) -> dict[Any, dict[str, Difference]]:
    """arm -> measure -> its difference, of arms that have one base."""
    made: dict[Any, dict[str, Difference]] = {}
    for difference in differences.values():
        made.setdefault(difference.arm, {})[difference.measure] = difference
    return made


def spread(name: str, value: Interval | Paired | None, join: str = " ") -> dict[str, float | None]:
    """A mean or a difference with its interval, as columns of a table."""
    return dict(zip((name, f"{name}{join}low", f"{name}{join}high"), value[:3] if value else (None,) * 3, strict=True))
