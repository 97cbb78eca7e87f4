"""Intervals of quantiles: order statistics of independent rows, and of rows that hang together."""

import numpy as np
import pytest

from core.statistics.quantiles import quantile_interval


def waits(draw, load, n):
    """Times in an M/M/1 queue with services of mean 1 (Lindley 1952), after it has settled."""
    gaps, services, times, time = draw.exponential(1 / load, n + 2000), draw.exponential(1, n + 2000), [], 0.0
    for gap, service in zip(gaps.tolist(), services.tolist(), strict=True):
        time = max(0.0, time - gap) + service
        times.append(time)
    return np.array(times[2000:])


@pytest.mark.parametrize(("n", "share", "low", "high"), [
    (10, 0.5, 2, 9), (20, 0.5, 6, 15), (100, 0.5, 40, 61), (368, 0.99, 360, 368), (367, 0.99, 359, None), (5, 0.5, None, None),
])  # fmt: skip
def test_bounds_are_the_order_statistics_of_the_tables(n, share, low, high):
    """David and Nagaraja 2003, section 7.1: the largest and smallest ranks with at most 2.5% beyond either."""
    interval = quantile_interval(np.random.default_rng(0).permutation(n) + 1.0, share)
    assert (interval.low, interval.high) == (low, high) and interval.mean == int(np.ceil(share * n))


def test_a_quantile_among_what_never_ended_has_no_value():
    values = np.array([*range(195), *[np.inf] * 5], float)
    assert quantile_interval(values, 0.5).mean == 99 and quantile_interval(values, 0.99)[:3] == (None, 194, None)
    assert quantile_interval(np.zeros(0), 0.5).note == "not measured"


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_in_a_queue_only_blocks_hold_the_level(load):
    """Requests that wait in one queue hang together: taken as independent their interval misses four times of ten, and more."""
    draw, hits = np.random.default_rng(1), {"independent": 0, "blocks": 0}
    for _ in range(100):
        times, true = waits(draw, load, 3000), np.log(20) / (1 - load)
        for name, groups in (("independent", None), ("blocks", np.arange(3000) * 20 // 3000)):
            _, low, high, *_ = quantile_interval(times, 0.95, groups)
            hits[name] += low <= true and (high is None or true <= high)
    assert hits["blocks"] >= 85 and hits["independent"] <= 60
