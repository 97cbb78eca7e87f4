"""All coefficients that suit a level of measurement, and the kappa paradox."""

from typing import NamedTuple

import numpy as np

from core.statistics.agreement.alpha import alpha
from core.statistics.agreement.chance import brennan_prediger, fleiss, gwet, percent
from core.statistics.agreement.coefficient import Agreement, Coefficient, estimate
from core.statistics.agreement.icc import FORMS, icc
from core.statistics.agreement.kappa import cohen, conger
from core.statistics.agreement.ratings import counts


class Paradox(NamedTuple):
    percent: float
    kappa: float
    ac1: float
    prevalence: float  # share of the most frequent category
    sentence: str


def measures(
    values: np.ndarray, level: str, categories: int | None, resamples: int = 2000, seed: int = 0, groups: np.ndarray | None = None
) -> list[Agreement]:
    """Every suitable coefficient with its interval, alpha first. categories: how many the rubric offers; None: numbers."""
    return [estimate(coefficient, resamples, seed, groups) for coefficient in _suitable(values, level, categories)]


def _suitable(values: np.ndarray, level: str, categories: int | None) -> list[Coefficient]:
    coefficients = [alpha(values, level)]
    if level in ("interval", "ratio"):
        coefficients += [icc(values, form) for form in FORMS]
    if categories is None:
        return coefficients
    two = values.shape[1] == 2
    coefficients += [make(values, categories) for make in (percent, cohen if two else conger, fleiss, gwet, brennan_prediger)]
    if level != "nominal":
        kappa = cohen if two else conger
        coefficients += [kappa(values, categories, w) for w in ("linear", "quadratic")]
        coefficients += [gwet(values, categories, w) for w in ("linear", "quadratic")]
    return coefficients


def paradox(values: np.ndarray, categories: int) -> Paradox | None:
    """People agree on 80% or more, kappa is below 0.4 and AC1 exceeds it by 0.2: chance agreement is put too high by kappa
    where one category is rare. None where that is not so, or kappa is undefined.

    Source: Feinstein and Cicchetti 1990, "High agreement but low kappa: I. The problems of two paradoxes"; the bounds
    are this program's, after their examples and the word "fair" of Landis and Koch.
    """
    makers = (percent, cohen if values.shape[1] == 2 else conger, gwet)
    agreed, kappa, ac1 = (estimate(make(values, categories), resamples=0).value for make in makers)
    if None in (agreed, kappa, ac1) or not (agreed >= 0.8 and kappa < 0.4 and ac1 - kappa >= 0.2):
        return None
    shares = counts(values, categories).sum(axis=0)
    prevalence = float(shares.max() / shares.sum())
    sentence = (
        f"Annotators agree on {agreed:.1%} of labels, yet kappa is {kappa:.3f}, because {prevalence:.0%} of all labels are of "
        f"one category; Gwet's AC1, which is less moved by that, is {ac1:.3f}. Report both."
    )
    return Paradox(agreed, kappa, ac1, prevalence, sentence)
