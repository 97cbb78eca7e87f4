"""A server on this machine to put load on: one queue, service times that are said, stalls, statuses, and what is no HTTP."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from core.serving.driver import PreciseSelector

JSON = b'{"hits": []}'


def reply(status: int = 200, body: bytes = JSON, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} said", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Queue:
    """Requests are served one after the other. `arrived`: the loop's time of each; `served`: of the end of each."""

    def __init__(
        self, service: Callable[[int], float], answer: Callable[[int], bytes | None], stall: tuple[float, float]
    ) -> None:
        self.service, self.answer, self.stall = service, answer, stall
        self.arrived: list[float] = []
        self.served: list[float] = []

    def departure(self, now: float) -> float:
        number, before = len(self.arrived), self.served[-1] if self.served else 0.0
        self.arrived.append(now)
        end = max(now, before) + self.service(number)
        first, length = (self.arrived[0] + self.stall[0], self.stall[1])
        if first <= end < first + length:
            end = first + length
        self.served.append(end)
        return end


class Asked(asyncio.Protocol):
    def __init__(self, queue: Queue) -> None:
        self.queue, self.waiting = queue, b""

    def connection_made(self, transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        head, end, body = self.waiting.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]):
            return
        loop, number, self.waiting = asyncio.get_running_loop(), len(self.queue.arrived), b""
        loop.call_at(self.queue.departure(loop.time()), self.say, self.queue.answer(number))

    def say(self, answer: bytes | None) -> None:
        """None: it hangs up. Empty: it says nothing, ever."""
        if answer is None:
            self.transport.abort()
        elif answer:
            self.transport.write(answer)


@contextmanager
def server(
    service: Callable[[int], float] = lambda number: 0.0,
    answer: Callable[[int], bytes | None] = lambda number: reply(),
    stall: tuple[float, float] = (0.0, 0.0),
) -> Iterator[tuple[str, Queue]]:
    """(address, queue). service: seconds of the request of that number, from 0; stall: (seconds after the first request, length)."""
    loop, queue = asyncio.SelectorEventLoop(PreciseSelector()), Queue(service, answer, stall)
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()  # in this one a browser's loop may be running
    opening = asyncio.run_coroutine_threadsafe(loop.create_server(lambda: Asked(queue), "127.0.0.1", 0), loop)
    listening = opening.result()
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", queue
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        listening.close()
        loop.close()
