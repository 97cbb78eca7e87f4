"""Quality against cost over stored trials: what a cost spreads over, and which trials no other beats.

A latency is a measurement on a machine with other work. Trials that did the same work for a question, such as those of a
sweep over the weight of the fusion, differ in it by chance alone: their spreads are joined. Nothing is ranked on a
difference that is not told apart.
"""

from collections.abc import Sequence

import numpy as np

from core.config import fingerprint
from core.labs.trials.comparison import ALPHA, Spread, Trial, direction
from core.labs.trials.listing import TIMED, WORK
from core.labs.trials.values import comparable
from core.statistics.corrections import holm
from core.statistics.t_test import t_p
from core.workbench import Workbench

MOST = 500  # trials compared with each other


def spreads(workbench: Workbench, points: Sequence[Trial], cost: str) -> dict[str, Spread]:
    """trial -> its cost; of a time the median of all stored trials that did the same work, from the lowest quartile to the
    highest. A trial whose cost was not measured is left out; of a time, where no trial that did the same work was timed."""
    if cost not in TIMED:
        return {trial.id: trial.costs[cost] for trial in points if cost in trial.costs}
    return _joined(workbench, points, cost, WORK)


def _joined(workbench: Workbench, points: Sequence[Trial], cost: str, same: str) -> dict[str, Spread]:
    """same: what trials have in common whose times are joined."""
    rows = workbench.store.query(
        f"""WITH point AS (SELECT id, {same} AS did FROM trials WHERE id IN (SELECT unnest(?::VARCHAR[]))),
            runs AS (SELECT {same} AS did, median(value) AS value, min(coalesce(timed.low, value)) AS low,
              max(coalesce(timed.high, value)) AS high, any_value(timed.low) IS NOT NULL AS spread, sum(timed.n) AS n,
              count(*) AS runs FROM trials JOIN ({TIMED[cost]}) timed ON trial_id = id
              WHERE did IN (SELECT did FROM point) GROUP BY did)
            SELECT id, value, low, high, spread, n, runs FROM point JOIN runs USING (did)""",
        [[trial.id for trial in points]],
    )
    joined = {}
    for row in rows:
        ends = (row["low"], row["high"]) if row["spread"] or row["runs"] > 1 else (None, None)
        joined[row["id"]] = Spread(row["value"], *ends, int(row["n"] or 0) or None, row["runs"])
    return {trial.id: joined[trial.id] for trial in points if trial.id in joined}


def own_or_alike(workbench: Workbench, trials: Sequence[Trial], cost: str) -> dict[str, Spread]:
    """trial -> its cost as it was measured; of a time, where it was not, that of the trials that did the same work, first of those of its
    own experiment, which times one of them."""
    untimed, others = [trial for trial in trials if cost not in trial.costs], {}
    if untimed and cost in TIMED:
        others = spreads(workbench, untimed, cost) | _joined(workbench, untimed, cost, f"concat_ws(' ', sweep, {WORK})")
    return others | {trial.id: trial.costs[cost] for trial in trials if cost in trial.costs}


def lent(workbench: Workbench, trials: Sequence[Trial], costs: Sequence[str]) -> list[str]:
    """Ids of the stored trials by whose times `own_or_alike` tells those of trials that were not timed."""
    times = TIMED.keys() & set(costs)
    return alike(workbench, [trial for trial in trials if times - trial.costs.keys()], costs)


def alike(workbench: Workbench, points: Sequence[Trial], costs: Sequence[str]) -> list[str]:
    """Ids of all stored trials whose times are joined with those of these, where a cost is a time."""
    if not set(costs) & TIMED.keys():
        return []
    rows = workbench.store.query(
        f"SELECT id FROM trials WHERE {WORK} IN (SELECT {WORK} FROM trials WHERE id IN (SELECT unnest(?::VARCHAR[])))",
        [[trial.id for trial in points]],
    )
    return [row["id"] for row in rows]


def too_many(name: str, trials: int) -> str:
    """That a group of this name is too large to be compared."""
    return f"{name}: {trials:,} trials; filter the table to at most {MOST:,} to compare them."


def unbeaten(workbench: Workbench, points: Sequence[Trial], costs: dict[str, Spread], metric: str) -> set[str]:
    """Ids of the trials that no other beats: none is better at a cost that is not told to be higher, none is cheaper with a mean at
    least as high. Not to be told apart from the best is no reason to beat it: the highest mean is beaten by an equal one alone.

    Better: a paired t test over the questions, Holm's correction over all pairs, level 5%. Cheaper: the spreads do not
    overlap. The trials are of one group (the same questions, documents and rules), at most MOST of them.
    """
    key = fingerprint([t.id for t in points], metric, [tuple(costs[t.id]) for t in points])
    return workbench.pipeline.remember("unbeaten", key, lambda: _unbeaten(workbench, points, costs, metric))


def _unbeaten(workbench: Workbench, points: Sequence[Trial], costs: dict[str, Spread], metric: str) -> set[str]:
    values = comparable(workbench, points, metric) * direction(metric)
    better, means = _better(values), values.mean(axis=1).round(12)
    low = np.array([costs[t.id].value if costs[t.id].low is None else costs[t.id].low for t in points])
    high = np.array([costs[t.id].value if costs[t.id].high is None else costs[t.id].high for t in points])
    cheaper = high[:, None] < low[None, :]  # row cheaper than column
    beats = (better & ~cheaper.T) | (cheaper & (means[:, None] >= means))
    return {trial.id for trial, beaten in zip(points, beats.any(axis=0), strict=True) if not beaten}


def _better(values: np.ndarray) -> np.ndarray:
    """[n, n] bool: whether the row's mean is told to be above the column's. values [n, questions] float64."""
    n, questions = values.shape
    means = values.mean(axis=1)
    gap = means[:, None] - means[None, :]
    if n < 2 or questions < 2:
        return np.zeros((n, n), bool)
    covariance = np.atleast_2d(np.cov(values))
    own = np.diag(covariance)
    variance = np.maximum(own[:, None] + own[None, :] - 2 * covariance, 0)
    error = np.sqrt(variance / questions)
    above = np.triu_indices(n, 1)
    corrected = np.ones((n, n))
    corrected[above] = holm(t_p(gap, error, questions)[above])
    return (np.minimum(corrected, corrected.T) < ALPHA) & (gap > 0)
