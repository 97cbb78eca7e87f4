"""Moments of an open loop: their rate, how they vary, and what cannot be sent."""

import numpy as np
import pytest

from core.errors import WorkbenchError
from core.serving.arrivals import MOST_REQUESTS, moments


@pytest.mark.parametrize(("arrivals", "variation"), [("poisson", 1.0), ("bursts", 4.0)])
def test_gaps_have_the_rate_and_the_variation_that_is_asked_for(arrivals, variation):
    at = moments(arrivals, 50, 1000, seed=3, burstiness=0.25)
    gaps = np.diff(at)
    assert len(at) / 1000 == pytest.approx(50, rel=0.03) and gaps.var() / gaps.mean() ** 2 == pytest.approx(variation, rel=0.05)
    assert (at >= 0).all() and (at < 1000).all() and (gaps >= 0).all()


def test_poisson_counts_by_second_vary_as_their_mean():
    counts = np.bincount(moments("poisson", 20, 3000, seed=1).astype(int), minlength=3000)
    assert counts.var() == pytest.approx(counts.mean(), rel=0.06)


def test_the_seed_decides():
    assert np.array_equal(moments("poisson", 10, 60, seed=1), moments("poisson", 10, 60, seed=1))
    assert not np.array_equal(moments("poisson", 10, 60, seed=1)[:99], moments("poisson", 10, 60, seed=2)[:99])


def test_constant_gaps_are_equal_and_end_before_the_time():
    assert moments("constant", 4, 1.1).tolist() == [0, 0.25, 0.5, 0.75, 1.0]


def test_a_replay_is_as_recorded_or_at_another_rate():
    recorded = [105.0, 100.0, 101.0, 140.0]
    assert moments("replay", 0, 30, recorded=recorded).tolist() == [0, 1, 5]
    assert moments("replay", 3, 30, recorded=recorded).tolist() == pytest.approx([0, 0.025, 0.125, 1.0])


@pytest.mark.parametrize(("asked", "where"), [
    (("poisson", 0, 10), "--rate"), (("constant", -1, 10), "--rate"), (("poisson", float("nan"), 10), "--rate"),
    (("poisson", float("inf"), 10), "--rate"), (("poisson", 10, 0), "--seconds"), (("bursts", 10, 10, 0, 0.0), "--burstiness"),
    (("poisson", MOST_REQUESTS, 2), "--seconds"), (("constant", 1e300, 1e300), "--seconds"), (("poisson", 1e-6, 1), "--seconds"),
    (("replay", 0, 10), "--times"), (("replay", 0, 10, 0, 1.0, (1.0, float("nan"))), "--times"),
    (("replay", 0, 10, 0, 1.0, (2.0, 2.0)), "--times"),
])  # fmt: skip
def test_what_cannot_be_sent_is_said(asked, where):
    with pytest.raises(WorkbenchError) as error:
        moments(*asked)
    assert error.value.where == where and error.value.todo
