"""Systems that answer differently each time: how often they are right k times in a row, and how many repeats tell two apart."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import comb

from core.statistics.power_difference import Means, means_from_pilot, means_power, smallest_detectable


class RepeatPlan(NamedTuple):
    """What so many repeats of each question would show. power: to show the difference that is asked about, by the paired t test over the
    questions; least: the smallest true difference shown with 80%, None where nothing varies."""

    repeats: int
    power: float
    least: float | None


def pass_all(right: np.ndarray, k: int) -> np.ndarray:
    """pass^k of each question: the chance that k repeats are all right. right [questions, repeats] bool -> [questions] float64.

    C(c, k) / C(n, k) for c right of n, unbiased. Source: Yao et al. 2024, "tau-bench", arXiv:2406.12045. ValueError where there
    are fewer than k repeats.
    """
    repeats = right.shape[1]
    if not 1 <= k <= repeats:
        raise ValueError(f"pass^{k} of {repeats} repeats")
    return comb(right.sum(axis=1), k) / comb(repeats, k)


def repeat_plans(a: np.ndarray, b: np.ndarray, difference: float, repeats: Sequence[int]) -> tuple[Means, list[RepeatPlan]]:
    """What more repeats on these questions would show, from recorded ones. a, b [questions, repeats] float64: scores of two systems.

    The variance of the mean difference over n questions with K repeats each is (w^2 + s^2 / K) / n, w between the questions' own
    differences and s of a repeat around its question's: only s falls with K. Source: Miller 2024, "Adding Error Bars to Evals",
    arXiv:2411.00640, with both sigmas in s; the parts by one-factor analysis of variance over the recorded repeats.
    """
    pilot = means_from_pilot(a - b, 1)
    plans = []
    for number in repeats:
        design = Means(difference, pilot.sd_items, pilot.sd_label, number)
        sd = float(np.sqrt(pilot.sd_items**2 + pilot.sd_label**2 / number))
        plans.append(RepeatPlan(number, means_power(design, len(a)), smallest_detectable(sd, len(a))))
    return pilot, plans
