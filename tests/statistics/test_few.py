"""Few values: no interval claims what so few cannot show, whatever it is of, and what has none says why."""

import numpy as np
import pytest

from core.statistics.agreement.alpha import alpha
from core.statistics.agreement.coefficient import ALIKE, estimate
from core.statistics.bootstrap import FEW, FEW_GROUPS, NO_VARIATION, TOO_FEW, intervals, limits, mean_interval
from core.statistics.bradley_terry import bradley_terry
from core.statistics.correlation import spearman
from core.statistics.mean_intervals import bca_interval, t_interval
from core.statistics.paired import paired_difference
from core.statistics.proportion import unit_intervals
from core.statistics.selection import winner
from core.statistics.shares import share_difference

STUDIES, NOMINAL, WORST = 400, 0.07, 0.12
# name -> (differences [n, studies] drawn, true mean)
DIFFERENCES = {
    "mostly ties": (lambda rng, shape: rng.choice([0, 0, 0, -0.5, 1.0], shape), 0.1),
    "all or nothing": (lambda rng, shape: rng.choice([-1.0, 0, 1], shape, p=[0.1, 0.6, 0.3]), 0.2),
    "normal": (lambda rng, shape: rng.normal(0.3, 0.2, shape), 0.3),
    "skewed": (lambda rng, shape: rng.beta(1, 3, shape) - 0.25, 0.0),
    "even": (lambda rng, shape: rng.uniform(-1, 1, shape), 0.0),
}
MEASURES = {
    "yes or no": (lambda rng, shape: (rng.random(shape) < 0.8) * 1.0, 0.8),
    "reciprocal ranks": (lambda rng, shape: 1 / rng.integers(1, 5, shape), 25 / 48),
    "nearly all right": (lambda rng, shape: 1 - rng.beta(0.3, 5, shape), 1 - 0.3 / 5.3),
    "even": (lambda rng, shape: rng.random(shape), 0.5),
}


def missed(found, truth) -> float:
    """The share of all studies whose interval does not hold the truth; one without an interval claims nothing."""
    return np.mean([one.low is not None and not one.low - 1e-9 <= truth <= one.high + 1e-9 for one in found])


@pytest.mark.parametrize("name", DIFFERENCES)
def test_differences_of_few_pairs_hold_the_truth(name):
    (draw, truth), shares = DIFFERENCES[name], []
    for n in range(2, FEW):
        table = draw(np.random.default_rng(n), (n, STUDIES))
        found = paired_difference(table, np.zeros_like(table))
        shares.append(missed(found, truth))
        assert all(one.note for one in found if one.low is None) and {one.n for one in found} == {n}
    assert np.mean(shares) <= NOMINAL and max(shares) <= WORST


@pytest.mark.parametrize("name", MEASURES)
def test_means_of_few_values_hold_the_truth(name):
    (draw, truth), shares = MEASURES[name], []
    for n in range(2, FEW):
        found = unit_intervals(draw(np.random.default_rng(n), (n, STUDIES)))
        shares.append(missed(found, truth))
        assert all(0 <= one.low < one.high <= 1 for one in found)
    assert np.mean(shares) <= NOMINAL and max(shares) <= WORST


@pytest.mark.parametrize("name", ["normal", "even", "skewed"])
def test_differences_of_ten_to_nineteen_pairs_hold_the_truth_as_those_of_nine_do(name):
    (draw, truth), shares = DIFFERENCES[name], []
    for n in range(FEW, FEW_GROUPS, 3):
        table = draw(np.random.default_rng(n), (n, STUDIES))
        found = paired_difference(table, np.zeros_like(table))
        shares.append(missed(found, truth))
        student = t_interval(table[:, 0])
        assert found[0][1:3] == pytest.approx(student[1:3], abs=0.1 * (student.high - student.low))
        assert mean_interval(table[:, 0], np.arange(n))[1:3] == pytest.approx(found[0][1:3]), "each a group of its own"
    assert np.mean(shares) <= NOMINAL, "of percentiles 8 to 10%"


def test_an_interval_of_few_pairs_leaves_out_0_only_where_the_sign_flip_test_does():
    rng = np.random.default_rng(2)
    for n in range(2, FEW):
        table = rng.normal(0.5, 0.6, (n, 400))
        for one in paired_difference(table, np.zeros_like(table)):
            assert one.exact and (one.low is None or one.low <= 0 <= one.high or one.p <= 0.05)


def test_what_so_few_cannot_show_is_said():
    two, five, equal = ([0.022, 0.042], [0.1, 0.2, 0.15, 0.3, 0.12], [0.0] * 6)
    for values, why in ((two, TOO_FEW), (five, TOO_FEW), (equal, NO_VARIATION)):
        [one] = paired_difference(np.array(values), np.zeros(len(values)))
        assert (one.low, one.high, one.note, one.n) == (None, None, why, len(values))
    [six] = intervals(np.array([0.1, 0.2, 0.15, 0.3, 0.12, 0.4]))
    assert six.low < 0.1 and six.high == 0.4 and not six.note  # as far as the values reach, or Student's t
    assert intervals(np.array(five), confidence=0.9)[0].low <= 0.1
    [ten] = intervals(np.zeros(10))
    assert (ten.low, ten.high) == (0, 0), "from here on the bootstrap's"


def test_few_articles_are_few_however_many_questions_they_have():
    values, rng = np.random.default_rng(0).random(400), np.random.default_rng(1)
    assert mean_interval(values, np.arange(400) % 3)[1:3] == (None, None)
    held = []
    for _ in range(500):
        shift = rng.normal(0, 0.3, 7)
        article = np.repeat(np.arange(7), rng.integers(3, 30, 7))
        one = mean_interval(shift[article] + rng.normal(0, 0.1, len(article)), article)
        held.append(one.low <= 0 <= one.high)
    assert np.mean(held) > 0.92


def test_shares_coefficients_and_choices_of_few_say_so_too():
    rng = np.random.default_rng(3)
    a, b, of = rng.integers(0, 2, 12) * 1.0, rng.integers(0, 2, 12) * 1.0, np.arange(12) // 3
    assert share_difference(a, of, b, of)[1:3] == (None, None)
    assert share_difference(a, of, b, of + 4).low is None
    labels = rng.integers(0, 2, (4, 3)) * 1.0
    assert estimate(alpha(labels))[2:4] == (None, None) and estimate(alpha(labels)).note == TOO_FEW
    wide, narrow = (estimate(alpha(np.tile([[0, 0, 1], [1, 1, 1], [0, 0, 0]], (times, 1)) * 1.0)) for times in (2, 40))
    assert wide.low < narrow.low < narrow.high < wide.high and wide.note != ALIKE
    x, y = rng.random(5), rng.random(5)
    assert spearman(x, y).low is None and spearman(x, y).note == TOO_FEW and bca_interval(x).note == TOO_FEW
    best = winner(rng.random((3, 4)))
    assert (best.low, best.high) == best.interval() == best.interval(-1) == (None, None)
    beaten = bradley_terry(np.arange(4), np.zeros(4, int), np.ones(4, int), np.array([1, 0, 1, 1]), 2)
    assert [(one.low, one.high, one.note) for one in beaten.strengths] == [(None, None, TOO_FEW)] * 2


def test_an_interval_of_few_holds_the_value_of_all_rows_or_is_none():
    """Of a ratio some subsets have no value, and those that have one may all lie on one side."""
    drawn = np.full((2**7 - 1, 2), np.nan)
    drawn[:40, 0], drawn[:, 1] = np.linspace(-0.2, -0.1, 40), np.linspace(-1, 1, 2**7 - 1)
    drawn[-1] = -0.05, 0.3
    low, high = limits(drawn, 7, 0.95)
    assert np.isnan(low[0]) and np.isnan(high[0]) and low[1] < 0.3 < high[1]
