"""How much of the trials' differences each setting accounts for: functional ANOVA over a random forest.

Hutter, Hoos and Leyton-Brown 2014, "An efficient approach for assessing hyperparameter importance", sections 3 and 4: a
forest learns a recipe's mean from its settings; a setting's share is the variance of the forest's prediction over its
levels, averaged over all levels of the others, by the variance over all recipes that there could be. It tells also what
trials off a grid tell, and settings that matter only together; `trials effects` tells how much and which way, with intervals.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from core.config import fingerprint
from core.errors import WorkbenchError
from core.labs.trials.comparison import Trial
from core.labs.trials.effects import Varied, telling, varied
from core.labs.trials.values import RecipeScores, scores
from core.workbench import Workbench

TREES, SEEDS = 64, 5  # of a forest; forests, whose spread is told
FEWEST = 8  # recipes from which a forest says anything
EACH = 4  # recipes a setting, below which it is said that they are few
EXPLAINED = 0.5  # R² on recipes that a tree did not see, below which a share is said to be a guess


class Share(NamedTuple):
    """Share of the variance that a setting alone, or two only together, account for: mean, lowest and highest forest."""

    title: str
    settings: tuple[str, ...]  # dotted: one, or two
    mean: float
    low: float
    high: float


class Importance(NamedTuple):
    metric: str
    k: int
    shares: list[Share]  # largest first: settings, then pairs beyond what each does alone
    explained: float  # R² on recipes left out of the trees
    recipes: int
    n: int  # questions
    left_out: int  # recipes that are the only one with some level, as the effects have it
    note: str  # why not to rely on it; "" where nothing speaks against it


def importance(workbench: Workbench, members: Sequence[Trial], metric: str) -> Importance:
    """Of trials of one group that differ in at least two settings."""
    key = fingerprint([trial.id for trial in members], metric)
    return workbench.pipeline.remember("importance", key, lambda: _importance(scores(workbench, members, metric)))


def rows(result: Importance) -> list[dict[str, Any]]:
    """A row a setting and a pair."""
    return [
        {"setting": share.title, "share of the variance": share.mean, "lowest forest": share.low, "highest forest": share.high}
        for share in result.shares
    ]


def _importance(everything: RecipeScores) -> Importance:
    measured = telling(everything)  # as the effects: what is one setting there is not shared out between two here
    settings, means = varied(measured.recipes, ranges=False), measured.values.mean(axis=1)
    if len(settings) < 2 or len(means) < FEWEST:
        raise WorkbenchError(
            f"Importance needs {FEWEST} recipes that differ in two settings; these are {len(means)} "
            f"that differ in {len(settings)}.",
            todo="Measure more recipes, or use the main effects.",
        )
    if np.ptp(means) < 1e-12:
        raise WorkbenchError("All of these recipes have the same mean: no setting has an effect.")
    runs = [fanova(settings, means, seed) for seed in range(SEEDS)]
    shares = []
    for place in runs[0][0]:
        own = [run[0][place] for run in runs]
        of = [settings[i] for i in place]
        title = " × ".join(setting.title for setting in of)
        shares.append(Share(title, tuple(setting.name for setting in of), float(np.mean(own)), min(own), max(own)))
    explained = float(np.mean([run[1] for run in runs]))
    notes = []
    if len(means) < EACH * len(settings):
        notes.append(f"{len(means)} recipes are few for {len(settings)} settings")
    if explained < EXPLAINED:
        notes.append(f"the forest explains {max(explained, 0):.0%} of the variance of held-out recipes")
    note = f"Only a rough estimate: {' and '.join(notes)}." if notes else ""
    shares.sort(key=lambda share: (len(share.settings), -share.mean))
    left = len(everything.recipes) - len(measured.recipes)
    return Importance(measured.metric, measured.k, shares, explained, len(means), measured.values.shape[1], left, note)


def fanova(
    settings: Sequence[Varied], means: np.ndarray, seed: int = 0, **forest: Any
) -> tuple[dict[tuple[int, ...], float], float]:
    """(settings, one or two by place -> share of the variance, R² out of the bag). forest: options of scikit-learn's."""
    from sklearn.ensemble import RandomForestRegressor

    codes = [_code(setting) for setting in settings]
    features = np.hstack([code[setting.level] for setting, code in zip(settings, codes, strict=True)])  # -1: the last, absent
    options = {"n_estimators": TREES, "oob_score": True, "random_state": seed} | forest
    fitted = RandomForestRegressor(**options).fit(features, means)
    columns = [(place, column) for place, code in enumerate(codes) for column in code.T]
    parts = [_shares(tree.tree_, columns, [len(code) for code in codes]) for tree in fitted.estimators_]
    parts = [part for part in parts if part]  # a tree of one leaf says nothing
    shares = {place: float(np.mean([part[place] for part in parts])) for place in parts[0]} if parts else {}
    return shares, float(fitted.oob_score_) if options["oob_score"] else np.nan


def _code(setting: Varied) -> np.ndarray:
    """Features [levels (and absent), columns] float32: a number as it is, a word as a column of its own."""
    absent = bool((setting.level < 0).any())
    try:
        numbers = np.array([float(level) for level in setting.levels])
    except ValueError:
        return np.eye(len(setting.levels) + absent, dtype=np.float32)
    below = [2 * numbers.min() - numbers.max() - 1] * absent
    return np.array([*numbers, *below], np.float32)[:, None]


def _shares(tree: Any, columns: Sequence[tuple[int, np.ndarray]], sizes: Sequence[int]) -> dict[tuple[int, ...], float]:
    """Shares of one tree, each level of a setting counting the same: exact, by the levels that reach each leaf."""
    bounds = np.cumsum([0, *sizes])
    reach, left = np.ones((2, tree.node_count, bounds[-1]), bool)  # levels that reach a node; that go from it to the left
    right = left.copy()
    for number, (place, column) in enumerate(columns):
        nodes, own = np.flatnonzero(tree.feature == number), slice(bounds[place], bounds[place + 1])
        left[nodes, own] = column[None, :] <= tree.threshold[nodes, None]
        right[nodes, own] = ~left[nodes, own]
    nodes = np.flatnonzero(tree.feature[:1] >= 0)
    while len(nodes):  # a depth at a time
        below = np.concatenate([tree.children_left[nodes], tree.children_right[nodes]])
        reach[below] = np.concatenate([reach[nodes] & left[nodes], reach[nodes] & right[nodes]])
        nodes = below[tree.feature[below] >= 0]
    leaves = tree.feature < 0
    value = tree.value[leaves, 0, 0]
    masks = [reach[leaves, bounds[i] : bounds[i + 1]].astype(np.float64) for i in range(len(sizes))]
    weight = np.array([mask.mean(axis=1) for mask in masks])  # [settings, leaves]
    everywhere = weight.prod(axis=0)
    total = everywhere @ value**2 - (everywhere @ value) ** 2
    if total < 1e-15:
        return {}
    alone = [np.var((value * np.delete(weight, i, axis=0).prod(axis=0)) @ masks[i]) for i in range(len(sizes))]
    shares = {(i,): float(variance / total) for i, variance in enumerate(alone)}
    for i, j in combinations(range(len(sizes)), 2):
        others = value * np.delete(weight, [i, j], axis=0).prod(axis=0)
        together = np.var((masks[i] * others[:, None]).T @ masks[j])
        shares[i, j] = float(max(together - alone[i] - alone[j], 0) / total)
    return shares
