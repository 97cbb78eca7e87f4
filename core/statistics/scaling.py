"""How a model's loss falls with its size and its data: a law fitted to trainings, and what it says of the next one.

L(N, D) = E + A / N^alpha + B / D^beta, N parameters, D tokens. Source: Hoffmann et al. 2022, "Training compute-optimal large language
models", section 3.3, equations 2 and 3: the Huber loss (delta 0.001) of the logarithms, minimised by L-BFGS from several starts.
"""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np

DELTA = 1e-3  # of the Huber loss
STARTS = tuple(product((0.1, 0.4, 0.8), (0.1, 0.4, 0.8)))  # alpha, beta
FEWEST = 6  # trainings, one more than there are parameters


class ScalingLaw(NamedTuple):
    """Parameters of the law; loss in nats a token."""

    e: float
    a: float
    alpha: float
    b: float
    beta: float

    def loss(self, n: np.ndarray | float, d: np.ndarray | float) -> np.ndarray:
        return self.e + self.a / np.asarray(n, float) ** self.alpha + self.b / np.asarray(d, float) ** self.beta


class FittedScaling(NamedTuple):
    """The law of all trainings; intervals: name -> percentile interval over trainings drawn with replacement; draws: their laws."""

    law: ScalingLaw
    intervals: dict[str, tuple[float, float]]
    draws: tuple[ScalingLaw, ...]

    def predicted(self, n: float, d: float, confidence: float = 0.95) -> tuple[float, float, float]:
        """(loss, low, high) that the law expects of a training, without the noise of a single one."""
        tail = (1 - confidence) / 2
        low, high = np.quantile([float(law.loss(n, d)) for law in self.draws], [tail, 1 - tail])
        return float(self.law.loss(n, d)), float(low), float(high)


def scaling_law(
    n: Sequence[float], d: Sequence[float], loss: Sequence[float], resamples: int = 200, confidence: float = 0.95, seed: int = 0
) -> FittedScaling:
    """n [runs] parameters, d [runs] tokens, loss [runs] nats a token. Raises ValueError for fewer than FEWEST trainings, or where sizes or
    data do not vary: then the law is not determined."""
    table = np.column_stack([np.asarray(each, np.float64) for each in (n, d, loss)])
    check_determined(table)
    law, draw = _fitted(table, STARTS), np.random.default_rng(seed)
    draws = []
    while len(draws) < resamples:
        some = table[draw.integers(0, len(table), len(table))]
        if _determined(some, fewest=1):
            draws.append(_fitted(some, ((law.alpha, law.beta),)))
    tail = (1 - confidence) / 2
    bounds = np.quantile(np.array(draws), [tail, 1 - tail], axis=0)
    intervals = {name: (float(bounds[0, i]), float(bounds[1, i])) for i, name in enumerate(ScalingLaw._fields)}
    return FittedScaling(law, intervals, tuple(draws))


def check_determined(table: np.ndarray) -> None:
    """table [runs, 2 or more]: parameters and tokens. Raises ValueError where trainings of these determine no law."""
    if not _determined(table):
        raise ValueError(f"a law needs {FEWEST} trainings of at least two sizes and two amounts of data")


def _determined(table: np.ndarray, fewest: int = FEWEST) -> bool:
    return len(table) >= fewest and all(len(np.unique(table[:, column])) > 1 for column in (0, 1))


def _fitted(table: np.ndarray, starts: Sequence[tuple[float, float]]) -> ScalingLaw:
    from scipy.optimize import minimize

    n, d, wanted = np.log(table).T
    least, ones = table[:, 2].min(), np.ones(len(table))

    def apart(x: np.ndarray) -> tuple[float, np.ndarray]:
        """The mean Huber loss, over delta, and its gradient."""
        a, b, e, alpha, beta = x
        terms = np.stack([a - alpha * n, b - beta * d, e * ones])
        top = terms.max(axis=0)
        shares = np.exp(terms - top)
        whole = shares.sum(axis=0)
        gap, shares = top + np.log(whole) - wanted, shares / whole
        inside = np.abs(gap) <= DELTA
        loss = np.where(inside, gap**2 / 2, DELTA * (np.abs(gap) - DELTA / 2)).sum() / DELTA
        slope = np.clip(gap, -DELTA, DELTA) / DELTA
        return float(loss), np.stack([shares[0], shares[1], shares[2], -n * shares[0], -d * shares[1]]) @ slope

    best = None
    for alpha, beta in starts:
        rest = np.log(least / 4)
        x0 = [rest + alpha * n.mean(), rest + beta * d.mean(), np.log(least / 2), alpha, beta]
        limits = [(-30, 60), (-30, 60), (-10, np.log(least)), (0.0, 3.0), (0.0, 3.0)]
        made = minimize(apart, x0, jac=True, method="L-BFGS-B", bounds=limits, options={"maxiter": 500})
        best = made if best is None or made.fun < best.fun else best
    a, b, e, alpha, beta = best.x
    return ScalingLaw(*(float(each) for each in (np.exp(e), np.exp(a), alpha, np.exp(b), beta)))
