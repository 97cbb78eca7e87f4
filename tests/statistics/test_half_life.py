"""The half-life is met again in uses that were drawn with it, and its interval covers it."""

import numpy as np
import pytest

from core.statistics.half_life import fitted_half_life


def drawn(half_life, seed, things=200, rate=0.3):
    """Uses of things watched for 10 to 100, thinned by 2^(-age / half-life)."""
    draw = np.random.default_rng(seed)
    spans = draw.uniform(10, 100, things)
    ages = np.concatenate([draw.uniform(0, span, draw.poisson(rate * span)) for span in spans])
    return ages[draw.random(len(ages)) < 2 ** (-ages / half_life)], spans


def test_the_interval_covers_the_truth_as_often_as_it_says():
    fits = [fitted_half_life(*drawn(20.0, seed)) for seed in range(60)]
    assert np.mean([fit.value for fit in fits]) == pytest.approx(20, rel=0.03)
    assert sum(fit.low <= 20 <= fit.high for fit in fits) >= 52  # 57 expected; fewer once in 300


def test_use_that_does_not_fall_has_no_half_life_and_an_open_interval():
    fit = fitted_half_life(*drawn(1e9, 1))
    assert fit.high is None and (fit.value is None or fit.value > 300)
    draw = np.random.default_rng(2)
    rising = fitted_half_life(100 * draw.random(500) ** 0.5, np.full(50, 100.0))
    assert (rising.value, rising.low, rising.high) == (None, None, None) and rising.note


def test_a_closed_form_agrees():
    """Watched for ever, a thing's uses are exponential: kappa is 1 / their mean."""
    ages = np.random.default_rng(3).exponential(5.0, 400)
    assert fitted_half_life(ages, np.full(400, 1e4)).value == pytest.approx(np.log(2) * ages.mean(), rel=1e-3)


def test_few_uses_say_nothing():
    assert fitted_half_life(np.ones(9), np.ones(9)).note == "fewer than 10 uses"
