"""What each setting does to a metric, over the trials of an experiment: main effects and interactions, with intervals.

A recipe's values are what its settings add up to, for each question (its block) by itself: least squares over the recipes,
with each setting's levels coded to sum to zero, so that a mean of a level is over the other settings' levels alike, however
many trials each has. All recipes answered the same questions, so the fit of a question is one product with its values, and
the intervals and tests are those of paired values by question.

A setting that only some parts have, such as the weight of one fusion, is compared among the trials that have it. Settings
that always change together are one. Numbers with many values are put into ranges. A recipe that is the only one with some
level, such as the base beside a grid that does not hold it, is left out where the rest tells more without it.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from core.comparison.comparison import Gap, gap_columns, gaps
from core.config import fingerprint
from core.errors import WorkbenchError
from core.labs.trials.comparison import Trial, direction, label, setting_name, setting_value
from core.labs.trials.values import RecipeScores, scores
from core.report.table import MEAN, SIGNED, Column, Table, corrected_p
from core.statistics.bootstrap import mean_bounds
from core.workbench import Workbench

MOST_LEVELS, RANGES = 8, 4  # numbers with more values than that are put into so many ranges
RULES = ("seed", "evaluation.", "corpus.questions")  # alike in a group, or averaged over


class Varied(NamedTuple):
    """A setting in which the recipes differ."""

    name: str  # dotted
    title: str  # in words, with those that always change with it
    levels: list[str]  # in words
    level: np.ndarray  # [recipes] int: place in levels, -1 where the recipe has no such setting


class Level(NamedTuple):
    """One level of a setting: its mean over the other settings, and minus the first level. None: not to be told."""

    name: str
    recipes: int
    mean: float | None
    low: float | None
    high: float | None
    change: Gap | None


class MainEffect(NamedTuple):
    setting: str
    title: str
    levels: list[Level]

    @property
    def span(self) -> float:
        means = [level.mean for level in self.levels if level.mean is not None]
        return max(means) - min(means) if means else 0.0


class Interaction(NamedTuple):
    """By how much the effect of one setting's level changes with another's: a difference of differences."""

    first: str  # titles of the settings
    second: str
    levels: tuple[str, str, str, str]  # first: level, reference; second: level, reference
    gap: Gap


class Effects(NamedTuple):
    metric: str
    k: int
    main: list[MainEffect]  # largest span first
    interactions: list[Interaction]  # most certain first
    recipes: int
    n: int  # questions
    confidence: float
    left_out: int = 0  # recipes that are the only one with some level


def effects(workbench: Workbench, members: Sequence[Trial], metric: str) -> Effects:
    """Of trials of one group that differ in at least one setting."""
    key = fingerprint([trial.id for trial in members], metric)
    return workbench.pipeline.remember("effects", key, lambda: _effects(scores(workbench, members, metric)))


def varied(recipes: Sequence[Trial], ranges: bool = True, whole: bool = False) -> list[Varied]:
    """The settings in which these differ, in pipeline order. ranges: numbers of many values are put into ranges. whole: every
    recipe with the value that it has, also where it would tell the same of the setting as of a part."""
    names = dict.fromkeys(name for trial in recipes for name in trial.settings if not name.startswith(RULES))
    settings: dict[tuple, Varied] = {}
    for name in sorted(names, key=lambda name: not name.endswith(".part")):  # a part names what its knobs do with it
        raw = [trial.settings.get(name) if name in trial.settings else None for trial in recipes]
        has = np.array([name in trial.settings for trial in recipes]) if whole else _compared(name, raw, recipes)
        levels, level = _levels(name, raw, has, ranges)
        if len(levels) < 2:
            continue
        key = tuple(np.unique(level, return_index=True)[1][np.unique(level, return_inverse=True)[1]].tolist())
        if alike := settings.get(key):  # the same partition of the recipes: what each does cannot be told
            settings[key] = alike._replace(title=f"{alike.title} with {setting_name(name)}")
        else:
            settings[key] = Varied(name, setting_name(name), levels, level)
    order = list(names)
    return sorted(settings.values(), key=lambda setting: order.index(setting.name))


def rows(result: Effects) -> list[dict[str, Any]]:
    """The main effects as a table of one row a level."""
    return [
        {
            "setting": effect.title,
            "level": level.name,
            "recipes": level.recipes,
            result.metric: level.mean,
            "low": level.low,
            "high": level.high,
            **gap_columns(level.change, "to the first level"),
        }
        for effect in result.main
        for level in effect.levels
    ]


def table(result: Effects, command: str) -> Table:
    columns = (
        Column("setting", width=220),
        Column("level", width=120),
        Column("recipes"),
        Column(result.metric, label(result.metric, result.k), MEAN, direction=direction(result.metric)),
        *(Column(name, "", MEAN) for name in ("low", "high")),
        Column("to the first level", "To the first", SIGNED),
        *(Column(f"difference {end}", title, SIGNED) for end, title in (("low", "From"), ("high", "To"))),
        corrected_p(),
    )
    return Table("main_effects", columns, rows(result), "What each setting does", method(result), command)


def method(result: Effects) -> str:
    return f"Least-squares means, paired by question; {100 * result.confidence:g}% percentile bootstrap over questions"


def interaction_rows(result: Effects) -> list[dict[str, Any]]:
    """A row a difference of differences."""
    return [
        {
            "settings": f"{row.first} × {row.second}",
            "first": f"{row.levels[0]} for {row.levels[1]}",
            "second": f"{row.levels[2]} for {row.levels[3]}",
            **gap_columns(row.gap, "difference of differences", ""),
        }
        for row in result.interactions
    ]


def interaction_table(result: Effects, command: str) -> Table:
    columns = (
        Column("settings", width=300),
        *(Column(name, width=150) for name in ("first", "second")),
        Column("difference of differences", "Interaction", SIGNED),
        *(Column(name, "", SIGNED) for name in ("low", "high")),
        corrected_p(),
    )
    return Table("interactions", columns, interaction_rows(result), "Interactions of two settings", method(result), command)


def cells(workbench: Workbench, members: Sequence[Trial], metric: str, first: str, second: str) -> list[dict[str, Any]]:
    """Mean of each pair of levels of two settings, by their dotted names, with intervals: how one's effect depends on
    the other's. A pair that no trial has is left out."""
    measured = telling(scores(workbench, members, metric))
    settings = varied(measured.recipes)
    pair = [next((setting for setting in settings if setting.name == name), None) for name in (first, second)]
    if None in pair or first == second:
        raise WorkbenchError("These are not two settings in which the trials differ.", where=f"{first}, {second}")
    a, b = pair
    levels = [(i, j) for i in range(len(a.levels)) for j in range(len(b.levels)) if ((a.level == i) & (b.level == j)).any()]
    model = Model(settings, (a, b))
    places = [model.mean(a, i) + model.code(b, j) + model.product(model.own(a, i), model.own(b, j)) for i, j in levels]
    values, told = model.values(np.array(places), measured.values)
    spread = _spread(values, measured)
    return [
        {"first": a.levels[i], "second": b.levels[j], "mean": float(mean), "low": low, "high": high}
        for (i, j), sure, mean, low, high in zip(levels, told, values.mean(axis=1), *spread, strict=True)
        if sure
    ]


class Model:
    """Least squares over recipes, with the levels of each setting coded to sum to zero; of a pair also their products."""

    def __init__(self, settings: Sequence[Varied], pair: tuple[Varied, Varied] | None = None) -> None:
        self.settings, self.place, columns, width = settings, {}, [np.ones((len(settings[0].level), 1))], 1
        for setting in settings:
            codes = _codes(len(setting.levels))
            self.place[setting.name] = slice(width, width + codes.shape[1])
            columns.append(np.vstack([codes, np.zeros(codes.shape[1])])[setting.level])  # -1, absent: the row of zeros
            width += codes.shape[1]
        self.products = slice(width, width)
        if pair:
            first, second = (columns[1 + settings.index(setting)] for setting in pair)
            columns.append((first[:, :, None] * second[:, None, :]).reshape(len(first), -1))
            width += columns[-1].shape[1]
            self.products = slice(self.products.start, width)
        self.design = np.hstack(columns)  # [recipes, width]
        self.inverse = np.linalg.pinv(self.design)

    def own(self, setting: Varied, level: int) -> np.ndarray:
        return _codes(len(setting.levels))[level]

    def code(self, setting: Varied, level: int) -> np.ndarray:
        """What a level adds [width]."""
        weights = np.zeros(self.design.shape[1])
        weights[self.place[setting.name]] = self.own(setting, level)
        return weights

    def mean(self, setting: Varied, level: int) -> np.ndarray:
        """The mean of a level over all others' levels; of a setting that only some parts have, over these parts."""
        weights = self.code(setting, level)
        weights[0] = 1
        stage, has = setting.name.partition(".")[0], setting.level >= 0
        for other in self.settings:
            if other.name == f"{stage}.part" and not has.all():
                parts = np.unique(other.level[has])
                weights = weights + np.mean([self.code(other, part) for part in parts.tolist()], axis=0)
        return weights

    def product(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        weights = np.zeros(self.design.shape[1])
        weights[self.products] = np.outer(first, second).ravel()
        return weights

    def values(self, weights: np.ndarray, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(value of each combination of effects by question [combinations, questions], whether the recipes tell it)."""
        of_recipes = weights @ self.inverse
        told = np.abs(of_recipes @ self.design - weights).max(axis=1) < 1e-8
        return of_recipes @ table, told


def telling(measured: RecipeScores) -> RecipeScores:
    """Without the recipes that are the only one with some level, as long as the others then tell of more levels."""
    while (share := _told(settings := varied(measured.recipes))) < 1:
        several = np.ones(len(measured.recipes), bool)
        for setting in settings:
            several &= (setting.level < 0) | (np.bincount(setting.level + 1)[setting.level + 1] > 1)
        rows = np.flatnonzero(several).tolist()
        fewer = [measured.recipes[row] for row in rows]
        if len(rows) in (0, len(several)) or _told(varied(fewer)) <= share:
            break
        repeats, spread = [measured.repeats[row] for row in rows], measured.seed_spread[rows]
        measured = measured._replace(recipes=fewer, repeats=repeats, values=measured.values[rows], seed_spread=spread)
    return measured


def _told(settings: Sequence[Varied]) -> float:
    """Share of the levels whose mean the recipes tell; 0 without any."""
    places = [(setting, level) for setting in settings for level in range(len(setting.levels))]
    if not places:
        return 0.0
    model = Model(settings)
    nothing = np.zeros((len(settings[0].level), 1))
    return float(model.values(np.array([model.mean(*place) for place in places]), nothing)[1].mean())


def _effects(everything: RecipeScores) -> Effects:
    measured = telling(everything)
    settings = varied(measured.recipes)
    if not settings:
        raise WorkbenchError(
            "These trials do not differ in any setting.", todo="Choose the trials of an experiment, or measure other recipes."
        )
    return Effects(
        measured.metric,
        measured.k,
        sorted(_main(settings, measured), key=lambda effect: -effect.span),
        _interactions(settings, measured),
        len(measured.recipes),
        measured.values.shape[1],
        measured.rules[1],
        len(everything.recipes) - len(measured.recipes),
    )


def _main(settings: Sequence[Varied], measured: RecipeScores) -> list[MainEffect]:
    model = Model(settings)
    places = [(setting, level) for setting in settings for level in range(len(setting.levels))]
    means, told = model.values(np.array([model.mean(*place) for place in places]), measured.values)
    low, high = _spread(means, measured)
    others = [place for place, (_, level) in enumerate(places) if level]
    weights = np.array([model.code(*places[place]) - model.code(places[place][0], 0) for place in others])
    changes, clear = model.values(weights, measured.values)
    by_place = dict(zip(others, gaps(changes, measured.rules, np.flatnonzero(clear).tolist()), strict=True))
    table: dict[str, list[Level]] = {setting.name: [] for setting in settings}
    for place, (setting, level) in enumerate(places):
        spread = (float(means[place].mean()), low[place], high[place]) if told[place] else (None,) * 3
        change = by_place[place] if level and by_place[place].p_holm is not None else None
        table[setting.name].append(Level(setting.levels[level], int((setting.level == level).sum()), *spread, change))
    return [MainEffect(setting.name, setting.title, table[setting.name]) for setting in settings]


def _interactions(settings: Sequence[Varied], measured: RecipeScores) -> list[Interaction]:
    told, values = [], []
    for first, second in combinations(settings, 2):
        pairs = [(i, j) for i in range(1, len(first.levels)) for j in range(1, len(second.levels))]
        model = Model(settings, (first, second))
        weights = [
            model.product(model.own(first, i) - model.own(first, 0), model.own(second, j) - model.own(second, 0))
            for i, j in pairs
        ]
        own, clear = model.values(np.array(weights), measured.values)
        values.append(own[clear])
        told += [
            (first, second, (first.levels[i], first.levels[0], second.levels[j], second.levels[0]))
            for (i, j), sure in zip(pairs, clear.tolist(), strict=True)
            if sure
        ]
    if not told:
        return []
    made = gaps(np.concatenate(values), measured.rules, range(len(told)))
    listed = [Interaction(a.title, b.title, levels, gap) for (a, b, levels), gap in zip(told, made, strict=True)]
    return sorted(listed, key=lambda row: (row.gap.p_holm, -abs(row.gap.difference)))


def _spread(values: np.ndarray, measured: RecipeScores) -> list[list[float | None]]:
    """[lows, highs] of the mean of each row."""
    return mean_bounds(np.ascontiguousarray(values.T), *measured.rules)


def _codes(levels: int) -> np.ndarray:
    """[levels, levels - 1]: deviations from the mean of all levels; the last is minus the others' sum."""
    return np.vstack([np.eye(levels - 1), -np.ones(levels - 1)])


def _compared(name: str, raw: Sequence[Any], recipes: Sequence[Trial]) -> np.ndarray:
    """[recipes] bool: where a setting takes part in a comparison. A part that has it at one value, which no other part has,
    such as its default, would tell the same of the setting as of the part: it is not compared there."""
    has = np.array([name in trial.settings for trial in recipes])
    part = f"{name.partition('.')[0]}.part"
    values = np.array([str(value) for value in raw])
    parts = np.array([str(trial.settings.get(part)) for trial in recipes])
    if name != part and len(set(parts)) > 1:
        for word in sorted(set(parts)):
            own, others = set(values[has & (parts == word)]), set(values[has & (parts != word)])
            if len(own) == 1 and not own & others:
                has &= parts != word
    return has & _where_varied(name, values, has, recipes)


def _where_varied(name: str, values: np.ndarray, has: np.ndarray, recipes: Sequence[Trial]) -> np.ndarray:
    """[recipes] bool: a setting varied only under some parts of another stage is compared under these, where the others have
    values of their own: what it does could not be told from what those parts do."""
    where = np.ones(len(recipes), bool)
    for part in {key for trial in recipes for key in trial.settings if key.endswith(".part") and key != name}:
        parts = np.array([str(trial.settings.get(part)) for trial in recipes])
        own = {word: set(values[has & (parts == word)]) for word in sorted(set(parts))}
        several = {word for word, listed in own.items() if len(listed) > 1}
        moved = set().union(*(own[word] for word in several))
        if several and not moved & set().union(*(listed for word, listed in own.items() if word not in several)):
            where &= np.isin(parts, list(several))
    return where


def _levels(name: str, raw: Sequence[Any], has: np.ndarray, ranges: bool) -> tuple[list[str], np.ndarray]:
    """(levels in words, place of each [recipes], -1: absent). Numbers by size, others by name: the first, with which the others are
    compared, is the same whatever was measured last."""
    words = [setting_value(name, value) if present else "" for value, present in zip(raw, has, strict=True)]
    distinct = list(dict.fromkeys(word for word, present in zip(words, has, strict=True) if present))
    numbers = {
        word: value
        for word, value, present in zip(words, raw, has, strict=True)
        if present and isinstance(value, int | float) and not isinstance(value, bool)
    }
    if set(distinct) == set(numbers):
        distinct.sort(key=numbers.get)
        if ranges and len(distinct) > MOST_LEVELS:
            return _ranges(np.array([numbers.get(word, np.nan) for word in words], np.float64), has)
    else:
        distinct.sort(key=str.casefold)
    place = {word: i for i, word in enumerate(distinct)}
    return distinct, np.array([place[word] if present else -1 for word, present in zip(words, has, strict=True)])


def _ranges(numbers: np.ndarray, has: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Numbers in ranges of about as many distinct values each."""
    distinct = np.unique(numbers[has])
    groups = np.array_split(distinct, RANGES)
    place = np.searchsorted([group[-1] for group in groups], np.where(has, numbers, distinct[0]))
    return [f"{group[0]:g} to {group[-1]:g}" for group in groups], np.where(has, place, -1)
