"""The simulated queue: equal to recursions request by request, to closed forms of what is lost, and to runs worked out by hand."""

import heapq

import numpy as np
import pytest

from core.statistics.queue_simulation import QueueRun, Station, arrival_times, simulate_queue
from core.statistics.queueing import DeterministicQueue, MarkovQueue, littles_law

EXPONENTIAL = -np.log1p(-(np.arange(20_000) + 0.5) / 20_000)  # its quantiles: the mean is exactly that of the distribution
EXPONENTIAL /= EXPONENTIAL.mean()
CONSTANT = np.ones(1)


def waits(arrivals: np.ndarray, service: np.ndarray, servers: int) -> np.ndarray:
    """Kiefer and Wolfowitz 1955, Lindley 1952 for one server: a request starts once it is there and the first server is free."""
    free, out = [0.0] * servers, []
    for now, took in zip(arrivals.tolist(), service.tolist(), strict=True):
        start = max(now, free[0])
        heapq.heapreplace(free, start + took)
        out.append(start - now)
    return np.array(out)


@pytest.mark.parametrize("load", [0.5, 0.7, 0.9])
@pytest.mark.parametrize("servers, times", [(1, EXPONENTIAL), (3, EXPONENTIAL), (1, CONSTANT)], ids=["M/M/1", "M/M/3", "M/D/1"])
def test_each_request_waits_as_the_recursion_says(servers, times, load):
    """tests/statistics/test_queueing.py holds the same recursion to the closed forms within 2%, over eight million requests."""
    arrivals = arrival_times([(20_000 / load / servers, load * servers)], seed=1)
    run = simulate_queue(arrivals, {1: times}, Station(servers))
    service = run.latency_s - run.wait_s
    assert run.wait_s == pytest.approx(waits(arrivals, service, servers), abs=1e-6)
    assert service.mean() == pytest.approx(1.0, rel=0.03) and run.busy_s == pytest.approx(service.sum())
    assert run.throughput == pytest.approx(len(arrivals) / (np.nanmax(arrivals + run.latency_s) - arrivals[0]))


@pytest.mark.slow
@pytest.mark.parametrize("load", [0.5, 0.7, 0.9])
@pytest.mark.parametrize("servers, times", [(1, EXPONENTIAL), (3, EXPONENTIAL), (1, CONSTANT)], ids=["M/M/1", "M/M/3", "M/D/1"])
def test_mean_waits_are_those_of_the_closed_forms(servers, times, load):
    """Within 2%, or what chance allows: 2.6 standard errors of 40 runs' mean."""
    queue = DeterministicQueue(load, 1.0) if times is CONSTANT else MarkovQueue(load * servers, 1.0, servers)
    means = []
    for seed in range(40):
        arrivals = arrival_times([(20_000 / load / servers, load * servers)], seed=seed)
        means.append(simulate_queue(arrivals, {1: times}, Station(servers), seed).wait_s[2000:].mean())
    error = np.std(means, ddof=1) / np.sqrt(len(means))
    assert abs(np.mean(means) - queue.wait_s()) <= max(0.02 * queue.wait_s(), 2.6 * error)
    assert error < 0.03 * queue.wait_s()


def test_without_room_it_loses_what_erlangs_b_says():
    arrivals = arrival_times([(40_000 / 4, 4.0)], seed=2)
    run = simulate_queue(arrivals, {1: EXPONENTIAL}, Station(servers=5, room=0))
    terms = 4.0 ** np.arange(6) / np.cumprod([1, 1, 2, 3, 4, 5])
    assert run.refused.mean() == pytest.approx(terms[-1] / terms.sum(), rel=0.04)
    assert (np.isnan(run.latency_s) == run.refused).all() and np.nanmax(run.wait_s) == 0


def test_with_little_room_it_loses_what_the_bounded_queue_says():
    """M/M/1/K, K in the queue and in service: P(K) = (1 - r) r^K / (1 - r^(K + 1))."""
    load, most = 1.25, 4
    run = simulate_queue(arrival_times([(40_000 / load, load)], seed=3), {1: EXPONENTIAL}, Station(room=most - 1))
    assert run.refused.mean() == pytest.approx((1 - load) * load**most / (1 - load ** (most + 1)), rel=0.03)
    assert run.length[:, 1].max() == most - 1


def test_services_are_taken_in_their_order_where_that_is_asked_for():
    run = simulate_queue(np.array([0.0, 1, 2, 9]), {1: np.array([4.0, 1, 2])}, Station(in_order=True))
    assert run.latency_s.tolist() == [4, 4, 5, 4]


def test_batches_take_what_waits():
    """One server, a batch of up to 3 in 10 + size seconds: alone at 0, then three of those who came meanwhile, then one."""
    service = {1: np.array([11.0]), 2: np.array([12.0]), 3: np.array([13.0])}
    run = simulate_queue(np.array([0.0, 1, 2, 3, 4]), service, Station(batch=3))
    assert run.batches.tolist() == [1, 3, 1]
    assert run.wait_s.tolist() == [0, 10, 9, 8, 20] and run.latency_s.tolist() == [11, 23, 22, 21, 31]
    assert run.length.tolist() == [[0, 1], [0, 0], [1, 1], [2, 2], [3, 3], [4, 4], [11, 1], [24, 0]]
    assert run.busy_s == 35 and run.throughput == 5 / 35 and run.wasted_s == 0


def test_a_free_server_waits_for_a_batch_to_fill():
    run = simulate_queue(np.array([0.0, 2, 4, 20]), {3: np.array([1.0])}, Station(batch=3, gather_s=5))
    assert run.batches.tolist() == [3, 1], "the size that was not measured takes the next larger one's times"
    assert run.latency_s.tolist() == [5, 3, 1, 6]


def test_who_gives_up_leaves_the_queue_or_is_served_in_vain():
    arrivals, service = np.array([0.0, 1, 2]), {1: np.array([10.0])}
    leaving = simulate_queue(arrivals, service, Station(deadline_s=12))
    assert leaving.latency_s[0] == 10 and leaving.timed_out.tolist() == [False, True, True]
    assert leaving.batches.tolist() == [1, 1] and leaving.wasted_s == 10, "who is being served is served to the end"
    assert leaving.length[-1].tolist() == [14, 0]
    staying = simulate_queue(arrivals, service, Station(deadline_s=12, reneging=False))
    assert staying.batches.tolist() == [1, 1, 1] and staying.wasted_s == 20


def test_retries_come_again_and_latency_counts_from_the_first():
    arrivals, service = np.array([0.0, 1.0]), {1: np.array([10.0])}
    refused = simulate_queue(arrivals, service, Station(room=0))
    assert refused.attempts.tolist() == [1, 1] and refused.refused.tolist() == [False, True]
    again = simulate_queue(arrivals, service, Station(room=0, retries=8, backoff_s=1.0), seed=1)
    assert again.attempts[1] > 1 and again.latency_s[1] == again.wait_s[1] + 10 > 19 and not again.refused.any()
    late = simulate_queue(np.array([0.0, 1.0]), service, Station(deadline_s=5, retries=2))
    assert late.attempts.tolist() == [3, 3] and late.timed_out.all() and np.isnan(late.latency_s).all()


def goodput(run: QueueRun, arrivals: np.ndarray, start: float, end: float) -> float:
    answered = arrivals + run.latency_s
    return float(((answered >= start) & (answered < end)).sum() / (end - start))


def test_retries_without_room_and_reneging_keep_a_service_down_after_a_burst():
    """A metastable failure (Bronson, Aghayev, Charapko and Zhu 2021): at a load of 0.8 it never comes back, with them at once."""
    arrivals = arrival_times([(200, 8.0), (40, 30.0), (360, 8.0)], seed=4)
    down = Station(deadline_s=2.0, retries=3, backoff_s=0.5, reneging=False)
    bounded = down._replace(room=10, reneging=True)
    told = [simulate_queue(arrivals, {1: np.full(1, 0.1)}, station) for station in (down, bounded)]
    assert goodput(told[0], arrivals, 100, 200) > 7.5 and goodput(told[0], arrivals, 300, 600) < 2
    assert goodput(told[1], arrivals, 300, 600) > 7.5


def test_littles_law_holds_of_a_run():
    arrivals = arrival_times([(30_000 / 0.7, 0.7)], seed=5)
    run = simulate_queue(arrivals, {1: EXPONENTIAL}, Station())
    sampled = np.arange(1000.0, 40_000.0, 1.0)
    in_flight = np.searchsorted(arrivals, sampled, "right") - np.searchsorted(np.sort(arrivals + run.latency_s), sampled, "right")
    law = littles_law(arrivals, run.latency_s, sampled, in_flight)
    assert law.holds and law.in_flight == pytest.approx(law.rate * law.latency_s, rel=0.01)
    waiting = run.length[np.searchsorted(run.length[:, 0], sampled, "right") - 1, 1]
    assert (waiting == np.maximum(in_flight - 1, 0)).all()


def test_arrivals_follow_their_phases_and_their_burstiness():
    phases = [(100, 20.0), (50, 0.0), (100, 80.0)]
    times = arrival_times(phases, seed=1)
    counts = np.histogram(times, [0, 100, 150, 250])[0]
    assert counts == pytest.approx([2000, 0, 8000], abs=270) and counts[1] == 0
    assert (np.diff(times) >= 0).all() and times[-1] < 250
    for burstiness in (0.25, 1.0, 4.0):
        gaps = np.diff(arrival_times([(2000, 10.0)], burstiness, seed=2))
        assert gaps.mean() == pytest.approx(0.1, rel=0.05) and gaps.var() / gaps.mean() ** 2 == pytest.approx(
            1 / burstiness, rel=0.1
        )
    assert not len(arrival_times([(10, 0.0)]))


@pytest.mark.parametrize(
    "arrivals, service, station",
    [
        ([], {1: [1.0]}, Station()),
        ([1.0, 0.5], {1: [1.0]}, Station()),
        ([np.nan], {1: [1.0]}, Station()),
        ([0.0], {}, Station()),
        ([0.0], {1: []}, Station()),
        ([0.0], {1: [0.0]}, Station()),
        ([0.0], {1: [np.nan]}, Station()),
        ([0.0], {2: [1.0]}, Station(batch=4)),
        ([0.0], {1: [1.0]}, Station(servers=0)),
    ],
)
def test_what_cannot_be_is_refused(arrivals, service, station):
    with pytest.raises(ValueError):
        simulate_queue(np.array(arrivals), {size: np.array(times) for size, times in service.items()}, station)
