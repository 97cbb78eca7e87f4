"""A queue before servers, simulated event by event: what arrives, waits, is served in batches, is refused, gives up and comes again.

Arrivals do not wait for answers (an open system: Schroeder, Wierman and Harchol-Balter 2006, "Open versus closed: a cautionary tale"), and
latency counts from when a request was meant to be sent, so that a stall is felt by all who came during it.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from heapq import heappop, heappush
from typing import NamedTuple

import numpy as np

_BLOCK = 1024  # service times drawn at once
_FINISH, _SEND, _GATHER, _EXPIRE = range(4)  # at the same moment in this order


class Station(NamedTuple):
    """Who serves, and how clients behave."""

    servers: int = 1
    batch: int = 1  # requests served at once, at most
    gather_s: float = 0.0  # how long a free server waits, from the oldest request's sending on, for a batch to fill
    room: float = np.inf  # requests that may wait; what comes beyond is refused at once
    deadline_s: float = np.inf  # from its sending, after which a client gives an attempt up
    reneging: bool = True  # who has given up leaves the queue; else they are served in vain
    in_order: bool = False  # the k-th batch takes the k-th service time, instead of one that is drawn
    retries: int = 0  # after a refusal or a deadline
    backoff_s: float = 1.0  # before retry k = 0, 1, ..., uniform from 0 to backoff_s 2^k ("full jitter")


class QueueRun(NamedTuple):
    """Rows are requests in the order of their arrivals."""

    wait_s: np.ndarray  # [n] from the intended arrival to the service that answered; NaN: not answered
    latency_s: np.ndarray  # [n] to the answer
    refused: np.ndarray  # [n] bool: not answered, the last attempt was refused
    timed_out: np.ndarray  # [n] bool: not answered, the last attempt was given up
    attempts: np.ndarray  # [n] int64
    batches: np.ndarray  # [served batches] sizes
    length: np.ndarray  # [k, 2] time (s) of each change of the queue, requests that wait from then on
    busy_s: float  # of all servers together
    wasted_s: float  # of that for batches with nobody left to answer
    throughput: float  # answers a second, from the first arrival to the last answer or loss


def arrival_times(phases: Sequence[tuple[float, float]], burstiness: float = 1.0, seed: int = 0) -> np.ndarray:
    """Seconds [n] float64 of arrivals through phases (seconds, requests a second), one after the other; a burst is a phase.

    Times between arrivals are gamma distributed with the shape `burstiness`, stretched by the rate: 1 is a Poisson process, less comes in
    clusters, more evenly. It is what vLLM's load generator calls so.
    """
    lengths, rates = np.asarray(phases, np.float64).T
    ends, expected = np.cumsum(lengths), np.cumsum(lengths * rates)
    rng, total, gaps = np.random.default_rng(seed), expected[-1], []
    while sum(each.sum() for each in gaps) < total:
        gaps.append(rng.gamma(burstiness, 1 / burstiness, int(total) + 16))
    unit = np.cumsum(np.concatenate(gaps)) if gaps else np.zeros(0)
    return np.interp(unit[unit < total], np.concatenate([[0.0], expected]), np.concatenate([[0.0], ends]))


def simulate_queue(arrivals_s: np.ndarray, service_s: Mapping[int, np.ndarray], station: Station, seed: int = 0) -> QueueRun:
    """arrivals_s [n] ascending: intended, drawn by `arrival_times` or recorded. service_s: batch size -> measured service times, from
    which one is drawn with replacement, or which are taken in their order, over and over; a size that was not measured takes the next
    larger one's."""
    arrivals = np.asarray(arrivals_s, np.float64)
    if not (len(arrivals) and np.isfinite(arrivals).all() and (np.diff(arrivals) >= 0).all()):
        raise ValueError("the arrivals have to be there, and to ascend")
    if not (service_s and max(service_s) >= station.batch >= 1 and station.servers >= 1):
        raise ValueError(f"batches of up to {station.batch} need servers, and service times measured of a batch as large")
    rng = np.random.default_rng([seed, 1])  # [seed, 0] is the stream of seed, from which the arrivals may come
    run = _Run(arrivals.tolist(), _draws(service_s, station, rng), station, seed)
    run.to_the_end()
    return run.result(arrivals)


class _Run:
    """The state of a simulation. An attempt is (request, number); it is live while `live[request]` says its number."""

    def __init__(self, arrivals: list[float], draws: Mapping[int, "_Draws"], station: Station, seed: int) -> None:
        n = len(arrivals)
        self.arrivals, self.draws, self.station = arrivals, draws, station
        self.jitter = np.random.default_rng([seed, 2])
        self.events: list[tuple] = [(arrivals[0], _SEND, 0, 0)]  # a heap of (time, kind, two numbers or what is served)
        self.queue: deque[tuple[int, int, float]] = deque()  # request, attempt, sent at
        self.waiting, self.free, self.gathering = 0, station.servers, -np.inf
        self.live, self.serving, self.attempts = [-1] * n, [-1] * n, [0] * n
        self.start, self.end, self.lost = [np.nan] * n, [np.nan] * n, [-1] * n
        self.batches: list[int] = []
        self.length: list[tuple[float, int]] = []
        self.now = self.last = self.busy = self.wasted = 0.0

    def to_the_end(self) -> None:
        handle = (self._finish, self._send, self._serve, self._expire)
        while self.events:
            self.now, kind, first, second = heappop(self.events)
            handle[kind](first, second)

    def result(self, arrivals: np.ndarray) -> QueueRun:
        end, lost = np.array(self.end), np.array(self.lost)
        wait = np.where(np.isnan(end), np.nan, np.array(self.start) - arrivals)
        counts = (np.array(each, np.int64) for each in (self.attempts, self.batches))
        length, through = np.array(self.length, np.float64), float((~np.isnan(end)).sum() / (self.last - arrivals[0]))
        return QueueRun(wait, end - arrivals, lost == _SEND, lost == _EXPIRE, *counts, length, self.busy, self.wasted, through)

    def _send(self, request: int, attempt: int) -> None:
        if attempt == 0 and request + 1 < len(self.arrivals):
            heappush(self.events, (self.arrivals[request + 1], _SEND, request + 1, 0))
        self.live[request], self.attempts[request] = attempt, attempt + 1
        if not self.free and self.waiting >= self.station.room:
            self._lose(request, attempt, _SEND)
            return
        self.queue.append((request, attempt, self.now))
        self._count(1)
        if self.station.deadline_s < np.inf:
            heappush(self.events, (self.now + self.station.deadline_s, _EXPIRE, request, attempt))
        self._serve()

    def _serve(self, *_: int) -> None:
        most, reneging = self.station.batch, self.station.reneging
        while self.free and self.waiting:
            while reneging and self.live[self.queue[0][0]] != self.queue[0][1]:
                self.queue.popleft()
            until = self.queue[0][2] + self.station.gather_s
            if self.waiting < most and self.now < until:
                if until != self.gathering:
                    self.gathering = until
                    heappush(self.events, (until, _GATHER, 0, 0))
                return
            batch = []
            while self.queue and len(batch) < most:
                request, attempt, _ = self.queue.popleft()
                if not reneging or self.live[request] == attempt:
                    batch.append((request, attempt))
                    self.start[request], self.serving[request] = self.now, attempt
            self._count(-len(batch))
            took = self.draws[len(batch)].next()
            self.free -= 1
            self.busy += took
            self.batches.append(len(batch))
            heappush(self.events, (self.now + took, _FINISH, len(self.batches), (took, batch)))

    def _finish(self, _: int, served: tuple[float, list[tuple[int, int]]]) -> None:
        took, batch = served
        answered = [request for request, attempt in batch if self.live[request] == attempt]
        for request in answered:
            self.end[request], self.live[request] = self.now, -1
        if not answered:
            self.wasted += took
        self.free, self.last = self.free + 1, self.now
        self._serve()

    def _expire(self, request: int, attempt: int) -> None:
        if self.live[request] != attempt:
            return
        if self.station.reneging and self.serving[request] != attempt:
            self._count(-1)
        self._lose(request, attempt, _EXPIRE)

    def _lose(self, request: int, attempt: int, why: int) -> None:
        self.live[request], self.last = -1, self.now
        if attempt < self.station.retries:
            pause = self.jitter.random() * self.station.backoff_s * 2**attempt
            heappush(self.events, (self.now + pause, _SEND, request, attempt + 1))
        else:
            self.lost[request] = why

    def _count(self, change: int) -> None:
        self.waiting += change
        self.length.append((self.now, self.waiting))


class _Draws:
    """Measured times, drawn at random, or in their order."""

    def __init__(self, samples: np.ndarray, rng: np.random.Generator | None) -> None:
        self.samples, self.rng = np.asarray(samples, np.float64), rng
        if not (len(self.samples) and self.samples.min() > 0):  # NaN included
            raise ValueError("service times have to be there, and above 0")
        self.block: list[float] = []

    def next(self) -> float:
        if not self.block:
            drawn = self.samples[::-1] if self.rng is None else self.rng.choice(self.samples, _BLOCK)
            self.block = drawn.tolist()
        return self.block.pop()


def _draws(service_s: Mapping[int, np.ndarray], station: Station, rng: np.random.Generator) -> dict[int, _Draws]:
    measured = {size: _Draws(samples, None if station.in_order else rng) for size, samples in sorted(service_s.items())}
    return {size: next(draws for most, draws in measured.items() if most >= size) for size in range(1, station.batch + 1)}
