"""The best of many: how much of its mean is luck, and how often many looks raise a false alarm."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from statsmodels.stats.multitest import multipletests

from core.statistics.corrections import benjamini_hochberg, correct_defined, holm
from core.statistics.selection import winner


def test_of_recipes_that_are_alike_the_highest_mean_is_luck_and_the_optimism_says_how_much():
    rng = np.random.default_rng(0)
    bias, told, inside = [], [], []
    for _ in range(60):
        table = rng.normal(size=(20, 100))  # twenty recipes with the mean 0
        best = winner(table, 200)
        bias.append(best.mean), told.append(best.optimism), inside.append(best.low <= 0 <= best.high)
    assert np.mean(bias) > 0.15  # 1.87 standard errors: the expected maximum of 20 normals
    assert np.mean(told) == pytest.approx(np.mean(bias), rel=0.2)
    assert np.mean(inside) > 0.9


def test_a_winner_far_ahead_is_chosen_always_and_with_little_optimism():
    table = np.random.default_rng(1).normal(size=(5, 200)) * 0.1 + np.array([0, 0, 0.5, 0, 0])[:, None]
    best = winner(table)
    assert best.place == 2 and best.shares.tolist() == [0, 0, 1, 0, 0]
    assert abs(best.optimism) < 0.002 and best.low < table[2].mean() < best.high


def test_the_shares_are_those_of_a_plain_loop():
    table = np.random.default_rng(2).normal(size=(4, 30))
    best, rng = winner(table, 400, seed=3), np.random.default_rng(9)
    drawn = [np.argmax(table[:, rng.integers(0, 30, 30)].mean(axis=1)) for _ in range(4000)]
    assert best.shares == pytest.approx(np.bincount(drawn, minlength=4) / 4000, abs=0.07)
    assert best.shares.sum() == pytest.approx(1)


def test_equals_share_the_choice():
    table = np.tile(np.random.default_rng(3).normal(size=40), (2, 1))
    assert winner(table).shares.tolist() == [0.5, 0.5]


@pytest.mark.slow
@pytest.mark.parametrize("correct, method", [(holm, "holm"), (benjamini_hochberg, "fdr_bh")])
def test_the_corrections_are_those_of_statsmodels(correct, method):
    rng = np.random.default_rng(0)
    for n in (1, 2, 5, 40):
        p = np.round(rng.random(n) ** 3, 2)  # with ties
        assert correct(p) == pytest.approx(multipletests(p, method=method)[1])
        unseen = multipletests(np.concatenate([p, np.ones(7)]), method=method)[1][:n]
        assert correct(p, of=n + 7) == pytest.approx(unseen)
    assert correct(np.zeros(0), of=4).tolist() == []


@pytest.mark.parametrize("correct", [holm, benjamini_hochberg])
def test_undefined_tests_stay_so_and_are_no_hypotheses(correct):
    first, second = correct(np.array([0.03, 0.01])).tolist()
    assert correct_defined([None, 0.03, None, 0.01], correct) == [None, first, None, second]
    first, second = correct(np.array([0.03, 0.01]), 5).tolist()
    assert correct_defined([0.03, 0.01, None], correct, of=5) == [first, second, None]
    assert correct_defined([], correct) == [] and correct_defined([None], correct, of=3) == [None]


def test_benjamini_and_hochberg_reject_what_they_reject_in_their_example():
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    assert (benjamini_hochberg(np.array(p)) <= 0.05).sum() == 4 and (holm(np.array(p)) <= 0.05).sum() == 3


@pytest.mark.parametrize("correct", [holm, benjamini_hochberg])
def test_whatever_the_unseen_are_the_correction_is_no_smaller(correct):
    rng = np.random.default_rng(1)
    for _ in range(50):
        shown, unseen = rng.random(4) ** 3, rng.random(6) ** 3
        whole = correct(np.concatenate([shown, unseen]))
        told = correct(shown, of=10)
        assert ((whole[:4] > 0.05) <= (told > 0.05)).all()  # none is told significant that is not


@pytest.mark.parametrize("correct", [holm, benjamini_hochberg])
def test_too_few_looks_for_the_tests_are_refused(correct):
    with pytest.raises(ValueError):
        correct(np.array([0.1, 0.2, 0.3]), of=2)
    with pytest.raises(ValueError):
        correct(np.array([0.1, np.nan]))


def best_of_looks(rng, looks: int = 50, questions: int = 100) -> tuple[float, float, bool]:
    """p of the best of so many recipes that are all as good as the baseline, as if no other had been looked at, and the same
    with the number of looks; whether the interval of the choice holds what the best is worth."""
    baseline = rng.integers(0, 2, questions) * 1.0
    recipes = np.where(rng.random((looks, questions)) < 0.5, rng.integers(0, 2, (looks, questions)), baseline)
    gains = recipes - baseline
    best = winner(gains, resamples=200)
    p = ttest_1samp(gains[best.place], 0).pvalue
    return p, holm(np.array([p]), of=looks)[0], best.low <= 0 <= best.high


def alarms(runs: int) -> tuple[float, float, float]:
    """The share of false alarms alone and corrected, and of intervals of the best that hold its worth."""
    rng = np.random.default_rng(5)
    alone, corrected, held = np.array([best_of_looks(rng) for _ in range(runs)]).T
    return (alone < 0.05).mean(), (corrected < 0.05).mean(), held.mean()


def test_fifty_looks_raise_a_false_alarm_in_at_most_5_percent():
    alone, corrected, held = alarms(100)
    assert alone > 0.2 and corrected <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 100) and held >= 0.9


@pytest.mark.slow
def test_fifty_looks_raise_a_false_alarm_in_at_most_5_percent_of_a_thousand():
    alone, corrected, held = alarms(1000)
    assert alone > 0.2 and corrected <= 0.05 and held >= 0.95
