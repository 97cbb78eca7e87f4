"""Differences of shares by question: the value, what its interval and p hold, and the cases without one."""

import numpy as np
import pytest

from core.statistics.shares import APART, share_difference


def units(rng, questions=25, rates=(0.6, 0.6), spread=0.0):
    """(values, questions) of each system: one to six units an answer, a question easy or hard for both."""
    of = [np.repeat(np.arange(questions), rng.integers(1, 7, questions)) for _ in rates]
    ease = rng.normal(0, spread, questions)
    return [
        part
        for places, rate in zip(of, rates, strict=True)
        for part in ((rng.random(len(places)) < np.clip(rate + ease[places], 0, 1)).astype(float), places)
    ]


def test_the_difference_is_that_of_the_two_means():
    a, qa, b, qb = units(np.random.default_rng(0))
    found = share_difference(a, qa, b, qb)
    assert found.difference == pytest.approx(a.mean() - b.mean()) and found.low < found.difference < found.high
    assert (found.n, found.total, found.wins + found.losses + found.ties) == (25, 25, 25)
    other = share_difference(b, qb, a, qa)
    assert other.difference == pytest.approx(-found.difference) and other.wins == found.losses


@pytest.mark.parametrize("shared", [True, False], ids=["paired", "apart"])
def test_the_interval_holds_the_truth_and_p_errs_as_often_as_it_says(shared):
    held, small = [], []
    for seed in range(200):
        a, qa, b, qb = units(np.random.default_rng(seed), 40, spread=0.2)
        found = share_difference(a, qa, b, qb if shared else qb + 100, resamples=400, permutations=400, seed=seed)
        held.append(found.low <= 0 <= found.high)
        small.append(found.p is not None and found.p <= 0.05)
    assert 0.9 <= np.mean(held) <= 0.995
    assert np.mean(small) <= 0.09 if shared else not any(small)


def test_few_questions_are_counted_out():
    found = share_difference(np.ones(4), np.arange(4), np.zeros(4), np.arange(4))
    assert found.exact and found.p == pytest.approx(2 / 16) and found.difference == 1


def test_without_a_shared_question_there_is_no_p():
    ones = np.arange(10) % 2.0
    found = share_difference(ones, np.arange(10), 1 - ones, np.arange(10, 20))
    assert found.p is None and found.n == 0 and found.note == APART and found.low is not None


def test_nothing_measured_is_no_number():
    none = np.array([])
    assert share_difference(none, none, np.ones(2), np.arange(2))[:4] == (None,) * 4
    assert share_difference(np.ones(1), np.arange(1), np.zeros(1), np.arange(1)).low is None
