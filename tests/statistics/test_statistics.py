import numpy as np
import pytest

from core.statistics.bootstrap import intervals, resampling_weights
from core.statistics.corrections import holm
from core.statistics.mcnemar import exact_p
from core.statistics.paired import NO_VARIATION, at_odds, paired_difference
from core.statistics.proportion import unit_interval_grouped, unit_intervals, wilson

rng = np.random.default_rng(4)


def test_known_answers():
    assert exact_p(10, 2) == pytest.approx(0.03857, abs=5e-6)
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    # Benjamini and Hochberg 1995, section 3.2: 3 of these 15 rejected at 0.05 by sequential Bonferroni
    p = np.array([1, 4, 19, 95, 201, 278, 298, 344, 459, 3240, 4262, 5719, 6528, 7590, 10_000]) / 10_000
    assert (holm(p) <= 0.05).sum() == 3
    # Newcombe 1998, table I, method 3: 81 of 263
    assert wilson(81, 263)[1:3] == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20)[1:3] == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_intervals_leave_out_and_count_what_is_unmeasured():
    values = np.stack([rng.random(200), rng.random(200)], axis=1)
    values[:50, 1] = np.nan
    first, second = intervals(values)
    assert (first.n, first.total, second.n, second.total) == (200, 200, 150, 200)
    assert first == intervals(values[:, 0])[0] and second[:4] == intervals(values[50:, 1])[0][:4]
    assert second.low < second.mean < second.high and second.mean == pytest.approx(np.nanmean(values[:, 1]))


def test_degenerate_intervals_are_said_not_shown_as_numbers():
    constant, nothing = intervals(np.stack([np.full(10, 0.7), np.full(10, np.nan)], axis=1))
    assert constant.low == constant.high == 0.7 and constant.mean == pytest.approx(0.7)
    assert nothing == (None, None, None, 0, 10, "not measured")
    one = intervals(np.array([np.nan, 0.5]))[0]
    assert one[:3] == (0.5, None, None) and one.note.startswith("undefined")
    assert intervals(np.zeros((0, 1)))[0].mean is None


def test_at_the_edge_of_its_range_a_measure_has_wilsons_interval():
    ones, hits, nearly, spread = np.ones(548), np.arange(548) < 300.0, np.ones(548), rng.random(548)
    nearly[:3] = 0.63, 0.5, np.nan
    found = unit_intervals(np.column_stack([ones, hits, nearly, spread, 1 - ones]))
    assert found[0][:3] == wilson(548, 548)[:3] and found[0].low == pytest.approx(0.99304, abs=1e-5) and found[0].high == 1
    assert found[1][:3] == wilson(300, 548)[:3]
    # two values fall short: below the interval of 548 of 548, above that of two misses
    assert wilson(545, 547).low < found[2].low < found[0].low and found[2].high < 1
    assert found[2].mean == pytest.approx(np.nanmean(nearly)) and (found[2].n, found[2].total) == (547, 548)
    assert found[3][:3] == pytest.approx(intervals(spread)[0][:3])  # elsewhere the bootstrap's
    assert (found[4].mean, found[4].low) == (0, 0) and found[4].high == pytest.approx(1 - found[0].low)
    column = np.column_stack([np.r_[np.full(off, 0.5), np.ones(60 - off)] for off in range(2, 14)])
    lows = [interval.low for interval in unit_intervals(column)]
    assert max(abs(np.diff(lows))) < 0.013  # one value more that reaches the end moves the interval little
    assert lows[-1] == pytest.approx(intervals(column)[-1].low) and lows[0] == wilson(59, 60).low
    level, groups = np.full(60, 0.976), np.repeat(np.arange(30), 2)  # as of the highest score that a fitted measure gives
    bounds = wilson(60 * 0.976, 60), wilson(30 * 0.976, 30)
    for interval, bound in zip((*unit_intervals(level), unit_interval_grouped(level, groups)), bounds, strict=True):
        assert interval[:3] == pytest.approx(bound[:3]) and interval.high > 0.976 > interval.low
    [one] = unit_intervals(np.array([1.0]))
    assert one.low is None and one.note.startswith("undefined")


def test_resamples_are_multinomial_repeatable_and_the_same_when_not_kept(monkeypatch):
    kept = np.concatenate(list(resampling_weights(30, 500, 3)))
    assert kept.shape == (500, 30) and (kept.sum(axis=1) == 30).all()
    assert kept.var() == pytest.approx(1 - 1 / 30, rel=0.1)  # of a multinomial count
    monkeypatch.setattr("core.statistics.bootstrap._CACHED", 0)
    assert (np.concatenate(list(resampling_weights(30, 500, 3))) == kept).all()
    assert (np.concatenate(list(resampling_weights(30, 500, 4))) != kept).any()


def test_percentile_bounds_are_those_of_a_plain_bootstrap():
    values = rng.exponential(size=60)
    ours = intervals(values, resamples=20_000)[0]
    plain = values[rng.integers(0, 60, (20_000, 60))].mean(axis=1)
    assert (ours.low, ours.high) == pytest.approx(np.quantile(plain, [0.025, 0.975]), rel=0.03)


def test_paired_by_hand():
    a, b = np.array([1, 1, 1, 0, 1, 0.0]), np.array([0, 0, 0, 0, 0, 1.0])
    [got] = paired_difference(a, b)
    assert (got.wins, got.losses, got.ties, got.n) == (4, 1, 1, 6)
    assert got.difference == pytest.approx(0.5) and got.exact
    # sums of 5 signs as far from 0 as 3: all 5, or 4 to 1, on either side
    assert got.p == pytest.approx(2 * (1 + 5) / 32) == exact_p(4, 1)
    assert got.effect_size == pytest.approx(0.5 / np.std(a - b, ddof=1))


def test_rounding_puts_0_out_of_no_interval():
    gains = np.zeros((30, 50))
    gains[[0, 5, 11]] = rng.random((3, 50))
    for change in [*paired_difference(gains, 0 * gains), *paired_difference(0 * gains, gains)]:
        assert 0.0 in (change.low, change.high) and not at_odds(change.low, change.high, change.p, 0.95)


def test_sampled_p_is_near_the_exact_one():
    a, b = rng.random(16) + 0.15, rng.random(16)
    exact = paired_difference(a, b)[0]
    sampled = paired_difference(np.tile(np.r_[a, 0], 1), np.r_[b, 1e-6], permutations=50_000)[0]  # 17 differences
    assert exact.exact and not sampled.exact
    assert sampled.p == pytest.approx(exact.p, abs=0.01)


def test_equal_systems_are_undefined_in_effect_and_have_p_1():
    values = rng.random((40, 2))
    same = paired_difference(values, values)[0]
    assert same.difference == 0 and same.p == 1 and same.ties == 40
    assert same.effect_size is None and same.note == NO_VARIATION
    shifted = paired_difference(values + 0.25, values)[0]
    assert shifted.effect_size is None and shifted.note == NO_VARIATION and shifted.p < 0.001
    nothing = paired_difference(np.full(4, np.nan), values[:4, 0])[0]
    assert nothing.p is None and nothing.difference is None and nothing.n == 0 and nothing.note == "not measured"


def test_unmeasured_under_either_system_is_left_out():
    a, b = rng.random(30), rng.random(30)
    a[:5], b[5:9] = np.nan, np.nan
    got = paired_difference(a, b)[0]
    assert got.n == 21 and got.total == 30 and got.wins + got.losses + got.ties == 21
    assert got.difference == pytest.approx((a - b)[9:].mean())


def test_the_correction_refuses_what_is_not_a_p_value():
    assert len(holm([])) == 0
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.1, np.nan])
