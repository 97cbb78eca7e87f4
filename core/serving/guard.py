"""What stands before the application: bodies within their limits, and work that ends when its client leaves.

A pure ASGI middleware: Starlette's own `is_disconnected` tells nothing to a JSON reply, and its BaseHTTPMiddleware hides the client.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from core.serving.admission import failure

MOST_BYTES = 100_000  # of a body
BODY_S = 10.0  # in which it has to have come


class Guard:
    """app: any ASGI application. at_hand: the request's scope and body -> a whole response (any ASGI application) where it needs no
    work, so that nothing has to be watched; None: the application answers."""

    def __init__(
        self,
        app: Any,
        most_bytes: int = MOST_BYTES,
        body_s: float = BODY_S,
        at_hand: Callable[[dict[str, Any], bytes], Any] = lambda scope, body: None,
    ) -> None:
        self._app, self._most, self._body_s, self._at_hand = app, most_bytes, body_s, at_hand

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        try:
            async with asyncio.timeout(self._body_s):
                body = await self._read(receive)
        except TimeoutError:
            return await _refuse(scope, send, 408, f"The body did not come within {self._body_s:g} seconds.")
        except _TooLarge:
            return await _refuse(scope, send, 413, f"The body has more than {self._most:,} bytes.")
        if body is None:  # the client left before it had said what it wants
            return None
        if response := self._at_hand(scope, body):
            return await response(scope, receive, send)
        return await _until_gone(self._app, scope, body, receive, send)

    async def _read(self, receive: Any) -> bytes | None:
        pieces, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            if size > self._most:
                raise _TooLarge
            if not message.get("more_body"):
                return b"".join(pieces)


class _TooLarge(Exception):
    pass


async def _until_gone(app: Any, scope: dict[str, Any], body: bytes, receive: Any, send: Any) -> None:
    """Runs the application; it is cancelled when the client is gone."""
    gone, messages = asyncio.Event(), [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    work, watcher = asyncio.create_task(app(scope, again, send)), asyncio.create_task(watch())
    try:
        await asyncio.wait({work, watcher}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            gone.set()
            work.cancel()
        await asyncio.wait({work})
    finally:
        watcher.cancel()
        work.cancel()  # where this is cancelled itself
    if not work.cancelled() and (error := work.exception()):
        raise error


async def _refuse(scope: dict[str, Any], send: Any, status: int, why: str) -> None:
    body = json.dumps(failure(scope["path"], status, why)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
