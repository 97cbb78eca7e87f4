"""The kernel two-sample test: valid where both samples are alike, and told where they are not."""

import numpy as np
import pytest

from core.statistics.two_sample import kernel_two_sample


@pytest.mark.parametrize("d", [1, 8])
def test_p_is_valid_where_both_samples_are_alike(d):
    rng = np.random.default_rng(d)
    p = [kernel_two_sample(rng.exponential(size=(20, d)), rng.exponential(size=(30, d)), 99, n).p for n in range(400)]
    for level in (0.05, 0.1, 0.5):
        assert np.mean(np.array(p) <= level) <= level + 3 * np.sqrt(level * (1 - level) / len(p))
    assert np.mean(np.array(p) <= 0.1) > 0.05  # and no rule that never speaks


def test_rows_that_stand_in_both_samples_make_p_larger_not_smaller():
    rng = np.random.default_rng(3)

    def sample():  # different ones of questions of which few are asked often
        return np.unique(rng.zipf(1.5, 60).clip(max=400))

    places, p = rng.normal(size=(401, 4)), []
    for n in range(300):
        first, second = sample(), sample()
        p.append(kernel_two_sample(places[first], places[second], 99, n).p)
    assert np.mean(np.array(p) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(p))


@pytest.mark.parametrize("other", [lambda rng: rng.normal(1.5, 1, (30, 5)), lambda rng: rng.normal(0, 3, (30, 5))])
def test_another_place_or_spread_is_told(other):
    rng = np.random.default_rng(0)
    assert kernel_two_sample(rng.normal(size=(30, 5)), other(rng)).p <= 0.01


def test_it_is_the_same_for_a_moved_or_scaled_or_exchanged_pair():
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(25, 3)), rng.normal(0.5, 1, (25, 3))
    own = kernel_two_sample(first, second)
    for a, b in ((first * 7 + 3, second * 7 + 3), (second, first)):
        assert kernel_two_sample(a, b).mmd == pytest.approx(own.mmd, rel=1e-6)


def test_its_distance_is_that_of_the_definition():
    """Gretton et al. 2012, equation 5: means of the kernel over all pairs, as wide as the median distance of different rows."""
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=(20, 3)), rng.normal(0.7, 2, (26, 3))  # 1,035 pairs: one is in the middle
    rows = np.concatenate([first, second])
    width = np.median([np.linalg.norm(a - b) for n, a in enumerate(rows) for b in rows[:n]])

    def mean(some, others):
        return np.mean([np.exp(-(np.linalg.norm(a - b) ** 2) / (2 * width**2)) for a in some for b in others])

    expected = mean(first, first) + mean(second, second) - 2 * mean(first, second)
    assert kernel_two_sample(first, second, 99).mmd == pytest.approx(expected, rel=1e-9)


def test_constants_do_not_differ_and_nothing_cannot_be_tested():
    assert kernel_two_sample(np.ones((9, 2)), np.ones((5, 2))) == (0.0, 1.0)
    for first in (np.zeros((0, 1)), np.array([[np.nan]])):
        with pytest.raises(ValueError, match="need rows"):
            kernel_two_sample(first, np.ones((3, 1)))
