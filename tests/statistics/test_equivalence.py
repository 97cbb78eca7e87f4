"""Equivalence tests: known answers, agreement with scipy's one-sided tests, and the error rate they promise."""

import numpy as np
import pytest
from scipy import stats

from core.statistics.equivalence import sentence, tost


def sample(mean, deviation, n):
    """[n] with exactly this mean and standard deviation."""
    raw = np.random.default_rng(n).normal(size=n)
    return mean + deviation * (raw - raw.mean()) / raw.std(ddof=1)


def test_a_published_paired_example():
    """Pingouin's documentation of `tost` gives these samples; paired with bound 0.5 it reports p = 0.955."""
    differences = np.array([4, 7, 8, 6, 3, 2]) - np.array([6, 8, 7, 10, 11, 9])
    found = tost(differences, 0.5)
    assert round(found.p, 3) == 0.955 and not found.equivalent
    # by hand: mean -3.5, standard deviation 3.5071, t = (-3.5 + 0.5) / (3.5071 / sqrt(6)) = -2.0953 at 5 degrees
    assert found.low == pytest.approx(-3.5 - 2.01505 * 3.5071 / np.sqrt(6), abs=1e-3)


def test_agrees_with_two_one_sided_tests_of_scipy():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        differences, margin = rng.normal(rng.normal(0, 0.02), 0.1, 50), 0.03
        found = tost(differences, margin)
        lower = stats.ttest_1samp(differences, -margin, alternative="greater").pvalue
        upper = stats.ttest_1samp(differences, margin, alternative="less").pvalue
        assert found.p == pytest.approx(max(lower, upper), rel=1e-9)
        assert found.p_different == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, rel=1e-9)
        # the interval within the margin and the test say the same (Schuirmann 1987)
        assert found.equivalent == (found.low > -margin and found.high < margin)
        expected = stats.t.interval(0.9, 49, found.difference, stats.sem(differences))
        assert (found.low, found.high) == pytest.approx(expected)


@pytest.mark.slow
@pytest.mark.parametrize("share", [1.0, 0.2])
def test_calls_a_difference_of_the_margins_size_equal_in_at_most_5_percent(share):
    """Also where most questions do not change at all (share: those that do)."""
    rng, margin, runs, n = np.random.default_rng(1), 0.02, 2000, 200
    # values of metrics move in steps, so differences are steps as well
    differences = rng.choice([-0.5, -0.2, 0.2, 0.5], (runs, n)) * (rng.random((runs, n)) < share) - margin
    called = np.mean([tost(row, margin, resamples=100).equivalent for row in differences])
    assert called <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)
    far = np.mean([tost(row + margin, 0.2, resamples=100).equivalent for row in differences[:200]])
    assert far > 0.95  # and does find what is far within the margin


def test_the_bootstrap_interval_is_close_to_the_t_interval():
    found = tost(np.random.default_rng(2).choice([0, 0, 0, 0.3, -0.5], 800), 0.05, resamples=4000)
    assert found.bootstrap_low == pytest.approx(found.low, abs=0.003)
    assert found.bootstrap_high == pytest.approx(found.high, abs=0.003)


def test_without_variation_or_values():
    same = tost(np.zeros(20), 0.01)
    assert (same.low, same.high, same.equivalent, same.verdict) == (0.0, 0.0, True, "equal")
    # as the test by signs has it: no finite sample is proof
    assert same.p == 2**-20 and tost(np.full(30, 0.005), 0.01).p_different == 2**-29
    assert tost(np.full(30, 0.5), 0.01).p == 1
    few = tost(np.zeros(7), 0.01)
    assert few.verdict == "undefined" and "7 questions are too few" in few.note
    assert tost(np.full(7, -0.5), 0.01).verdict == "lower" and tost(np.full(7, 0.5), 0.01).verdict == "higher"
    assert tost(np.array([np.nan, 0.1, np.nan]), 0.01).verdict == "undefined"
    nothing = tost(np.array([np.nan, np.nan]), 0.01)
    assert (nothing.n, nothing.total, nothing.note, nothing.difference) == (0, 2, "not measured", None)
    assert tost(np.array([0.1, np.nan, -0.1, 0.0]), 1.0).n == 3
    with pytest.raises(ValueError, match="margin"):
        tost(np.zeros(3), 0)


def test_every_verdict_in_words():
    def said(mean, deviation, n, direction=1):
        found = tost(sample(mean, deviation, n), 0.01)
        return found.verdict, sentence(found, "ef_search 24", "exact", "nDCG@10", direction)

    assert said(-0.001, 0.05, 1000) == (
        "equal",
        "ef_search 24 equals exact within 1 point of nDCG@10 (90% interval -0.4 to +0.2)",
    )
    assert said(-0.004, 0.05, 1000)[1].startswith(
        "ef_search 24 equals exact within 1 point of nDCG@10, and is measurably worse by 0.4"
    )
    assert said(-0.004, 0.05, 1000, -1)[1].count("measurably better") == 1
    assert said(-0.03, 0.05, 1000) == (
        "lower",
        "ef_search 24 is worse than exact by 3 points of nDCG@10 (90% interval -3.3 to -2.7)",
    )
    assert said(0.03, 0.05, 1000)[1].startswith("ef_search 24 is better than exact by 3 points")
    assert said(0.0, 0.3, 100) == (
        "unclear",
        "ef_search 24 is not shown equal to exact within 1 point of nDCG@10 (90% interval -5.0 to +5.0)",
    )
    assert sentence(tost(np.zeros(90), 0.01), "a", "b", "nDCG@10") == "a equals b in nDCG@10: no question's value changed"
    assert "not measured" in sentence(tost(np.full(3, np.nan), 0.01), "a", "b", "nDCG@10")
    assert "1.5 points" in sentence(tost(sample(0, 0.1, 20), 0.015), "a", "b", "nDCG@10")
