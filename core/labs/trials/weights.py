"""The weight of a fusion, learned by cross-validation over articles: what it is worth on questions that did not choose it.

A weight tuned and measured on the same questions looks better than it is. Here the articles are divided into folds; each fold is
measured at the weight that is best on the other folds. Questions of one article stay together, for they share its words. Where
documents answer many questions each, almost all questions would be one article: then each stands by itself.
"""

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from core.config import TrialConfig, with_settings
from core.corpus.library import linked
from core.errors import WorkbenchError
from core.labs.trials import curve
from core.records import Progress, Query
from core.retrieval.fusion import Fusion
from core.statistics.bootstrap import mean_interval, numbered, summed
from core.statistics.paired import sign_flip_p
from core.statistics.proportion import unit_interval_grouped
from core.workbench import Resolved, Workbench

SINGLE = {"sparse_only": "lexical alone", "dense_only": "dense alone"}
By = Literal["article", "group", "question"]


class Fold(NamedTuple):
    """One part of the articles (or whatever stays together), and the weight that the others chose."""

    units: int
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
            f"{len(order):,} articles, groups or questions that are measured cannot be divided into {folds} folds.",
            where="--folds",
            todo="Choose from 2 folds up to their number, --by question, or a corpus with more of them.",
        )
    of_article, filled = np.full(len(sizes), -1), np.zeros(folds, int)
    for article in order:
        of_article[article] = fold = int(filled.argmin())
        filled[fold] += sizes[article]
    fold_of, told, held = of_article[place], [], np.full(values.shape[1], np.nan)
    for fold in range(folds):
        here = measured & (fold_of == fold)
        means = values[:, measured & ~here].mean(axis=1)
        at = curve.middle_of_best(means)
        held[here] = values[at, here]
        told.append(Fold(len(set(place[here])), int(here.sum()), float(weights[at]), float(means[at]), float(held[here].mean())))
    return HeldOut(told, held, float(weights[curve.middle_of_best(values[:, measured].mean(axis=1))]))


class Units(NamedTuple):
    """What stays together, in folds, intervals and tests alike."""

    names: list[str]  # of each question's unit
    told: str  # what a unit is, and why


def units_of(queries: Sequence[Query], by: By) -> Units:
    """article: the documents of a question's evidence, with all questions that share one. group: its group. Where more than half
    of the questions would be one unit, as on densely judged sets, each question stands by itself."""
    alone = [query.id for query in queries]
    if by == "question":
        return Units(alone, "question")
    together = {query.id: query.group for query in queries} if by == "group" else linked(queries)
    names = [together[query.id] for query in queries]
    largest = max(Counter(names).values(), default=0)
    if largest <= len(names) / 2:
        return Units(names, by)
    shared = "are of one group" if by == "group" else "hang together by shared documents"
    return Units(alone, f"question, because {largest:,} of {len(names):,} {shared}")


def learn(
    workbench: Workbench, recipe: TrialConfig, weights: Sequence[float], metric: str, folds: int, by: By
) -> Generator[Progress, None, dict[str, Any]]:
    """The recipe's fusion with a learned weight against each retriever alone; changes and stores nothing."""
    weighted: Fusion = recipe.fusion
    if "weight" not in type(weighted).model_fields:
        raise WorkbenchError(
            f"The fusion '{weighted.part}' has no weight.", where="fusion.part", todo="Choose convex, rrf or borda."
        )
    run = yield from workbench.pipeline.resolve(recipe)
    points = yield from curve.curve(workbench, run, "fusion.weight", list(weights))
    others = alone(run.config) | {f"weight {weighted.weight:g}, as set": run.config}
    told, held = yield from held_out(workbench, run, points, weights, others, metric, folds, by)
    best = with_settings(recipe, {"fusion.weight": held.weight}).fusion.weight
    return told | {
        "best over all questions": best,
        "to use it": f"--set fusion.part={weighted.part} --set fusion.weight={best:g}",
        "folds": [{"fold": number, **fold._asdict()} for number, fold in enumerate(held.folds, 1)],
    }


def alone(recipe: TrialConfig) -> dict[str, TrialConfig]:
    """The recipe with each retriever by itself."""
    return {words: with_settings(recipe, {"fusion": part}) for part, words in SINGLE.items()}


def held_out(
    workbench: Workbench,
    run: Resolved,
    points: Sequence[curve.CurvePoint],
    weights: Sequence[float],
    others: Mapping[str, TrialConfig],
    metric: str,
    folds: int,
    by: By,
) -> Generator[Progress, None, tuple[dict[str, Any], HeldOut]]:
    """What a choice among these points is worth on questions that had no part in it, beside other recipes; and the choice."""
    units, rules, seed = units_of(run.corpus.queries, by), run.config.evaluation, run.config.seed
    held = cross_validated(np.array([point.values[metric] for point in points]), weights, units.names, folds, seed)
    rows = []
    for done, (words, other) in enumerate(others.items()):
        yield Progress(done, len(others), words)
        point = curve.point_of(workbench, run.of(other))
        rows.append({"against": words, **_difference(held.values, point.values[metric], units.names, rules, seed)})
    mean = unit_interval_grouped(held.values, units.names, rules.resamples, rules.confidence, seed)
    told = {
        "metric": f"{metric}@{rules.k}",
        "held out": mean.mean,
        "low": mean.low,
        "high": mean.high,
        "questions": mean.n,
        "by": units.told,
        "units": len(set(units.names)),
        "differences": rows,
    }
    return told, held


def _difference(held: np.ndarray, other: np.ndarray, units: Sequence[str], rules: Any, seed: int) -> dict[str, Any]:
    """Held-out minus other, with what stays together as the unit of interval and test."""
    differences = held - other
    there = ~np.isnan(differences)
    interval = mean_interval(differences, units, rules.resamples, rules.confidence, seed)
    [(p, _)] = sign_flip_p(summed(differences[there][:, None], np.asarray(units)[there]), seed=seed)
    own = float(np.nanmean(other))
    return {"its mean": own, "difference": interval.mean, "low": interval.low, "high": interval.high, "p": p}
