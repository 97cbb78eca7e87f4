"""Closed forms of waiting against published numbers, each other and the recursions of Lindley and of Kiefer and Wolfowitz."""

import numpy as np
import pytest

from core.statistics.queueing import DeterministicQueue, MarkovQueue, littles_law

REPLICATIONS, SETTLING, STEPS = 4000, 2000, 2000


def exponential(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.exponential(1.0, n)


def constant(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.ones(n)


def recursion(rate: float, draw, servers: int) -> tuple[float, np.ndarray]:
    """(mean wait, waits of every 50th request): how long each server is still busy when the next request comes, REPLICATIONS at a time."""
    rng = np.random.default_rng(0)
    busy, total, waits = np.zeros((REPLICATIONS, servers)), 0.0, []
    for step in range(SETTLING + STEPS):
        if step >= SETTLING:
            total += busy[:, 0].mean()
            if step % 50 == 0:
                waits.append(busy[:, 0].copy())
        busy[:, 0] += draw(rng, REPLICATIONS)
        busy = np.maximum(busy - rng.exponential(1 / rate, (REPLICATIONS, 1)), 0)
        if servers > 1:
            busy.sort(axis=1)
    return total / STEPS, np.concatenate(waits)


@pytest.mark.parametrize("load", [pytest.param(0.5, marks=pytest.mark.slow), pytest.param(0.7, marks=pytest.mark.slow), 0.9])
@pytest.mark.parametrize("servers, draw", [(1, exponential), (3, exponential), (1, constant)], ids=["M/M/1", "M/M/3", "M/D/1"])
def test_waits_are_those_of_the_recursion(servers, draw, load):
    rate = load * servers
    queue = MarkovQueue(rate, 1.0, servers) if draw is exponential else DeterministicQueue(rate, 1.0)
    mean, waits = recursion(rate, draw, servers)
    assert mean == pytest.approx(queue.wait_s(), rel=0.02)
    latencies = waits + draw(np.random.default_rng(1), len(waits))
    for q in (0.5, 0.95, 0.99):
        assert np.quantile(waits, q) == pytest.approx(queue.wait_quantile_s(q), rel=0.025, abs=0.02), q
        assert np.quantile(latencies, q) == pytest.approx(queue.latency_quantile_s(q), rel=0.025), q


def test_one_server_is_the_textbook_queue():
    queue = MarkovQueue(8.0, 0.1)
    assert queue.delayed() == pytest.approx(0.8) and queue.wait_s() == pytest.approx(0.8 / 2)
    for q in (0.3, 0.5, 0.99):
        assert queue.latency_quantile_s(q) == pytest.approx(-np.log(1 - q) / 2), "exponential"
    assert queue.wait_quantile_s(0.15) == 0.0 < queue.wait_quantile_s(0.25)


@pytest.mark.parametrize("offered, servers", [(2.0, 3), (8.0, 10), (18.0, 20)])
def test_the_share_that_waits_is_erlangs_sum(offered, servers):
    terms = offered ** np.arange(servers + 1) / np.cumprod([1, *range(1, servers + 1)])
    last = terms[-1] * servers / (servers - offered)
    assert MarkovQueue(offered, 1.0, servers).delayed() == pytest.approx(last / (terms[:-1].sum() + last))


def test_where_both_rates_are_the_same_the_latency_has_its_limit():
    near = [MarkovQueue(rate, 1.0, 2).latency_quantile_s(0.95) for rate in (1 - 1e-4, 1.0, 1 + 1e-4)]
    assert near[1] == pytest.approx((near[0] + near[2]) / 2, rel=1e-6)


def series(time: float, load: float) -> float:
    """Erlang's alternating series of P(wait <= t) in M/D/1, exact for short times: service takes 1."""
    k = np.arange(int(time) + 1)
    factorials = np.cumprod([1.0, *k[1:]])
    return (1 - load) * float(((load * (k - time)) ** k / factorials * np.exp(-load * (k - time))).sum())


@pytest.mark.parametrize("load", [0.2, 0.5, 0.8, 0.95])
def test_constant_times_give_erlangs_series(load):
    queue = DeterministicQueue(load / 0.05, 0.05)
    for time in (0.0, 0.4, 1.0, 2.5, 6.0, 9.9):
        assert queue.wait_below(time * 0.05) == pytest.approx(series(time, load), abs=1e-8)
    times = np.linspace(0, 0.05 * 40 / (1 - load), 300)
    below = np.array([queue.wait_below(time) for time in times])
    assert (np.diff(below) >= -1e-12).all() and below[-1] == pytest.approx(1.0, abs=1e-6)
    mean = np.trapezoid(1 - below, times)
    assert mean == pytest.approx(queue.wait_s(), rel=0.02), "Pollaczek and Khinchine's"
    assert queue.wait_below(queue.wait_quantile_s(0.99)) == pytest.approx(0.99)


def test_constant_times_halve_the_wait():
    assert DeterministicQueue(9.0, 0.1).wait_s() == pytest.approx(MarkovQueue(9.0, 0.1).wait_s() / 2)


@pytest.mark.parametrize("rate", [0.0, 1.0, 3.0])
def test_a_queue_that_grows_for_ever_has_no_wait(rate):
    for queue in (MarkovQueue(rate, 1.0), DeterministicQueue(rate, 1.0)):
        with pytest.raises(ValueError, match="settles"):
            queue.wait_s()


def service(seed: int, n: int = 20_000, rate: float = 50.0) -> tuple[np.ndarray, ...]:
    """Arrivals and latencies of a service without a queue, and its requests in flight, sampled ten times a second."""
    rng = np.random.default_rng(seed)
    arrivals, latencies = np.cumsum(rng.exponential(1 / rate, n)), rng.gamma(2.0, 0.1, n)
    sampled = np.arange(2.0, arrivals[-1], 0.1)
    ends = np.sort(arrivals + latencies)
    return arrivals, latencies, sampled, np.searchsorted(arrivals, sampled) - np.searchsorted(ends, sampled)


def test_littles_law_holds_of_what_was_measured_rightly():
    told = [littles_law(*service(seed, 4000)) for seed in range(200)]
    assert 0.9 <= np.mean([one.holds for one in told]) <= 0.99
    law = littles_law(*service(0))
    assert law.in_flight == pytest.approx(10, rel=0.03) and law.rate * law.latency_s == pytest.approx(10, rel=0.03)
    assert law.difference.high - law.difference.low < 0.5


def test_littles_law_finds_a_client_that_leaves_out_the_queue_and_requests_that_got_lost():
    arrivals, latencies, sampled, in_flight = service(0)
    assert littles_law(arrivals, latencies - 0.02, sampled, in_flight).holds is False
    assert littles_law(arrivals[::2], latencies[::2], sampled, in_flight).holds is False
    assert littles_law(arrivals, latencies, sampled, in_flight + 1).difference.mean == pytest.approx(1, abs=0.2)


def test_latencies_that_are_missing_are_refused():
    arrivals, latencies, sampled, in_flight = service(0, 2000)
    latencies[1000] = np.nan
    with pytest.raises(ValueError):
        littles_law(arrivals, latencies, sampled, in_flight)
