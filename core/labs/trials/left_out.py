"""Does a difference rest on one article? Each is left out in turn.

Questions of one article share its text, so they are no independent draws: the interval that treats articles as the unit is
the one to believe where it is the wider one.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import stdtrit

from core.config import fingerprint
from core.errors import WorkbenchError
from core.labs.trials.comparison import Trial, label
from core.labs.trials.values import RecipeScores, recipe_key, scores
from core.report.table import COUNT, Column, Table
from core.statistics.bootstrap import mean_interval, numbered, summed
from core.workbench import Workbench

BY = {"article": "document of the evidence", "group": "group of the question"}
NO_GROUP = "(no group)"
FEW = 30  # articles below which drawing them anew gives intervals that are too short


class WithoutArticle(NamedTuple):
    """The difference of a trial to the reference without the questions of one article."""

    article: str
    questions: int
    difference: float
    change: float  # to the difference over all


class Sensitivity(NamedTuple):
    metric: str
    k: int
    articles: list[WithoutArticle]  # largest change first
    difference: float  # over all questions
    low: float | None  # interval with the question as unit
    high: float | None
    cluster_low: float | None  # interval with the article as unit
    cluster_high: float | None
    jackknife_error: float | None  # standard error of the difference, articles left out one at a time
    n: int
    confidence: float  # of the intervals
    turns: int  # articles without which the difference has the other sign, or is none


def left_out(workbench: Workbench, reference: Trial, trial: Trial, metric: str, by: str = "article") -> Sensitivity:
    """Trial minus reference, on the questions that both measured."""
    key = fingerprint(reference.id, trial.id, metric, by)
    return workbench.pipeline.remember("left out", key, lambda: _left_out(workbench, reference, trial, metric, by))


def rows(result: Sensitivity) -> list[dict[str, Any]]:
    """A row an article."""
    return [
        {"left out": row.article, "questions": row.questions, "difference without it": row.difference, "change": row.change}
        for row in result.articles
    ]


def table(result: Sensitivity, title: str, command: str) -> Table:
    columns = (
        Column("left out", width=340),
        Column("questions", "", COUNT),
        *(Column(name, "", "%+.4f") for name in ("difference without it", "change")),
    )
    return Table("left_out", columns, rows(result), title, f"Largest change first; n {result.n:,}", command)


def record(result: Sensitivity) -> dict[str, Any]:
    """The difference with each of its uncertainties, and the articles."""
    return {
        "metric": label(result.metric, result.k),
        "difference": result.difference,
        "low": result.low,
        "high": result.high,
        "low, by article": result.cluster_low,
        "high, by article": result.cluster_high,
        "standard error, jackknife over articles": result.jackknife_error,
        "questions": result.n,
        "articles without which its sign changes": result.turns,
        "articles": rows(result),
    }


def _left_out(workbench: Workbench, reference: Trial, trial: Trial, metric: str, by: str) -> Sensitivity:
    if by not in BY:
        raise WorkbenchError(f"Questions have no '{by}'.", todo=f"Choose among {', '.join(BY)}.")
    measured = scores(workbench, [trial, reference], metric)
    if len(measured.recipes) < 2:
        raise WorkbenchError("These are repeats of one recipe.", todo="Choose two recipes.")
    place = [recipe_key(own) for own in measured.recipes].index(recipe_key(trial))
    differences = measured.values[place] - measured.values[1 - place]
    return sensitivity(differences, articles(workbench, measured, by), measured)


def sensitivity(differences: np.ndarray, articles: Sequence[str], measured: RecipeScores) -> Sensitivity:
    """Of differences [n] by question, each of an article [n].

    Delete-a-group jackknife: (G - 1) / G times the sum over groups of the squared deviations of the means without a group
    from their mean (Efron and Tibshirani 1993, equation 11.5, with groups for observations). Of fewer than FEW articles it makes
    the interval too, with Student's t of one less than the articles: resamples of two articles cover half of what they should.
    """
    resamples, confidence, seed = measured.rules
    names = np.asarray(articles)
    _, first = np.unique(numbered(names), return_index=True)
    sums = summed(np.column_stack([differences, np.ones(len(differences))]), names)
    if len(sums) < 2:
        raise WorkbenchError(
            "All questions are of one article or group: none can be left out.", todo="Choose a corpus with more of them."
        )
    total, n = sums.sum(axis=0)
    without = (total - sums[:, 0]) / (n - sums[:, 1])
    error = np.sqrt((len(sums) - 1) / len(sums) * ((without - without.mean()) ** 2).sum())
    own = mean_interval(differences, None, resamples, confidence, seed)
    cluster = mean_interval(differences, names, resamples, confidence, seed)
    mean = float(differences.mean())
    if len(sums) < FEW:
        half = float(error * stdtrit(len(sums) - 1, (1 + confidence) / 2))
        cluster = cluster._replace(low=mean - half, high=mean + half)
    listed = [
        WithoutArticle(str(names[at]), int(count), float(value), float(value - mean))
        for at, count, value in zip(first, sums[:, 1], without, strict=True)
    ]
    return Sensitivity(
        measured.metric,
        measured.k,
        sorted(listed, key=lambda row: -abs(row.change)),
        mean,
        own.low,
        own.high,
        cluster.low,
        cluster.high,
        float(error),
        len(differences),
        confidence,
        int((np.sign(np.round(without, 12)) != np.sign(round(mean, 12))).sum()),
    )


def articles(workbench: Workbench, measured: RecipeScores, by: str) -> list[str]:
    """The article, or the group, of each measured question; one with evidence in several goes with the first by name."""
    listed = workbench.store.query(
        """SELECT q.position, any_value(q.query_group) AS "group", min(g.document_id) FILTER (g.grade > 0) AS article
           FROM questions q LEFT JOIN gold g ON g.fingerprint = q.fingerprint AND g.query_id = q.query_id
           WHERE q.fingerprint = ? GROUP BY q.position""",
        [measured.recipes[0].questions],
    )
    names = {row["position"]: row[by] or NO_GROUP for row in listed}
    return [names[place] for place in measured.places.tolist()]
