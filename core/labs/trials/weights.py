"""The weight of a fusion, learned by cross-validation over articles: what it is worth on questions that did not choose it.

A weight tuned and measured on the same questions looks better than it is. Here the articles are divided into folds; each fold is
measured at the weight that is best on the other folds. Questions of one article stay together, for they share its words.
"""

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import numpy as np

from core.config import TrialConfig, with_settings
from core.corpus.library import linked
from core.errors import WorkbenchError
from core.labs.trials import curve
from core.records import Progress, Query
from core.retrieval.fusion import Fusion
from core.statistics.bootstrap import mean_interval, numbered, summed
from core.statistics.paired import sign_flip_p
from core.workbench import Workbench

SINGLE = {"sparse_only": "lexical alone", "dense_only": "dense alone"}


class Fold(NamedTuple):
    """One part of the articles, and the weight that the others chose."""

    articles: int
    questions: int
    weight: float
    elsewhere: float  # mean of the metric on the other folds, at this weight
    here: float  # on this fold: nothing here had a part in the choice


class HeldOut(NamedTuple):
    folds: list[Fold]
    values: np.ndarray  # [questions] float64, each at the weight of its fold; NaN: not measured
    weight: float  # best over all questions: what one would use from now on


def cross_validated(values: np.ndarray, weights: Sequence[float], articles: Sequence[str], folds: int, seed: int = 0) -> HeldOut:
    """Of the metric [weights, questions], NaN where a question is not measured. The articles are dealt in a drawn order, each to the
    fold with the fewest questions so far. Of weights that are equally good the middle one is taken.

    Source: Stone 1974, "Cross-validatory choice and assessment of statistical predictions", with groups of questions as units.
    """
    measured = ~np.isnan(values).any(axis=0)
    place = numbered(np.asarray(articles))
    sizes = np.bincount(place[measured], minlength=place.max(initial=-1) + 1)
    order = [article for article in np.random.default_rng(seed).permutation(len(sizes)) if sizes[article]]
    if len(order) < max(folds, 2) or folds < 2:
        raise WorkbenchError(
            f"{len(order):,} articles with measured questions cannot be divided into {folds} folds.",
            where="--folds",
            todo="Choose from 2 folds up to the number of articles, or a corpus with more of them.",
        )
    of_article, filled = np.full(len(sizes), -1), np.zeros(folds, int)
    for article in order:
        of_article[article] = fold = int(filled.argmin())
        filled[fold] += sizes[article]
    fold_of, told, held = of_article[place], [], np.full(values.shape[1], np.nan)
    for fold in range(folds):
        here = measured & (fold_of == fold)
        at, elsewhere = _best(values[:, measured & ~here])
        held[here] = values[at, here]
        told.append(Fold(len(set(place[here])), int(here.sum()), float(weights[at]), elsewhere, float(held[here].mean())))
    return HeldOut(told, held, float(weights[_best(values[:, measured])[0]]))


def _best(values: np.ndarray) -> tuple[int, float]:
    means = values.mean(axis=1)
    best = np.flatnonzero(means > means.max() - 1e-12)
    return int(best[(len(best) - 1) // 2]), float(means.max())


def articles_of(queries: tuple[Query, ...], by: str) -> list[str]:
    """What each question belongs to: the documents of its evidence, with all that share one; or its group."""
    if by == "group":
        return [query.group for query in queries]
    together = linked(queries)
    return [together[query.id] for query in queries]


def learn(
    workbench: Workbench, recipe: TrialConfig, weights: Sequence[float], metric: str, folds: int, by: str
) -> Generator[Progress, None, dict[str, Any]]:
    """The recipe's fusion with a learned weight against each retriever alone; changes and stores nothing."""
    weighted: Fusion = recipe.fusion
    if "weight" not in type(weighted).model_fields:
        raise WorkbenchError(
            f"The fusion '{weighted.part}' has no weight.", where="fusion.part", todo="Choose convex, rrf or borda."
        )
    run = yield from workbench.pipeline.resolve(recipe)
    articles = articles_of(run.corpus.queries, by)
    points = yield from curve.curve(workbench, run, "fusion.weight", list(weights))
    held = cross_validated(np.array([point.values[metric] for point in points]), weights, articles, folds, recipe.seed)
    rules = recipe.evaluation
    rows = []
    for name, words in SINGLE.items():
        [alone] = yield from curve.curve(workbench, run, "fusion.part", [name])
        rows.append({"against": words, **_difference(held.values, alone.values[metric], articles, rules, recipe.seed)})
    now = curve.point_of(workbench, run, 0).values[metric]
    rows.append({"against": f"weight {weighted.weight:g}, as set", **_difference(held.values, now, articles, rules, recipe.seed)})
    mean = mean_interval(held.values, articles, rules.resamples, rules.confidence, recipe.seed)
    setting = with_settings(recipe, {"fusion.weight": held.weight}).fusion.weight
    return {
        "metric": f"{metric}@{rules.k}",
        "held out": mean.mean,
        "low": mean.low,
        "high": mean.high,
        "questions": mean.n,
        "articles": len(set(articles)),
        "best over all questions": setting,
        "to use it": f"--set fusion.part={weighted.part} --set fusion.weight={setting:g}",
        "differences": rows,
        "folds": [{"fold": number, **fold._asdict()} for number, fold in enumerate(held.folds, 1)],
    }


def _difference(held: np.ndarray, other: np.ndarray, articles: Sequence[str], rules: Any, seed: int) -> dict[str, Any]:
    """Held-out minus other, with the article as the unit of interval and test."""
    differences = held - other
    there = ~np.isnan(differences)
    interval = mean_interval(differences, articles, rules.resamples, rules.confidence, seed)
    [(p, _)] = sign_flip_p(summed(differences[there][:, None], np.asarray(articles)[there]), seed=seed)
    own = float(np.nanmean(other))
    return {"its mean": own, "difference": interval.mean, "low": interval.low, "high": interval.high, "p": p}
