"""Prediction-powered inference: the mean of people's labels over all items, from a few of them and a machine's scores.

Choose it over the human labels alone where a machine has scored everything: never much wider, narrower by as much as the
machine is good. The labelled items have to be a random sample of all. Scores may have any scale; they need not be calibrated.
"""

import numpy as np
from scipy.special import stdtrit

from core.statistics.agreement.coefficient import Agreement
from core.statistics.bootstrap import LEVEL, Interval, or_rows, summed
from core.statistics.corrected import Corrected
from core.statistics.correlation import pearson
from core.statistics.proportion import wilson_grouped

METHOD = "Prediction-powered"
NO_BETTER = "refused: the machine is not shown to be better than chance (its correlation with people may be 0)"

BEYOND = "refused: no share from 0 to 1 fits; what people judged is no random sample of what the machine scored"
_BLOCK = 1_000_000  # labels permuted at a time: 8 MB
FEWEST = 15  # labels of the rarer kind
FEW = f"people gave fewer than {FEWEST} labels of one kind: the interval is somewhat too short"


def prediction_powered(
    unlabelled: np.ndarray,
    machine: np.ndarray,
    human: np.ndarray,
    resamples: int = 2000,
    seed: int = 0,
    groups: np.ndarray | None = None,
    other_groups: np.ndarray | None = None,
) -> Corrected:
    """unlabelled [N]: the machine's scores where no person judged; machine, human [n]: where one did. No NaN.
    groups [n], other_groups [N]: which of these belong together, as the sentences of one answer; None: each on its own.

    mean(human) + w (mean(unlabelled) - mean(machine)), w chosen for the smallest variance. The interval is by the t
    distribution with n - 2 degrees of freedom (n: groups, where they are given), as w is a slope estimated from the same
    labels; the source's normal one holds the truth too seldom for 100 labels and fewer. Of yes and no, estimate and interval
    stay within 0 and 1. Refused where the correlation's interval (bootstrap) reaches 0 or `chance` finds it too likely,
    though the method would then just fall back to people.
    Source: Angelopoulos et al. 2023, "Prediction-powered inference", algorithm 1; the weight: Angelopoulos, Duchi and
    Zrnic 2023, "PPI++: efficient prediction-powered inference" (power tuning).
    """
    unlabelled, machine, human = (np.asarray(column, np.float64) for column in (unlabelled, machine, human))
    n, many = len(human), len(unlabelled)
    groups = or_rows(groups, n)
    other_groups = or_rows(other_groups, many)
    rates = (_mean(human, groups), _mean(unlabelled, other_groups))
    correlation = pearson(machine, human, resamples, seed, groups)
    skill = Interval(correlation.value, correlation.low, correlation.high, n, n, correlation.note)
    drawn = len(np.unique(groups))
    note = _refusal(correlation, drawn, len(np.unique(other_groups)))
    if not note and chance(machine, human, groups, max(resamples, 99), seed) > (1 - LEVEL) / 2:
        note = NO_BETTER
    if note:
        return Corrected(METHOD, None, None, None, *rates, skill, n, many, note)
    value, error = tuned(unlabelled, machine, human, groups, other_groups)
    half = float(stdtrit(drawn - 2, (1 + LEVEL) / 2)) * error
    bounds = [value, value - half, value + half]
    if _yes_no(human):
        if bounds[1] > 1 or bounds[2] < 0:
            return Corrected(METHOD, None, None, None, *rates, skill, n, many, BEYOND)
        bounds = np.clip(bounds, 0, 1).tolist()
    _, times = np.unique(human, return_counts=True)
    note = FEW if len(times) == 2 and times.min() < FEWEST else ""
    return Corrected(METHOD, *bounds, *rates, skill, n, many, note)


def tuned(
    unlabelled: np.ndarray, machine: np.ndarray, human: np.ndarray, groups: np.ndarray, other_groups: np.ndarray
) -> tuple[float, float]:
    """Estimate and standard error with the best weight of the machine, were all rows independent."""
    n, many = len(human), len(unlabelled)
    spread = np.concatenate([machine, unlabelled]).var(ddof=1)
    weight = np.cov(human, machine)[0, 1] / ((1 + n / many) * spread)
    value = human.mean() + weight * (unlabelled.mean() - machine.mean())
    variance = _variance(human - weight * machine, groups, 2) + weight**2 * _variance(unlabelled, other_groups, 1)
    return float(value), float(np.sqrt(variance))


def _variance(values: np.ndarray, groups: np.ndarray, lost: int) -> float:
    """Of the mean, from the sums of groups (Cochran 1977, "Sampling techniques", chapter 9A); lost: degrees of freedom."""
    sums = summed((values - values.mean())[:, None], groups)[:, 0]
    return float(len(sums) / (len(sums) - lost) * (sums @ sums) / len(values) ** 2)


def _refusal(correlation: Agreement, n: int, many: int) -> str:
    if many < 2 or n < 3:
        return "undefined: three items with and two without human labels are needed"
    if correlation.value is None or correlation.low is None:
        return f"refused: the machine's correlation with people is not measured ({correlation.note})"
    return NO_BETTER if correlation.low <= 0 else ""


def chance(machine: np.ndarray, human: np.ndarray, groups: np.ndarray, permutations: int, seed: int) -> float:
    """One-sided p of the correlation of machine [n] and human [n], were they independent: as often as it says so for a few
    labels too, for which the bootstrap takes luck for skill.

    Permutation test where each row is a group of its own (Fisher 1935, "The design of experiments"). Else the sums of groups
    change their signs at random (Cameron, Gelbach and Miller 2008, "Bootstrap-based improvements for inference with
    clustered errors": score with weights of 1 and -1).
    """
    rng, machine, human = np.random.default_rng([seed, 1]), machine - machine.mean(), human - human.mean()
    sums = summed((machine * human)[:, None], groups)[:, 0]
    step = max(1, _BLOCK // len(machine))
    blocks = [min(step, permutations - first) for first in range(0, permutations, step)]
    if len(sums) == len(machine):
        drawn = [rng.permuted(np.tile(machine, (rows, 1)), axis=1) @ human for rows in blocks]
    else:
        drawn = [rng.choice([-1.0, 1.0], (rows, len(sums))) @ sums for rows in blocks]
    reached = np.concatenate(drawn) >= sums.sum() - 1e-9 * np.abs(sums).sum()
    return float((1 + reached.sum()) / (1 + permutations))


def _yes_no(values: np.ndarray) -> bool:
    return bool(np.isin(values, (0, 1)).all())


def _mean(values: np.ndarray, groups: np.ndarray) -> Interval:
    n, drawn = len(values), len(np.unique(groups))
    if drawn < 2:
        return Interval(None, None, None, n, n, "not measured")
    if _yes_no(values):
        return wilson_grouped(values, groups)
    mean, t = float(values.mean()), stdtrit(drawn - 1, (1 + LEVEL) / 2)
    half = float(t * np.sqrt(_variance(values, groups, 1)))
    return Interval(mean, mean - half, mean + half, n, n)
