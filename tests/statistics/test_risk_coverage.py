"""The risk-coverage curve: examples whose numbers are known, what may be chosen on it, and how often its band is right."""

import numpy as np
import pytest

from core.statistics.bootstrap import FEW
from core.statistics.risk_coverage import answered_at, lowest_threshold, risk_coverage


def test_of_four_answers_the_curve_is_known():
    curve = risk_coverage([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 1])
    assert curve.coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert curve.right == pytest.approx([1, 1, 2 / 3, 3 / 4])
    assert curve.area.mean == pytest.approx((0 + 0 + 1 / 3 + 1 / 4) / 4)
    assert curve.area.low is None and np.isnan(curve.low).all(), "four tell no interval"


def test_a_perfect_order_has_the_least_area_and_its_reverse_the_most():
    """Of n answers with w wrong ones at the end the risk is 0, then 1 / (n - w + 1), 2 / (n - w + 2) …"""
    right = np.r_[np.ones(60), np.zeros(40)]
    best, worst = (risk_coverage(scores, right).area for scores in (np.arange(100)[::-1], np.arange(100)))
    assert best.mean == pytest.approx(sum(k / (60 + k) for k in range(1, 41)) / 100)
    assert worst.mean == pytest.approx((40 + sum(40 / n for n in range(41, 101))) / 100)
    same = risk_coverage(np.ones(100), right)
    assert same.area.mean == pytest.approx(0.4) and same.coverage.tolist() == [1.0]
    assert best.low <= best.mean <= best.high < same.area.low <= 0.4 <= same.area.high < worst.low


def test_silent_rows_lower_the_coverage_alone():
    curve = risk_coverage([0.9, np.nan, 0.7, 0.5], [1, 0, 0, np.nan])
    assert curve.coverage == pytest.approx([1 / 3, 2 / 3]) and curve.right.tolist() == [1.0, 0.5]
    assert (curve.area.n, curve.area.total) == (2, 3)
    nothing = risk_coverage([np.nan], [0])
    assert not len(nothing.coverage) and nothing.area.mean is None


def test_the_lowest_threshold_that_reaches_the_wish_answers_most():
    scores, right = [0.9, 0.8, 0.7, 0.6], [1, 0, 1, 0]
    assert lowest_threshold(scores, right, 0.6) == 0.65 and lowest_threshold(scores, right, 0.9) == 0.85
    assert lowest_threshold(scores, right, 0.5) == 0.0 and lowest_threshold(scores, [0] * 4, 0.1) is None
    assert lowest_threshold([0.50002, 0.50001], [1, 0], 1.0) == pytest.approx(0.500015), "rounded it would answer both, or none"
    coverage, share = answered_at(scores, right, 0.65)
    assert (coverage.mean, share.mean) == (0.75, pytest.approx(2 / 3)) and share.low < 2 / 3 < share.high
    assert answered_at(scores, right, 0.95)[1].mean is None


def test_the_band_holds_the_share_of_the_whole_about_as_often_as_it_says():
    """Of a score that is the chance of being right, the share right at the loosest threshold, over groups of two."""
    rng, within = np.random.default_rng(3), []
    for number in range(120):
        scores = np.repeat(rng.uniform(0.2, 1, 60), 2)
        right = (rng.random(120) < scores).astype(float)
        curve = risk_coverage(scores, right, np.repeat(np.arange(60), 2), resamples=400, seed=number)
        within.append(curve.low[-1] <= 0.6 <= curve.high[-1])
    assert np.mean(within) > 0.88


def test_where_all_of_few_are_right_the_band_does_not_say_that_all_are():
    rng, within = np.random.default_rng(4), []
    for number in range(100):
        scores, right = rng.random(60), (rng.random(60) < 0.95).astype(float)
        curve = risk_coverage(scores, right, resamples=20, seed=number)
        at = np.flatnonzero(curve.thresholds >= 0.5)[-1]
        within.append(curve.low[at] <= 0.95 <= curve.high[at])
        assert answered_at(scores, right, curve.thresholds[at])[1][1:3] == (curve.low[at], curve.high[at])
    assert np.mean(within) > 0.88, "by bootstrap 16 in 100"


def test_fewer_groups_than_a_bootstrap_needs_have_no_band():
    scores, right = np.linspace(0.1, 0.9, 40), np.tile([0, 1], 20)
    curve = risk_coverage(scores, right, np.arange(40) % (FEW - 1))
    assert np.isnan(curve.low).all() and curve.area.low is None
    curve = risk_coverage(scores, right)
    assert np.isnan(curve.low[: FEW - 1]).all() and not np.isnan(curve.low[FEW - 1 :]).any()
