"""Prediction-powered inference: the mean of people's labels over all items, from a few of them and a machine's scores.

Choose it over the human labels alone where a machine has scored everything: never much wider, narrower by as much as the
machine is good. The labelled items have to be a random sample of all. Scores may have any scale; they need not be calibrated.
"""

import numpy as np
from scipy.special import stdtrit

from core.statistics.agreement.coefficient import Agreement
from core.statistics.bootstrap import Interval
from core.statistics.corrected import Corrected
from core.statistics.correlation import pearson

METHOD = "Prediction-powered"
NO_BETTER = "refused: the machine is not shown to be better than chance (its correlation with people may be 0)"

FEWEST = 15  # labels of the rarer kind
FEW = f"people gave fewer than {FEWEST} labels of one kind: the interval is somewhat too short"


def prediction_powered(
    unlabelled: np.ndarray,
    machine: np.ndarray,
    human: np.ndarray,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Corrected:
    """unlabelled [N]: the machine's scores where no person judged; machine, human [n]: where one did. No NaN.

    mean(human) + w (mean(unlabelled) - mean(machine)), w chosen for the smallest variance. The interval is by the t
    distribution with n - 2 degrees of freedom, as w is a slope estimated from the same labels; the source's normal one
    holds the truth too seldom for 100 labels and fewer. Refused where the correlation's interval (bootstrap) reaches 0,
    though the method would then just fall back to people.
    Source: Angelopoulos et al. 2023, "Prediction-powered inference", algorithm 1; the weight: Angelopoulos, Duchi and
    Zrnic 2023, "PPI++: efficient prediction-powered inference" (power tuning).
    """
    unlabelled, machine, human = (np.asarray(column, np.float64) for column in (unlabelled, machine, human))
    n, many = len(human), len(unlabelled)
    rates = (_mean(human, confidence), _mean(unlabelled, confidence))
    found = pearson(machine, human, resamples, confidence, seed)
    skill = Interval(found.value, found.low, found.high, n, n, found.note)
    note = _refusal(found, n, many)
    if note:
        return Corrected(METHOD, None, None, None, *rates, skill, n, many, note)
    value, error = tuned(unlabelled, machine, human)
    half = float(stdtrit(n - 2, (1 + confidence) / 2)) * error
    _, times = np.unique(human, return_counts=True)
    note = FEW if len(times) == 2 and times.min() < FEWEST else ""
    return Corrected(METHOD, value, value - half, value + half, *rates, skill, n, many, note)


def tuned(unlabelled: np.ndarray, machine: np.ndarray, human: np.ndarray) -> tuple[float, float]:
    """Estimate and standard error with the best weight of the machine."""
    n, many = len(human), len(unlabelled)
    spread = np.concatenate([machine, unlabelled]).var(ddof=1)
    weight = np.cov(human, machine)[0, 1] / ((1 + n / many) * spread)
    value = human.mean() + weight * (unlabelled.mean() - machine.mean())
    variance = (human - weight * machine).var(ddof=2) / n + weight**2 * unlabelled.var(ddof=1) / many
    return float(value), float(np.sqrt(variance))


def _refusal(found: Agreement, n: int, many: int) -> str:
    if many < 2 or n < 3:
        return "undefined: three items with and two without human labels are needed"
    if found.value is None or found.low is None:
        return f"refused: the machine's correlation with people is not measured ({found.note})"
    return NO_BETTER if found.low <= 0 else ""


def _mean(values: np.ndarray, confidence: float) -> Interval:
    n = len(values)
    if n < 2:
        return Interval(None, None, None, n, n, "not measured")
    mean, t = float(values.mean()), stdtrit(n - 1, (1 + confidence) / 2)
    half = float(t * values.std(ddof=1) / np.sqrt(n))
    return Interval(mean, mean - half, mean + half, n, n)
