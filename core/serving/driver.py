"""Sends requests at their moments and notes when what happened. It runs in a process of its own (`core.jobs.child`): what else a
process does would make it late.

A client that waits for an answer before it sends the next request leaves out those that would have met a stall (coordinated
omission: Tene 2013, "How not to measure latency"). Here each request has its moment, whatever became of those before.
"""

import asyncio
import errno
import re
import resource
import select
import selectors
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor, wait
from email.utils import parsedate_to_datetime
from typing import NamedTuple

import numpy as np
import orjson

LEAD_S = 0.1  # between the start and the first moment
TELL_S = 0.25
MOST_OPEN = 20_000  # requests at once
MOST_FILES = 65_536
MOST_HEAD, MOST_BODY = 64 << 10, 16 << 20  # bytes of a reply
AGAIN = {"429", "503", "refused", "reset", "time-out"}  # what a client tries again after
NO_ROOM = {errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM}  # on the driver's side
BACKOFF_S = 0.1  # doubled with each attempt, where a reply has no Retry-After
STATUS = re.compile(rb"HTTP/1\.([01]) (\d{3})(?: [^\r\n]*)?")
WORK = re.compile(rb"(?:^|,)\s*work\s*;\s*dur=(\d{1,9}(?:\.\d{1,9})?)")  # of Server-Timing, in ms
SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[^\r\n]*)?")


class Noted(NamedTuple):
    """What became of n requests; moments in seconds from the first possible one, NaN: never."""

    sent: np.ndarray  # [n] float64
    first_byte: np.ndarray
    done: np.ndarray
    work: np.ndarray  # seconds for which the request held its place, as the service says; NaN: it says nothing
    outcome: list[str]  # the status, or "time-out", "refused", "reset", "garbage", "unsent"
    way: list[str]  # the header x-groundwork-way; "" without
    size: np.ndarray  # [n] int64, bytes of the last reply
    attempts: np.ndarray  # [n] int64
    cpu: float  # share of a core


class Sender(NamedTuple):
    """All that the driver needs to know."""

    address: tuple[str, int]  # of the host, resolved
    requests: list[bytes]  # whole HTTP requests, sent in turn
    moments: np.ndarray  # [n] float64, seconds, ascending
    timeout_s: float
    retries: int = 0
    honours: bool = True  # waits as Retry-After says

    def run(self) -> Generator[tuple[int, int], None, Noted]:
        """Yields (requests sent, requests open) a few times a second; closing it ends all."""
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        most = MOST_FILES if most == resource.RLIM_INFINITY else min(most, MOST_FILES)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        loop, clients = asyncio.SelectorEventLoop(PreciseSelector()), Clients(self)
        with ThreadPoolExecutor(1) as thread:
            task = loop.create_task(clients.all())
            work = thread.submit(loop.run_until_complete, task)
            try:
                while not wait([work], TELL_S).done:
                    yield clients.sent, clients.open
            finally:
                if not work.done():
                    loop.call_soon_threadsafe(task.cancel)
                wait([work])
                loop.close()
            return work.result()


class PreciseSelector(selectors.DefaultSelector):
    """epoll waits in whole milliseconds, rounded up; `select` on its own descriptor waits in microseconds."""

    def select(self, timeout: float | None = None) -> list:
        if timeout is not None and timeout > 0:
            select.select([self.fileno()], [], [], timeout)
            timeout = 0
        return super().select(timeout)


class Clients:
    def __init__(self, sender: Sender) -> None:
        self.sender, n = sender, len(sender.moments)
        self.sent = self.open = 0
        self._idle: list[HttpLine] = []
        self._began = 0.0
        self._noted = Noted(
            *(np.full(n, np.nan) for _ in range(4)), ["unsent"] * n, [""] * n, np.zeros(n, int), np.zeros(n, int), 0.0
        )

    async def all(self) -> Noted:
        loop = asyncio.get_running_loop()
        self._began, busy, clock = loop.time() + LEAD_S, time.process_time(), time.perf_counter()
        try:
            async with asyncio.TaskGroup() as tasks:
                for number, at in enumerate(self.sender.moments.tolist()):
                    await asyncio.sleep(max(0.0, self._began + at - loop.time()))
                    tasks.create_task(self._ask(number))
        finally:
            for line in self._idle:
                line.transport.abort()
        return self._noted._replace(cpu=(time.process_time() - busy) / (time.perf_counter() - clock))

    async def _ask(self, number: int) -> None:
        """One request to its end, tried again as the client does."""
        noted, sender, loop = self._noted, self.sender, asyncio.get_running_loop()
        request = sender.requests[number % len(sender.requests)]
        self.sent += 1
        self.open += 1
        noted.sent[number] = loop.time() - self._began
        try:
            for attempt in range(1 + sender.retries):
                noted.attempts[number] += 1
                outcome, line = await self._attempt(request)
                if outcome not in AGAIN or attempt == sender.retries:
                    break
                pause = _pause(line.reply, attempt) if sender.honours else 0.0
                if pause > sender.timeout_s:
                    break
                await asyncio.sleep(pause)
        finally:
            self.open -= 1
        noted.outcome[number] = outcome
        if line.reply and line.first:
            noted.first_byte[number] = line.first - self._began
            noted.size[number] = line.size
            if work := WORK.search(line.reply.headers.get(b"server-timing", b"")):
                noted.work[number] = float(work[1]) / 1000
            noted.way[number] = line.reply.headers.get(b"x-groundwork-way", b"").decode("latin-1")[:100]
        if line.done:
            noted.done[number] = line.done - self._began

    async def _attempt(self, request: bytes) -> tuple[str, "HttpLine"]:
        line = HttpLine()
        if self.open > MOST_OPEN:
            return "unsent", line
        try:
            async with asyncio.timeout(self.sender.timeout_s):
                line = self._waiting() or await self._connected(line)
                await line.ask(request)
        except TimeoutError:
            outcome = "time-out"
        except ConnectionRefusedError:
            outcome = "refused"
        except ValueError:
            outcome = "garbage"
        except OSError as error:
            outcome = "unsent" if error.errno in NO_ROOM else "reset"
        else:
            if line.reply.keeps:
                self._idle.append(line)
                return line.reply.outcome(), line
            outcome = line.reply.outcome()
        if line.transport:
            line.transport.abort()
        return outcome, line

    def _waiting(self) -> "HttpLine | None":
        while self._idle:
            if not (line := self._idle.pop()).transport.is_closing():
                line.reply, line.first, line.done, line.size = None, 0.0, 0.0, 0
                return line
        return None

    async def _connected(self, line: "HttpLine") -> "HttpLine":
        await asyncio.get_running_loop().create_connection(lambda: line, *self.sender.address)
        return line


def _pause(reply: "HttpReply | None", attempt: int) -> float:
    """Seconds that Retry-After asks for, as a number or a date."""
    said = reply.headers.get(b"retry-after", b"").decode("latin-1") if reply else ""
    if re.fullmatch(r"\d{1,9}", said):
        return float(said)
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except (TypeError, ValueError):
        return BACKOFF_S * 2**attempt


class HttpLine(asyncio.Protocol):
    """A connection and the reply that is coming on it; `first` and `done` are the loop's times, 0 before."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.reply: HttpReply | None = None
        self.first = self.done = 0.0
        self.size = 0
        self._loop = asyncio.get_running_loop()
        self._whole: asyncio.Future | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    async def ask(self, request: bytes) -> None:
        """Until the reply is whole; ValueError: what came is none."""
        self.reply, self._whole = HttpReply(), self._loop.create_future()
        if self.transport.is_closing():
            raise ConnectionResetError
        self.transport.write(request)
        await self._whole

    def data_received(self, data: bytes) -> None:
        now = self._loop.time()
        if self._whole is None or self._whole.done():  # bytes that nobody asked for
            self.transport.abort()
            return
        self.first = self.first or now
        self.size += len(data)
        try:
            whole = self.reply.take(data)
        except ValueError as error:
            self._whole.set_exception(error)
            return
        if whole:
            self.done = now
            self._whole.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if self._whole is None or self._whole.done():
            return
        if error is None and self.reply.ends_by_closing:
            self.done = self._loop.time()
            self._whole.set_result(None)
        else:
            self._whole.set_exception(ConnectionResetError())


class HttpReply:
    """An HTTP/1 reply, as its bytes come in (RFC 9112, sections 4 to 7). ValueError: these are none."""

    def __init__(self) -> None:
        self.status, self.headers, self.keeps, self.ends_by_closing = 0, {}, False, False
        self._waiting, self._body = bytearray(), bytearray()
        self._left: int | None = None  # bytes of the body, where its head says how many
        self._chunked = False

    def outcome(self) -> str:
        """The status; of a reply of 200 that is no JSON, garbage."""
        if self.status == 200:
            try:
                orjson.loads(self._body)
            except ValueError:
                return "garbage"
        return str(self.status)

    def take(self, data: bytes) -> bool:
        """Whether the reply is whole with these bytes."""
        self._waiting += data
        if not self.status and not self._head():
            return False
        if self._chunked:
            return self._chunks()
        self._move(len(self._waiting))
        return self._left is not None and len(self._body) >= self._left

    def _move(self, count: int) -> None:
        if len(self._body) + count > MOST_BODY:
            raise ValueError("its body has no end")
        self._body += self._waiting[:count]
        del self._waiting[:count]

    def _head(self) -> bool:
        if not b"HTTP/1.".startswith(self._waiting[:7]):
            raise ValueError("it does not begin as HTTP")
        head, end, rest = self._waiting.partition(b"\r\n\r\n")
        if len(head) > MOST_HEAD:
            raise ValueError("its head has no end")
        if not end:
            return False
        first, *lines = bytes(head).split(b"\r\n")
        if not (match := STATUS.fullmatch(first)):
            raise ValueError("it has no status")
        self._waiting = rest
        if match[2] < b"200":  # one that says to wait; the reply follows
            return self._head()
        self.status = int(match[2])
        pairs = (line.partition(b":") for line in lines)
        self.headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        self._framed(match[1] == b"1")
        return True

    def _framed(self, lasting: bool) -> None:
        said = self.headers.get(b"connection", b"").lower()
        self.keeps = said != b"close" if lasting else said == b"keep-alive"
        if self.headers.get(b"transfer-encoding", b"").lower() == b"chunked":
            self._chunked = True
        elif (length := self.headers.get(b"content-length")) is not None:
            if not re.fullmatch(rb"\d{1,12}", length):
                raise ValueError("its length is no number")
            self._left = int(length)
        elif self.status in (204, 304):
            self._left = 0
        else:
            self.keeps, self.ends_by_closing = False, True

    def _chunks(self) -> bool:
        while (end := self._waiting.find(b"\r\n")) >= 0:
            if not (match := SIZE.fullmatch(self._waiting[:end])):
                raise ValueError("a chunk has no size")
            size = int(match[1], 16)
            if not size:  # then trailers, which end as a head does
                return self._waiting.startswith(b"\r\n", end + 2) or b"\r\n\r\n" in self._waiting
            if len(self._waiting) < end + size + 4:
                if size > MOST_BODY:
                    raise ValueError("its body has no end")
                return False
            del self._waiting[: end + 2]
            self._move(size)
            del self._waiting[:2]
        return False
