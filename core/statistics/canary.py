"""Paired canaries: the same questions asked of a live service again and again. Are more hits lost than by noise, and since when?

Only questions that were a hit at publication count, each against itself, so that hard questions add no noise (two unpaired
samples of 200 questions tell 90% from 85% in less than half of all cases). Ask in a random order, drawn anew each time: assumed
is that each canary's chance of being lost, given all before, is at most the noise floor as long as nothing changed.
"""

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np

from core.statistics.anytime import anytime_interval
from core.statistics.bootstrap import LEVEL, Interval

ALTERNATIVES = (0.02, 0.05, 0.10)  # lost hits above the noise floor, as a share of all
ALPHA = 0.01  # chance of a false alarm, ever


class CanaryTest(NamedTuple):
    """log_e [n] float64: natural logarithm of the e-value after each canary; log(1 / alpha) is the threshold."""

    log_e: np.ndarray
    alarm: int | None  # place of the first canary at which the threshold was reached; it stays reached
    rate: Interval  # of lost hits; it holds at all looks together


class FirstBad(NamedTuple):
    """Which deployment the loss began with; None and empty where nothing was alarmed."""

    deployment: Hashable | None  # the likeliest
    candidates: tuple[Hashable, ...]  # the fewest deployments that together have the asked probability
    probabilities: dict[Hashable, float]  # of each deployment up to the alarm, in their order
    questions: tuple[Hashable, ...]  # lost since the likeliest
    test: CanaryTest


def noise_floor(lost: np.ndarray, confidence: float = 0.99) -> float:
    """Upper bound of the share of hits that a replay without any change loses; lost [n] 1 or 0. 1,000 without a loss: 0.0046.

    Source: Clopper and Pearson 1934, "The use of confidence or fiducial limits illustrated in the case of the binomial".
    """
    from scipy.special import betaincinv  # 0.1 s, which a start need not wait for

    lost = _outcomes(lost)
    n, times = lost.size, lost.sum()
    return 1.0 if times == n else float(betaincinv(times + 1, n - times, confidence))


def e_process(
    lost: np.ndarray, floor: float, starts: Sequence[int] = (), alternatives: Sequence[float] = ALTERNATIVES
) -> np.ndarray:
    """Logarithm of the e-value against a lost-hit rate of at most `floor`, after each canary; lost [..., n] 1 or 0 -> [..., n].

    The mean over the alternatives d of the likelihood ratio of floor + d against floor. While the rate is at most the floor it is a
    nonnegative supermartingale from 1, so it ever reaches 1 / alpha with a chance of at most alpha (Ville 1939; Ramdas, Grünwald,
    Vovk and Shafer 2023, "Game-theoretic statistics and safe anytime-valid inference", sections 2 and 4).

    starts: places where a change may begin, ascending from 0. Then the ratio is taken from each of them on, and that of the j-th has the
    weight 1 / (j (j + 1)); the weights of those to come, 1 / (j + 1) in sum, count 1 each, so that the mixture is an e-process too.
    Without them evidence of a long good time has to be made up for first.
    Restarts of e-processes: Shin, Ramdas and Rinaldo 2024, "E-detectors: a nonparametric framework for sequential change detection".
    """
    ratios, n = _log_ratios(lost, floor, alternatives), np.shape(lost)[-1]
    if not len(starts):
        return _mixed(ratios[..., 1:])
    starts = np.asarray(starts)
    order = np.arange(1, len(starts) + 1)
    begun = np.full_like(ratios[..., 1:], -np.inf)
    begun[..., starts] = -np.log(order * (order + 1)) - ratios[..., starts]
    to_come = -np.log(np.searchsorted(starts, np.arange(n), side="right") + 1)
    return np.logaddexp(_mixed(np.logaddexp.accumulate(begun, axis=-1) + ratios[..., 1:]), to_come)


def paired_canaries(
    lost: np.ndarray,
    floor: float,
    starts: Sequence[int] = (),
    alternatives: Sequence[float] = ALTERNATIVES,
    alpha: float = ALPHA,
    confidence: float = LEVEL,
) -> CanaryTest:
    """Whether and when canaries lost [n], 1 a lost hit and 0 a hit still there, in the order asked, show a loss beyond the noise.

    One may look after every canary, for ever: a false alarm has a chance of at most alpha over all looks. `e_process` has the test
    and `starts`, `anytime_interval` the interval of the rate.
    """
    log_e = e_process(lost, floor, starts, alternatives)
    reached = np.flatnonzero(log_e >= -np.log(alpha))
    return CanaryTest(log_e, int(reached[0]) if len(reached) else None, anytime_interval(lost, confidence=confidence))


def first_bad_deployment(
    deployments: Sequence[Hashable],
    questions: Sequence[Hashable],
    before: np.ndarray,
    now: np.ndarray,
    floor: float,
    alternatives: Sequence[float] = ALTERNATIVES,
    alpha: float = ALPHA,
    confidence: float = LEVEL,
) -> FirstBad:
    """Rows [n] in the order asked: the deployment, each under a name of its own, the question, hit at publication and hit now (1 or 0).

    The test restarts with each deployment. After its alarm, the probability of each deployment up to then is its likelihood, as the
    start of a rate of floor + alternative, of all rows up to the end of the alarming one; all were equally likely before.
    Source: Smith 1975, "A Bayesian approach to inference about a change-point in a sequence of random variables", section 2;
    the likeliest is that of Page 1954, "Continuous inspection schemes".
    """
    hits = np.flatnonzero(np.asarray(before) == 1)
    names, lost = [deployments[row] for row in hits], 1.0 - np.asarray(now, np.float64)[hits]
    if not names:
        raise ValueError("no question was a hit at publication")
    starts = [0, *(row for row in range(1, len(names)) if names[row] != names[row - 1])]
    order = [names[row] for row in starts]
    if len(set(order)) < len(order):
        raise ValueError("the rows of a deployment have to stand together, one that is rolled back to under a new name")
    test = paired_canaries(lost, floor, starts, alternatives, alpha, confidence)
    if test.alarm is None:
        return FirstBad(None, (), {}, (), test)
    begun = int(np.searchsorted(starts, test.alarm, side="right"))
    end = starts[begun] if begun < len(starts) else len(names)
    ratios = _log_ratios(lost[:end], floor, alternatives)
    fits = _mixed(ratios[..., -1:] - ratios[..., starts[:begun]])
    shares = np.exp(fits - np.logaddexp.reduce(fits))
    likeliest = np.argsort(-shares, kind="stable")
    enough = int(np.searchsorted(np.cumsum(shares[likeliest]), confidence)) + 1
    first = int(likeliest[0])
    missing = [questions[hits[row]] for row in range(starts[first], end) if lost[row]]
    candidates = tuple(order[place] for place in sorted(likeliest[:enough]))
    probabilities = dict(zip(order[:begun], shares.tolist(), strict=True))
    return FirstBad(order[first], candidates, probabilities, tuple(dict.fromkeys(missing)), test)


def _log_ratios(lost: np.ndarray, floor: float, alternatives: Sequence[float]) -> np.ndarray:
    """[..., alternatives, n + 1] log likelihood ratio of the first 0 to n canaries."""
    lost, rates = _outcomes(lost)[..., None, :], floor + np.asarray(alternatives, np.float64)[:, None]
    if not (floor > 0 and floor < rates.min() and rates.max() < 1):
        raise ValueError(f"noise floor and alternatives have to lie above 0, their sum below 1, not {floor} and {alternatives}")
    each = np.where(lost == 1, np.log(rates / floor), np.log((1 - rates) / (1 - floor)))
    return np.concatenate([np.zeros_like(each[..., :1]), np.cumsum(each, axis=-1)], axis=-1)


def _mixed(log_ratios: np.ndarray) -> np.ndarray:
    """The logarithm of the mean over the alternatives."""
    return np.logaddexp.reduce(log_ratios, axis=-2) - np.log(log_ratios.shape[-2])


def _outcomes(lost: np.ndarray) -> np.ndarray:
    lost = np.asarray(lost, np.float64)
    if not (lost.size and np.isin(lost, (0, 1)).all()):  # NaN included
        raise ValueError("a canary is lost (1) or not (0); leave out those without an answer")
    return lost
