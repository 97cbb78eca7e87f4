"""How long requests wait: closed forms of three queues, and Little's law as a check of what was measured.

A closed form says what a load test of a planted server has to show; what has batches, deadlines or retries is simulated
(`queue_simulation.py`). In Kendall's letters M means Poisson arrivals or exponential times, D times all the same, the number servers.
"""

from typing import NamedTuple

import numpy as np

from core.statistics.bootstrap import LEVEL, Interval
from core.statistics.mean_intervals import t_interval


class MarkovQueue(NamedTuple):
    """M/M/c, M/M/1 with one server: Poisson arrivals, `rate` a second, served in their order in exponential times of mean service_s.

    Source: Gross, Shortle, Thompson and Harris 2008, "Fundamentals of queueing theory", chapter 2; Erlang 1917.
    """

    rate: float
    service_s: float
    servers: int = 1

    def delayed(self) -> float:
        """C, the share that waits (Erlang's C, from his B by recursion over the servers)."""
        load = _stable(self.rate * self.service_s / self.servers)
        offered, blocked = self.rate * self.service_s, 1.0
        for servers in range(1, self.servers + 1):
            blocked = offered * blocked / (servers + offered * blocked)
        return blocked / (1 - load * (1 - blocked))

    def wait_s(self) -> float:
        """Mean time before service: C / spare, where spare = servers / service_s - rate."""
        return self.delayed() / self._spare()

    def wait_quantile_s(self, q: float) -> float:
        """From P(wait > t) = C exp(-spare t)."""
        return max(0.0, float(np.log(self.delayed() / (1 - q)))) / self._spare()

    def latency_quantile_s(self, q: float) -> float:
        """Of wait and service together: P(> t) = exp(-m t) + C m (exp(-spare t) - exp(-m t)) / (m - spare), m = 1 / service_s."""
        from scipy.optimize import brentq  # 0.1 s, which a start need not wait for

        delayed, spare, m = self.delayed(), self._spare(), 1 / self.service_s
        apart = m - spare if abs(m - spare) > 1e-7 * m else 1e-7 * m  # the limit, where both are the same

        def short(time: float) -> float:
            served = np.exp(-m * time)
            return served + delayed * m * (np.exp(-spare * time) - np.exp(-(spare + apart) * time)) / apart - (1 - q)

        return float(brentq(short, 0.0, 2 * (1 - np.log1p(-q)) * (self.service_s + 1 / spare)))

    def _spare(self) -> float:
        return self.servers / self.service_s - self.rate


class DeterministicQueue(NamedTuple):
    """M/D/1: Poisson arrivals, `rate` a second, served in their order by one server that takes service_s each time."""

    rate: float
    service_s: float

    def wait_s(self) -> float:
        """Mean time before service, load service_s / (2 (1 - load)): Pollaczek 1930 and Khinchine 1932."""
        load = _stable(self.rate * self.service_s)
        return load * self.service_s / (2 * (1 - load))

    def wait_below(self, time_s: float) -> float:
        """P(wait <= t), from sums of positive terms only: Franx 2001, "A simple solution for the M/D/c waiting time distribution".

        With k = floor(t / service_s) + 1 and u = k service_s - t: the sum over j < k of P(j arrivals in u) P(at most k - j present).
        """
        from scipy.special import gammaln, xlogy

        periods = int(time_s // self.service_s) + 1
        j, expected = np.arange(periods), self.rate * max(0.0, periods * self.service_s - time_s)
        return float(np.exp(xlogy(j, expected) - expected - gammaln(j + 1)) @ self._present(periods)[:0:-1])

    def wait_quantile_s(self, q: float) -> float:
        from scipy.optimize import brentq

        if q <= self.wait_below(0.0):
            return 0.0
        longest = self.service_s
        while self.wait_below(longest) < q:
            longest *= 2
        return float(brentq(lambda time: self.wait_below(time) - q, 0.0, longest, rtol=1e-9))

    def latency_quantile_s(self, q: float) -> float:
        return self.wait_quantile_s(q) + self.service_s

    def _present(self, most: int) -> np.ndarray:
        """P(at most 0 to `most` present) [most + 1]: what goes up over each number goes down over it."""
        from scipy.special import pdtrc

        load = _stable(self.rate * self.service_s)
        more = pdtrc(np.arange(most), load)  # P(more than i arrivals in a service time)
        shares = np.zeros(most + 1)
        shares[0] = 1 - load
        for n in range(1, most + 1):
            shares[n] = (shares[0] * more[n - 1] + shares[1:n] @ more[n - 1 : 0 : -1]) * np.exp(load)
        return np.cumsum(shares)


class LittlesLaw(NamedTuple):
    """difference: in_flight - rate x latency_s, requests, with its interval."""

    in_flight: float
    rate: float
    latency_s: float
    difference: Interval

    @property
    def holds(self) -> bool | None:
        """None: no interval."""
        return None if self.difference.low is None else self.difference.low <= 0 <= self.difference.high


def littles_law(
    arrivals_s: np.ndarray,
    latencies_s: np.ndarray,
    sampled_s: np.ndarray,
    in_flight: np.ndarray,
    periods: int = 20,
    confidence: float = LEVEL,
) -> LittlesLaw:
    """Whether requests in flight, counted by the server at times sampled_s [m], are the rate times the latency that the client measured of
    requests that arrived at arrivals_s [n]. Where not, one of them measured something else, or requests went missing.

    The samples' span is cut into equal periods, whose differences have Student's t interval, as neighbours in time depend on each other
    (batch means; Kim and Whitt 2013, "Statistical analysis with Little's law"). Choose periods of many latencies each.
    Source: Little 1961, "A proof for the queuing formula L = λW".
    """
    arrivals_s, latencies_s, sampled_s, in_flight = (
        np.asarray(each, np.float64) for each in (arrivals_s, latencies_s, sampled_s, in_flight)
    )
    edges = np.linspace(sampled_s.min(), sampled_s.max(), periods + 1)
    inside = (arrivals_s >= edges[0]) & (arrivals_s < edges[-1])
    samples = np.histogram(sampled_s, edges)[0]
    if not (inside.any() and samples.all()) or np.isnan(latencies_s[inside]).any():
        raise ValueError("each period needs samples, and each request a latency")
    length, through = edges[1] - edges[0], latencies_s[inside]
    present = np.histogram(sampled_s, edges, weights=in_flight)[0] / samples
    work = np.histogram(arrivals_s[inside], edges, weights=through)[0] / length
    rate, latency = float(inside.sum() / (edges[-1] - edges[0])), float(through.mean())
    return LittlesLaw(float(present.mean()), rate, latency, t_interval(present - work, confidence))


def _stable(load: float) -> float:
    if not 0 < load < 1:
        raise ValueError(f"a queue settles at loads above 0 and below 1, not at {load:g}")
    return load
