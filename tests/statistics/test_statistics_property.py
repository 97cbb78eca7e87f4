import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.statistics.bootstrap import intervals
from core.statistics.corrections import holm
from core.statistics.mcnemar import exact_p
from core.statistics.paired import paired_difference
from core.statistics.proportion import unit_intervals, wilson

VALUES = st.lists(
    st.tuples(st.sampled_from([0.0, 0.25, 1 / 3, 0.63, 1.0]), st.sampled_from([0.0, 0.25, 0.5, 1.0])), min_size=1, max_size=40
)


@pytest.mark.slow
@settings(max_examples=100)
@given(VALUES)
def test_paired_tests_are_symmetric_with_p_above_0(pairs):
    a, b = np.array(pairs).T
    [there], [back] = (paired_difference(*order, resamples=100, permutations=200) for order in ((a, b), (b, a)))
    assert 0 < there.p <= 1 and there.p == back.p
    assert (there.wins, there.losses, there.ties) == (back.losses, back.wins, back.ties)
    assert np.isclose(there.difference, -back.difference)
    assert (there.effect_size is None) == (back.effect_size is None) and there.note == back.note
    assert there.note or there.effect_size is not None and there.low is not None
    if there.low is not None:
        assert there.low <= there.high and np.allclose([there.low, there.high], [-back.high, -back.low], atol=1e-12)


@settings(max_examples=100)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_the_correction_only_raises_p_and_keeps_their_order(p):
    p = np.array(p)
    adjusted = holm(p)
    assert (adjusted >= p).all() and (adjusted <= 1).all() and (adjusted <= p * len(p) + 1e-15).all()
    assert (np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0).all()


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_symmetric(b, c):
    assert 0 < exact_p(b, c) == exact_p(c, b) <= 1


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_within_0_and_1(case):
    interval = wilson(*case)
    assert 0 <= interval.low <= interval.mean <= interval.high <= 1


def test_the_intervals_cover_the_truth_as_often_as_they_say():
    """400 samples of 100 skewed values with mean 0.25: 95% intervals hold it in some 94%, 80% intervals in some 79%."""
    samples = np.random.default_rng(8).beta(0.5, 1.5, (100, 400))
    for confidence in (0.95, 0.8):
        held = [i.low <= 0.25 <= i.high for i in intervals(samples, confidence=confidence)]
        # 4 standard errors of a share of 400, and 2 points for the percentile method's known shortfall
        assert abs(np.mean(held) - confidence) < 4 * np.sqrt(confidence * (1 - confidence) / 400) + 0.02


def test_near_the_edge_the_intervals_still_cover_the_truth():
    """Where 2% of 100 questions are missed by a half on average, a bootstrap of the mean holds it in some 60%."""
    rng = np.random.default_rng(9)
    samples = 1 - (rng.random((100, 400)) < 0.02) * rng.random((100, 400))
    held = [i.low <= 0.99 <= i.high for i in unit_intervals(samples)]
    assert np.mean(held) > 0.94 > np.mean([i.low <= 0.99 <= i.high for i in intervals(samples)])


def test_the_permutation_test_errs_as_often_as_it_says():
    rng = np.random.default_rng(6)
    a, b = rng.random((60, 500)), rng.random((60, 500))  # no difference between the systems
    p = np.array([result.p for result in paired_difference(a, b, resamples=100, permutations=999)])
    assert 0.05 - 4 * 0.0098 < (p <= 0.05).mean() < 0.05 + 4 * 0.0098
    assert 0.2 - 4 * 0.0179 < (p <= 0.2).mean() < 0.2 + 4 * 0.0179
