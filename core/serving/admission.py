"""Who is let in, and when: a bounded queue in which each client has its turn, a rate for each, and a breaker before what fails."""

import asyncio
import math
import time
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

OPENAI = "/v1/"  # addresses below it speak OpenAI's form
MOST_CLIENTS = 10_000  # whose rates are remembered; of more the one that asked longest ago is forgotten
SMOOTHING = 0.2  # weight of the last request in the mean of seconds


class Refusal(Exception):
    """A request that is not answered. status: of HTTP; wait_s: after which another try may be let in, 0: unknown."""

    def __init__(self, status: int, why: str, wait_s: float = 0.0) -> None:
        self.status, self.why, self.wait_s = status, why, wait_s
        super().__init__(why)


def failure(path: str, status: int, why: str) -> dict[str, Any]:
    """The body of a reply to a request that fails: of OpenAI's form where that is spoken, elsewhere the words alone."""
    if not path.startswith(OPENAI):
        return {"error": why}
    kind = "rate_limit_error" if status == 429 else "server_error" if status >= 500 else "invalid_request_error"
    return {"error": {"message": why, "type": kind, "param": None, "code": None}}


class Admission:
    """`at_once` requests run and `waiting` more stand in line. Who is next is the client's turn, not the request's: one that asks a
    hundred times does not hold up who asks once (round robin over clients: Nagle 1987, RFC 970, section 5). Of one event loop."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self._free, self._room, self._mean_s = at_once, waiting, 0.0
        self.at_once, self.waiting = at_once, 0
        self._there, self._request_s, self._counted = 0, 0.0, time.perf_counter()
        self._lines: OrderedDict[str, deque[asyncio.Future[float]]] = OrderedDict()

    @property
    def running(self) -> int:
        return self.at_once - self._free

    def request_s(self) -> float:
        """Seconds that requests were here since the start, in line or at work, summed over them: what Little's law holds the spans'
        rate and latency against."""
        return self._change(0)

    def _change(self, came: int) -> float:
        now = time.perf_counter()
        self._request_s += self._there * (now - self._counted)
        self._there, self._counted = self._there + came, now
        return self._request_s

    def wait_s(self) -> float:
        """How long who comes now would wait, by the seconds that requests took lately."""
        return self._mean_s * (self.waiting + 1) / self.at_once

    @asynccontextmanager
    async def turn(self, client: str, left_s: float) -> AsyncGenerator[float, None]:
        """Waits for a turn, `left_s` at most, and holds it; since when, by `time.perf_counter()`: a place that was left for somebody is
        theirs, though the reply before is sent first."""
        self._change(1)
        try:
            began = await self._enter(client, left_s)
            try:
                yield began
            finally:
                took = time.perf_counter() - began
                self._mean_s = took if not self._mean_s else (1 - SMOOTHING) * self._mean_s + SMOOTHING * took
                self._leave()
        finally:
            self._change(-1)

    async def _enter(self, client: str, left_s: float) -> float:
        if self._free and not self._lines:
            self._free -= 1
            return time.perf_counter()
        if self.waiting >= self._room:
            raise Refusal(429, f"{self.waiting:,} requests are waiting already.", self.wait_s())
        place = asyncio.get_running_loop().create_future()
        self._lines.setdefault(client, deque()).append(place)
        self.waiting += 1
        try:
            return await asyncio.wait_for(place, left_s)
        except BaseException as error:
            if place.done() and not place.cancelled():  # its turn came in the same moment
                self._leave()
            else:
                self._forget(client, place)
            if isinstance(error, asyncio.TimeoutError):
                raise Refusal(503, "The deadline passed before the request had its turn.", self.wait_s()) from None
            raise

    def _leave(self) -> None:
        if not self._lines:
            self._free += 1
            return
        client, line = self._lines.popitem(last=False)
        place = line.popleft()
        self.waiting -= 1
        if line:
            self._lines[client] = line  # behind the others
        if place.done():  # it gave up, and will not come to forget itself
            self._leave()
        else:
            place.set_result(time.perf_counter())

    def _forget(self, client: str, place: asyncio.Future[float]) -> None:
        line = self._lines.get(client)
        if line and place in line:
            line.remove(place)
            self.waiting -= 1
            if not line:
                del self._lines[client]


class RateLimit:
    """A token bucket for each client: `burst` requests at once, `rate` a second in the long run."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # client -> tokens, when

    def take(self, client: str) -> None:
        """Raises a Refusal where the bucket is empty."""
        now = self._clock()
        tokens, then = self._buckets.pop(client, (float(self._burst), now))
        tokens = min(float(self._burst), tokens + (now - then) * self._rate)
        enough = tokens >= 1
        self._buckets[client] = (tokens - enough, now)
        if len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)
        if not enough:
            wait_s = (1 - tokens) / self._rate if self._rate else math.inf
            raise Refusal(429, f"More than {self._rate:g} requests a second.", wait_s)


class Breaker:
    """Closed at first. After `most` failures in a row it is open: nothing is tried for `rest_s`. Then one request tries, and closes it
    or opens it again (Nygard 2007, "Release It!", section 5.2). For several threads: an attempt more does no harm."""

    def __init__(self, most: int = 3, rest_s: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._rest_s, self._clock = most, rest_s, clock
        self._failures, self._until = 0, 0.0

    @property
    def state(self) -> str:
        if self._failures < self._most:
            return "closed"
        return "open" if self._clock() < self._until else "half open"

    def lets_in(self) -> bool:
        """Whether to try now; who is let in half open keeps others out until it has told."""
        if self.state == "half open":
            self._until = self._clock() + self._rest_s
            return True
        return self.state == "closed"

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self) -> None:
        self._failures += 1
        self._until = self._clock() + self._rest_s
