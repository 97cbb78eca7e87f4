"""Designs that say all their points beforehand: grid, one at a time, random, Latin hypercube. `adaptive.py` holds the others.

A point is the settings that are varied at it; the rest is the base. What a part in use does not have, and what stands under
a condition that does not hold, stays as in the base: two points that are the same recipe then are one.
"""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.config import PART_KINDS, fingerprint, with_settings
from core.errors import WorkbenchError
from core.labs.experiments.experiment import MOST_POINTS, Experiment, Factor, part_named, part_of

ABSENT = object()  # what a setting is that the part in use does not have
DIGITS = 6  # of a range that drawn values keep
REDRAWN = 20  # so many times as many points are drawn at most, where drawn ones fall together
Settings = dict[str, Any]


class Points(NamedTuple):
    """settings: those of each point, the base first, then by factor, each with its repeats. left_out: what is no recipe, or
    varied nowhere, with the reason."""

    settings: list[Settings]
    left_out: list[tuple[Settings, str]]


class Space:
    """What an experiment varies: the recipe of the base, the factors, and which of them are varied where."""

    def __init__(self, experiment: Experiment) -> None:
        self.recipe, self.factors, self.ordered = experiment.recipe, experiment.factors, experiment.in_order()
        self._seeds = [(self.recipe.seed + number) % 2**31 for number in range(1, experiment.repeats)]

    def at(self, places: Iterable[float]) -> Settings:
        """The point at places from 0 to 1, one a factor."""
        return self.holding({factor.setting: value_at(factor, place) for factor, place in zip(self.factors, places, strict=True)})

    def holding(self, values: Settings) -> Settings:
        """Those of the values that are varied at their point, in the order of the factors."""
        settings: Settings = {}
        for factor in self.ordered:
            if factor.setting in values and self.varied(factor, settings):
                settings[factor.setting] = values[factor.setting]
        return self._in_order(settings)

    def crossed(self) -> list[Settings]:
        """Every combination of values, each once, the last factor changing first."""
        points: list[Settings] = [{}]
        for factor in self.ordered:
            choices = [{factor.setting: value} for value in factor.values]
            points = [
                {**settings, **choice} for settings in points for choice in (choices if self.varied(factor, settings) else [{}])
            ]
            if len(points) > MOST_POINTS:
                raise _too_many()
        place = {factor.setting: factor.values.index for factor in self.factors}
        points.sort(key=lambda settings: [place[name](settings[name]) if name in settings else -1 for name in place])
        return list(map(self._in_order, points))

    def distinct(self, wanted: Iterable[Settings]) -> Points:
        """Each recipe among these points once, where it stands first, in the words of the point that says most of it."""
        unique: dict[str, Settings] = {}
        left_out: dict[str, tuple[Settings, str]] = {}
        for settings in wanted:
            try:
                identity = fingerprint(with_settings(self.recipe, settings))
            except WorkbenchError as error:
                left_out.setdefault(fingerprint(settings), (settings, error.what.rstrip(".")))
                continue
            unique[identity] = max(unique.get(identity, {}), settings, key=len)
        return Points(list(unique.values()), list(left_out.values()))

    def repeated(self, settings: Settings) -> list[Settings]:
        """A point with each of its seeds, the base's own first."""
        return [settings, *({**settings, "seed": seed} for seed in self._seeds)]

    def _in_order(self, settings: Settings) -> Settings:
        return {factor.setting: settings[factor.setting] for factor in self.factors if factor.setting in settings}

    def varied(self, factor: Factor, settings: Settings) -> bool:
        """Whether a factor is varied where these settings, of the factors before it, stand."""
        if not factor.compares_parts and self._value(settings, factor.setting) is ABSENT:
            return False
        return all(
            self._value(settings, name) in (map(part_named, values) if part_of(name) else values)
            for name, values in factor.when.items()
        )

    def _value(self, settings: Settings, name: str) -> Any:
        """What a setting is at a point; of a part its name."""
        stage, _, field = name.partition(".")
        own = getattr(self.recipe, stage)
        if stage not in PART_KINDS:
            return settings.get(name, getattr(own, field))
        chosen = settings.get(stage, settings.get(f"{stage}.part", own.part))
        part = part_named(chosen)
        if part_of(name):
            return part
        cls = registry.find(PART_KINDS[stage], part)
        if field not in cls.model_fields:
            return ABSENT
        same = part == own.part and stage not in settings
        usual = getattr(own, field) if same else cls.model_fields[field].get_default(call_default_factory=True)
        return settings.get(name, chosen.get(field, usual) if isinstance(chosen, dict) else usual)


def points(experiment: Experiment) -> Points:
    """All points of a design that says them beforehand, of halving those of the first round; of tpe and nsga2 the base."""
    space = Space(experiment)
    wanted = candidates(experiment, space)
    made = space.distinct([{}, *wanted])
    varied = {name for settings in [*made.settings, *(settings for settings, _ in made.left_out)] for name in settings}
    idle = [
        ({factor.setting: list(factor.values)}, "no point fulfils the conditions under which it is varied")
        for factor in experiment.factors
        if wanted and factor.setting not in varied
    ]
    return Points([again for settings in made.settings for again in space.repeated(settings)], made.left_out + idle)


def _too_many() -> WorkbenchError:
    todo = "Draw some of them: design random or latin, with so many trials."
    return WorkbenchError(f"The experiment has more than {MOST_POINTS:,} points, its repeats among them.", todo=todo)


def repeated(experiment: Experiment, settings: Settings) -> list[Settings]:
    """A point with each of its seeds, the base's own first."""
    return Space(experiment).repeated(settings)


def candidates(experiment: Experiment, space: Space) -> list[Settings]:
    """The points that a design wants beside the base, before those that are one recipe fall together."""
    wanted = _wanted(experiment, space)
    if len(wanted) * experiment.repeats > MOST_POINTS:
        raise _too_many()
    return wanted


def _wanted(experiment: Experiment, space: Space) -> list[Settings]:
    design, factors = experiment.design, experiment.factors
    if not factors or design.kind in ("tpe", "nsga2"):
        return []
    if design.kind == "one_at_a_time":
        return [space.holding({factor.setting: value}) for factor in factors for value in factor.values]
    if design.kind == "grid" or design.kind == "halving" and not design.trials:
        return space.crossed()
    return drawn(experiment, space)


def drawn(experiment: Experiment, space: Space) -> list[Settings]:
    """So many points as the design's `trials`, drawn over values and ranges; seeded.

    latin: of n points each n-th of every factor's range holds one (McKay, Beckman and Conover 1979), so some may be the same
    recipe. random: where drawn points fall together, others are drawn instead.
    """
    design, width = experiment.design, len(experiment.factors)
    if design.kind in ("latin", "halving"):
        from scipy.stats import qmc

        return list(map(space.at, qmc.LatinHypercube(width, rng=design.seed).random(design.trials).tolist()))
    rng, unique = np.random.default_rng(design.seed), {}
    for _ in range(REDRAWN):
        for row in rng.random((design.trials, width)).tolist():
            settings = space.at(row)
            unique.setdefault(fingerprint(settings), settings)
        if len(unique) >= design.trials:
            break
    return list(unique.values())[: design.trials]


def value_at(factor: Factor, place: float) -> Any:
    """The value of a factor at a place from 0 to 1: each value, and each whole number, has an equal share of it."""
    if factor.values:
        return factor.values[min(int(place * len(factor.values)), len(factor.values) - 1)]
    low, high = factor.low, factor.high
    if factor.whole:
        low, high = math.ceil(low), math.floor(high) + 1
    value = math.exp(math.log(low) + place * math.log(high / low)) if factor.log else low + place * (high - low)
    if factor.whole:
        return min(math.floor(value), high - 1)
    return rounded(factor, value)


def rounded(factor: Factor, value: float) -> float:
    """A value of a range to a millionth of it, so that it can be read."""
    digits = DIGITS - 1 - math.floor(math.log10(value if factor.log else factor.high - factor.low))
    return min(max(round(value, digits), factor.low), factor.high)
