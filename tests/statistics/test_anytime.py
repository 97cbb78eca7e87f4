"""Intervals that hold at every look: the authors' own numbers, coverage over all looks together, and what that costs in width."""

import time
from itertools import pairwise

import numpy as np
import pytest

from core.statistics.anytime import DRIFTS, anytime_interval
from core.statistics.bootstrap import intervals

DRAWS = {  # name: (what draws n values between 0 and 1, their expectation)
    "even": (lambda rng, n: rng.integers(0, 2, n) * 1.0, 0.5),
    "rare": (lambda rng, n: (rng.random(n) < 0.02) * 1.0, 0.02),
    "skewed": (lambda rng, n: rng.beta(0.2, 2, n), 0.2 / 2.2),
    "hardly varies": (lambda rng, n: 0.5 + 0.001 * rng.uniform(-1, 1, n), 0.5),
}


@pytest.mark.parametrize(
    "values, of, low, high",
    [  # betting_cs of the authors' package (confseq 0.0.11) with 20,000 breaks, whose bounds are rounded outwards by one break
        (np.arange(40) * 7 % 10 / 9, None, 0.3514, 0.6363),
        (np.arange(40) * 7 % 10 / 9, 60, 0.3973, 0.5888),
        ((np.arange(60) * 7 % 10 < 2) * 1.0, None, 0.0958, 0.3760),
    ],
)
def test_it_is_the_interval_of_the_authors(values, of, low, high):
    interval = anytime_interval(values, of=of)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-4)


def uncovered(draw, truth: float, n: int, runs: int, **told) -> float:
    """The share of runs in which the interval missed the truth at any look: it never widens, so the last one holds all looks."""
    rng = np.random.default_rng(3)
    bounds = [anytime_interval(draw(rng, n), **told) for _ in range(runs)]
    return np.mean([not (one.low is not None and one.low <= truth <= one.high) for one in bounds])


@pytest.mark.parametrize("name", DRAWS)
def test_it_covers_at_every_look(name):
    assert uncovered(*DRAWS[name], n=200, runs=200) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWS)
def test_it_covers_at_every_one_of_2000_looks(name):
    assert uncovered(*DRAWS[name], n=2000, runs=2000) <= 0.05


def test_the_interval_for_one_look_does_not_cover_at_every_look():
    values, n = np.random.default_rng(3).integers(0, 2, (500, 1000)) * 1.0, np.arange(1, 1001)
    means = values.cumsum(axis=1) / n
    half = 1.96 * np.sqrt(means * (1 - means) / n)
    assert (np.abs(means - 0.5) > half)[:, 20:].any(axis=1).mean() > 0.25  # in place of 0.05


@pytest.mark.parametrize("name", DRAWS)
def test_it_covers_the_mean_of_a_finite_set_asked_in_a_random_order(name):
    values = DRAWS[name][0](np.random.default_rng(5), 150)
    missed = uncovered(lambda rng, n: rng.permutation(values)[:n], values.mean(), 120, runs=200, of=150)
    assert missed <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 200)


def test_with_the_last_question_of_a_set_its_mean_is_left():
    values = np.random.default_rng(0).random(100)
    interval = anytime_interval(values, of=100)
    assert (interval.low, interval.high) == pytest.approx((values.mean(), values.mean()), abs=1e-8)
    assert anytime_interval(values[:70], of=100).low > anytime_interval(values[:70]).low


def test_a_paired_difference_lies_between_minus_one_and_one():
    values = np.random.default_rng(0).integers(-1, 2, 120) * 1.0
    interval, unit = anytime_interval(values, -1, 1), anytime_interval((values + 1) / 2)
    assert (interval.low, interval.high) == pytest.approx((2 * unit.low - 1, 2 * unit.high - 1))
    mirrored = anytime_interval(-values, -1, 1)
    assert (mirrored.low, mirrored.high) == pytest.approx((-interval.high, -interval.low))


def test_it_never_widens_and_looks_do_not_change_it():
    values = np.random.default_rng(4).random(80)
    looks = [anytime_interval(values[:n]) for n in range(1, 81)]
    assert all(a.low <= b.low + 1e-8 and b.high <= a.high + 1e-8 for a, b in pairwise(looks))
    assert looks[0].low < 0.2 and looks[0].high > 0.8  # one answer says little


def test_what_it_costs_in_width():
    """Against the interval for one look: 1.4 to 2.1 times as wide, so that it takes some three times the questions."""
    rng = np.random.default_rng(2)
    for name in ("even", "skewed"):
        for n in (100, 300, 1000):
            values = DRAWS[name][0](rng, n)
            [fixed], interval = intervals(values), anytime_interval(values)
            assert 1.2 < (interval.high - interval.low) / (fixed.high - fixed.low) < 2.3, (name, n)


def test_a_look_at_a_thousand_answers_takes_milliseconds():
    values = np.random.default_rng(2).random(1190)
    took = []
    for _ in range(5):
        start = time.process_time()
        anytime_interval(values)
        took.append(time.process_time() - start)
    assert min(took) < 0.02


def test_what_is_unmeasured_is_left_out():
    values = np.array([0.2, np.nan, 0.4, 1.0, np.nan])
    interval, measured = anytime_interval(values), anytime_interval(values[[0, 2, 3]])
    assert (interval.low, interval.high, interval.n, interval.total) == (measured.low, measured.high, 3, 5)
    assert anytime_interval(values, of=10).low == anytime_interval(values[[0, 2, 3]], of=8).low
    assert anytime_interval(np.array([np.nan])).note == "not measured"


def test_values_that_drift_have_no_interval():
    values = np.concatenate([np.zeros(200), np.ones(200)])
    assert anytime_interval(values).note == DRIFTS and anytime_interval(values).low is None
    assert anytime_interval(np.random.default_rng(0).permutation(values)).low is not None


@pytest.mark.parametrize(
    "values, told", [([0.5, 1.2], {}), ([-0.1], {}), ([0.5], {"low": 1, "high": 1}), ([0.5, 0.5, 0.5], {"of": 2})]
)
def test_what_cannot_be_is_refused(values, told):
    with pytest.raises(ValueError):
        anytime_interval(np.array(values), **told)
