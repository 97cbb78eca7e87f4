"""Intervals of a mean, tests and effect sizes of paired differences: against scipy, statsmodels and published examples."""

from itertools import product

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from core.labs.trials.every_test import rows
from core.statistics.bootstrap import intervals
from core.statistics.bootstrap_test import bootstrap_p
from core.statistics.mean_intervals import bca_interval, t_interval
from core.statistics.paired import paired_difference
from core.statistics.power_difference import smallest_detectable
from core.statistics.signed_rank import cliffs_delta, signed_rank

# Darwin's Zea mays, cross- minus self-fertilised, in eighths of an inch (Fisher 1935, "The design of experiments", section 17)
DARWIN = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48], float)


def skewed(n: int = 60) -> np.ndarray:
    return np.random.default_rng(0).exponential(1, n)


def test_students_interval_is_fishers_and_scipys():
    interval = t_interval(np.append(DARWIN, np.nan))
    assert (interval.n, interval.total) == (15, 16) and interval.mean == pytest.approx(20.933, abs=1e-3)
    wanted = stats.t.interval(0.95, 14, DARWIN.mean(), stats.sem(DARWIN))
    assert (interval.low, interval.high) == pytest.approx(wanted)
    assert wanted == pytest.approx((0.03, 41.84), abs=0.01)


def test_bca_is_scipys_and_leans_to_the_long_tail():
    values = skewed()
    wanted = stats.bootstrap((values,), np.mean, method="BCa", n_resamples=20_000, rng=np.random.default_rng(1))
    interval = bca_interval(values, resamples=20_000)
    assert (interval.low, interval.high) == pytest.approx(tuple(wanted.confidence_interval), abs=0.012)
    assert interval.high - interval.mean > interval.mean - interval.low
    grouped = bca_interval(np.repeat(values, 3), np.repeat(range(60), 3), resamples=20_000)
    assert grouped[:3] == pytest.approx(interval[:3]) and grouped.n == 180


@pytest.mark.slow
def test_of_a_skewed_mean_bca_misses_more_evenly_on_both_sides_than_the_percentiles():
    rng, missed = np.random.default_rng(2), []
    for _ in range(1000):
        values = rng.exponential(1, 40)
        bounds = bca_interval(values, resamples=1000), intervals(values)[0]
        missed.append([(interval.low > 1, interval.high < 1) for interval in bounds])
    (bca_above, bca_below), (above, below) = np.mean(missed, axis=0)
    assert bca_below - bca_above < (below - above) / 2 and bca_above + bca_below < 0.1  # 3.0 and 4.7%; 1.4 and 6.5%


@pytest.mark.parametrize("make", [t_interval, bca_interval])
@pytest.mark.parametrize(
    "values, note", [([0.5] * 9, "no variation"), ([0.4], "one value"), ([np.nan], "not measured"), ([], "not")]
)
def test_what_is_undefined_is_said(make, values, note):
    interval = make(np.array(values, float))
    assert interval.low is None and note in interval.note


def test_one_group_has_no_interval():
    assert bca_interval(skewed(), ["same"] * 60).note == "undefined: one group"


@pytest.mark.parametrize("n", [6, 15, 24, 40, 200])
def test_signed_ranks_are_scipys(n):
    rng = np.random.default_rng(n)
    plain, tied = rng.normal(0.2, 1, n), rng.integers(-3, 5, n) * 1.0
    assert signed_rank(plain)[0] == pytest.approx(stats.wilcoxon(plain, method="exact" if n <= 25 else "approx").pvalue)
    if np.count_nonzero(tied) > 25:
        assert signed_rank(tied)[0] == pytest.approx(stats.wilcoxon(tied, method="approx", zero_method="wilcox").pvalue)
    assert signed_rank(np.append(plain, [0, np.nan])) == signed_rank(plain)
    ranks = stats.rankdata(np.abs(plain))
    assert signed_rank(plain)[1] == pytest.approx((ranks[plain > 0].sum() - ranks[plain < 0].sum()) / ranks.sum())


@pytest.mark.parametrize("n", range(1, 13))
def test_tied_signed_ranks_count_all_signs(n):
    for seed in range(5):
        tied = np.random.default_rng([n, seed]).choice([-3.0, -2, -1, 1, 2, 3, 4], n)
        ranks, signs = stats.rankdata(np.abs(tied)), np.array(list(product((-1, 1), repeat=n)))
        wanted = np.mean(np.abs(signs @ ranks) >= abs(np.sign(tied) @ ranks))
        assert signed_rank(tied)[0] == pytest.approx(wanted)
    assert signed_rank(np.ones(n))[0] == min(1.0, 2.0 ** (1 - n)), "no p is below that of all signs alike"


def test_signed_ranks_of_darwins_plants():
    p, correlation = signed_rank(DARWIN)
    assert p == pytest.approx(0.0413, abs=5e-5) and correlation == pytest.approx(0.6)  # W- 24 of 120
    assert signed_rank(np.zeros(4)) == (None, None) and signed_rank(np.array([1.0, 2, 3])) == (0.25, 1.0)


def test_cliffs_delta_is_the_difference_of_both_chances():
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 6, 40) * 1.0, rng.integers(0, 5, 30) * 1.0
    assert cliffs_delta(a, b) == pytest.approx(np.sign(a[:, None] - b).mean())
    assert cliffs_delta(np.append(a, np.nan), b) == cliffs_delta(a, b) == pytest.approx(-cliffs_delta(b, a))
    u = stats.mannwhitneyu(a, b).statistic
    assert cliffs_delta(a, b) == pytest.approx(2 * u / 1200 - 1) and cliffs_delta([], b) is None


def test_the_bootstrap_test_is_that_of_a_plain_loop_and_keeps_its_level():
    rng, moved = np.random.default_rng(4), DARWIN - DARWIN.mean()
    t = stats.ttest_1samp(rng.choice(moved, (20_000, 15)), 0, axis=1).statistic
    assert bootstrap_p(DARWIN, 20_000) == pytest.approx((np.abs(t) >= stats.ttest_1samp(DARWIN, 0).statistic).mean(), abs=0.01)
    p = np.array([bootstrap_p(rng.normal(0, 1, 40), 500) for _ in range(400)])
    assert 0.02 <= (p < 0.05).mean() <= 0.09 and abs((p < 0.5).mean() - 0.5) < 0.08
    assert bootstrap_p(np.full(9, 0.1)) is None and bootstrap_p(np.array([1.0, np.nan])) is None


def test_the_smallest_detectable_difference_is_that_of_statsmodels():
    for n in (10, 50, 260):
        wanted = TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8)
        assert smallest_detectable(0.3, n) == pytest.approx(0.3 * wanted, rel=1e-4)
    assert smallest_detectable(0.3, 1) is None and smallest_detectable(0.0, 20) is None


def test_every_method_stands_in_one_table():
    rng = np.random.default_rng(5)
    b = rng.integers(0, 2, 80) * 1.0
    a = np.where(rng.random(80) < 0.3, 1.0, b)
    table = {row["method"]: row for row in rows(a, b, [str(i // 4) for i in range(80)])}
    [paired] = paired_difference(a, b)
    assert table["percentile bootstrap"]["low"] == paired.low and table["sign flips"]["p"] == paired.p
    assert table["Cohen's dz"]["value"] == paired.effect_size and table["bootstrap by document"]["note"] == "20 articles"
    assert table["McNemar"]["p"] == pytest.approx(stats.binomtest(paired.wins, paired.wins + paired.losses).pvalue)
    assert all(row["p"] is None or row["p"] < 0.05 for name, row in table.items() if "equivalence" not in name)
    assert rows(a / 2, b / 2, ["x"] * 80)[9]["p"] is None, "McNemar is of 0 and 1"
    same = {row["method"]: row for row in rows(b, b, ["x"] * 80)}
    assert same["Student's t"]["note"] == "undefined: no variation" and same["Wilcoxon's signed ranks"]["p"] is None
