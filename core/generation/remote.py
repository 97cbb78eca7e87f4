"""What the remote generators share: one wall-clock deadline, counted retries, and an answer that is whole or has failed.

What the user can mend (key, address, model name, a prompt that is too long) raises a WorkbenchError. What the service
does (too many requests, errors of its own, a broken stream, a refusal) ends as Generated with "failed: <why>", so that
one bad minute of an endpoint does not end a study. Keys come from the environment, go only to the address that the environment
names for them, and never into an error, a record or a config. Waits between tries: Brooker 2015, "Exponential Backoff And Jitter".
"""

import asyncio
import random
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from core.errors import TOO_LONG, PromptTooLong, WorkbenchError
from core.files import read_json
from core.generation import prices, structured
from core.generation.protocol import Generated, ShownText, finished, spoken_tokens
from core.models.text import encodable, valid
from core.progress import event_loop
from core.records import Token

TICK_S = 0.02  # the caller can cancel, and sees new text, this often
FIRST_WAIT_S = 0.5  # before the first retry, twice as long before each further one
# More than these an honest endpoint does not send: the longest tokens are runs of some 200 characters, and a token comes in an
# event of a few hundred bytes, with its log-probabilities in some thousands. Comments that keep a connection alive come on top.
CHARACTERS_A_TOKEN, BYTES_A_TOKEN, BYTES_A_LOGPROB, BYTES_MORE = 200, 2_000, 400, 1_000_000
ERROR_BYTES = 65_536  # of an error's body; the rest is not read
LARGEST_COUNT = 2**31 - 1  # of tokens, as the tables hold; what is no whole number from 0 to this was not measured
LONGEST_WAIT_S = 1e6  # that a service may ask for: past every deadline
NAME = 200  # characters of the model's name that are kept
# how services say that a prompt is too long: by a code, or in words that say nothing else
BEYOND = (
    "context_length_exceeded", "exceed_context_size", "maximum context length", "maximum model length", "available context size",
    "exceed context limit", "exceeds the context", "longer than the context", "prompt is too long", "input is too long",
    "too many tokens", "maximum number of tokens",
)  # fmt: skip
FILTERED = ("content_filter", "content_policy_violation", "invalid_prompt")  # codes of a prompt that a service's filter keeps out


class Fault(Exception):
    """A try that failed. again: another try may help. todo: what the user can do, where it is the user's to mend."""

    def __init__(self, why: str, again: bool = False, wait_s: float | None = None, todo: str = "") -> None:
        self.why, self.again, self.wait_s, self.todo = why, again, wait_s, todo
        super().__init__(why)


@dataclass
class Reply:
    """The answer of one try as it comes: filled by the engine, read by `converse`."""

    max_tokens: int
    tokens: list[Token] = field(default_factory=list)
    reason: str = ""  # once the endpoint has given one
    usage: prices.Usage | None = None  # once the answer has ended
    begun: prices.Usage | None = None  # what was counted before it began
    model: str = ""  # as the endpoint names it
    first_at: float = 0.0
    shown: ShownText = field(default_factory=lambda: ShownText(()))
    _size: int = 0
    _half: str = ""  # of a character that two pieces share

    def add(self, piece: str) -> None:
        if not isinstance(piece, str):
            raise TypeError("text was expected")
        piece, self._half = self._half + piece, ""
        if "\ud800" <= piece[-1:] <= "\udbff":
            piece, self._half = piece[:-1], piece[-1]
        self._size += len(piece)
        if self.shown.add(valid(piece)):
            self.first_at = self.first_at or time.perf_counter()
        if self._size > CHARACTERS_A_TOKEN * self.max_tokens or len(self.tokens) > self.max_tokens + 1:
            raise Fault(f"the endpoint sent more text than {self.max_tokens:,} tokens hold")

    def named(self, model: object) -> None:
        if isinstance(model, str) and model:
            self.model = valid(model[:NAME])


class RetryBudget:
    """Further tries as a share of all requests, however many fail together: each request earns a share of one, and `most` are saved at
    most. So what is sent is (1 + share) times what was asked for, and one more. For several threads.

    Source: Beyer and others 2016, "Site reliability engineering", chapter 21, "Deciding to retry".
    """

    def __init__(self, share: float = 0.1, most: float = 10.0) -> None:
        self._share, self._most, self._saved, self._lock = share, most, 1.0, threading.Lock()
        self.retries = 0

    def earn(self) -> None:
        with self._lock:
            self._saved = min(self._most, self._saved + self._share)

    def take(self) -> bool:
        """Whether another try is allowed; it counts from now on."""
        with self._lock:
            if allowed := self._saved >= 1 - 1e-9:
                self._saved -= 1
                self.retries += 1
            return allowed


_budget: ContextVar[RetryBudget | None] = ContextVar("retry budget", default=None)


@contextmanager
def within_budget(budget: RetryBudget) -> Iterator[None]:
    """What is asked within it, in this thread, is asked again only as far as the budget goes."""
    before = _budget.get()
    _budget.set(budget)
    try:
        yield
    finally:
        _budget.set(before)  # not by a token: a generator may be closed by another thread than the one that began it


def converse(
    talk: Callable[[Reply], Awaitable[None]],
    messages: list[dict[str, str]],
    model: str,
    max_tokens: int,
    retries: int,
    started: float,
    deadline_s: float,
) -> Generator[str, None, Generated]:
    """Yields the text of what `talk` adds to its Reply and returns the whole, trying again where that may help."""
    table, deadline, tried, budget = prices.table(), started + deadline_s, 0, _budget.get()
    if budget:
        budget.earn()
    with event_loop() as (loop, step):
        while True:
            reply = Reply(max_tokens)
            fault = yield from _try(loop, step, talk(reply), reply, deadline)
            if fault is None or not fault.again or reply.shown.text or tried == retries:
                break
            wait_s = FIRST_WAIT_S * 2**tried * random.uniform(0.5, 1) if fault.wait_s is None else fault.wait_s
            resume = time.perf_counter() + wait_s
            if resume >= deadline:
                fault.why += f"; the next try, {wait_s:.0f} s later, would be past the deadline"
                break
            if budget and not budget.take():
                fault.why += "; the budget of further tries is used up"
                break
            while time.perf_counter() < resume:
                time.sleep(min(TICK_S, wait_s))
                yield ""
            tried += 1
    if fault is not None:
        fault.why += f" ({tried + 1} tries)" * bool(tried)
        if fault.todo:
            raise WorkbenchError(fault.why, todo=fault.todo)
        reply.reason = f"failed: {fault.why}"
    yield reply.shown.add("", last=True)
    text, reason = finished(reply.shown.text, reply.reason)
    usage, ended = reply.usage, time.perf_counter()
    counted = len(reply.tokens) or None
    return Generated(
        text,
        reason,
        "\n\n".join(f"{message['role']}:\n{message['content']}" for message in messages),
        usage and usage.prompt + usage.cache_read + usage.cache_write,
        usage and usage.cache_read,
        usage.answer if usage else counted,
        1000 * max(0.0, reply.first_at - started),
        1000 * (ended - started),
        reply.model or model,
        "",
        spoken_tokens(reply.tokens) if text else (),
        tried,
        prices.cost_usd(prices.price(model, table) or prices.price(reply.model, table), usage),
    )


def of_schema(steps: Generator[str, None, Generated], schema: str) -> Generator[str, None, Generated]:
    """The answer of `converse`; one that is not JSON of the schema has failed, whatever the service has promised."""
    made = yield from steps
    if not (schema := structured.of_object(schema)):
        return made
    text, reason = structured.finished(made.text, made.finish_reason, schema)
    return made._replace(text=text, finish_reason=reason)


def _try(
    loop: asyncio.AbstractEventLoop, step: Callable[[Awaitable], object], talk: Awaitable[None], reply: Reply, deadline: float
) -> Generator[str, None, Fault | None]:
    """Runs one try a moment at a time, yielding what came; the connection is closed at the end, however it comes."""
    task, start = loop.create_task(talk), 0
    try:
        while not task.done() and (left := deadline - time.perf_counter()) > 0:
            step(asyncio.wait({task}, timeout=min(TICK_S, left)))
            text = reply.shown.text
            yield text[start:]
            start = len(text)
        if not task.done():
            reply.reason = reply.reason or "deadline"  # where only the goodbye is missing, the answer is whole
            return None
        error = task.exception()
        if error is None and not reply.reason:
            return Fault("the stream broke off before its end", again=True)
        return None if error is None else _fault(error)
    finally:
        task.cancel()
        step(asyncio.wait({task}, timeout=0.5))


def _fault(error: BaseException) -> Fault:
    """Of one try; raises what another try cannot help. Says nothing that a library put into its message."""
    import httpx2

    if isinstance(error, Fault):
        return error
    if isinstance(error, httpx2.ConnectError):
        return Fault(
            "The endpoint cannot be reached.", True, todo="Start the server, check the network, or correct generation.base_url."
        )
    if isinstance(
        error, httpx2.SSEError | ValueError | TypeError | KeyError | IndexError | AttributeError | OverflowError | RecursionError
    ):
        return Fault("the endpoint sent something that is no chat completion")
    if isinstance(error, httpx2.TransportError):
        return Fault("the connection broke off", again=True)
    raise error


def refused(status: int, body: bytes | str, retry_after: str | None, variable: str, secret: str) -> Exception:
    """What an answer with this HTTP status means. `variable` names where the key, `secret`, comes from."""
    said = _said(body)
    if secret:
        said = said.replace(secret, "[key]")
    if status in (401, 403):  # whose messages like to quote the key
        sent = "does not accept the key" if secret else "wants a key, and none was sent"
        trusted = variable.replace("API_KEY", "BASE_URL")  # names the one address that the key goes to
        todo = f"Put a valid key into the environment variable {variable}"
        return WorkbenchError(
            f"The endpoint {sent} (HTTP {status}).",
            todo=f"{todo}." if secret else f"{todo}, and the endpoint's address into {trusted}.",
        )
    if status in (408, 409, 429) or status >= 500:
        return Fault(f"HTTP {status}: {said}", True, retry_after_s(retry_after))
    told = body if isinstance(body, str) else body.decode("utf-8", "replace")
    if status == 400 and any(code in told for code in FILTERED):
        return Fault(f"refusal: {said}")
    if status in (400, 413, 422) and any(words in told.lower() for words in BEYOND):
        return PromptTooLong(
            f"{TOO_LONG}does not fit into the model's context: {said}",
            todo="Lower context.passages, context.max_tokens or generation.max_tokens.",
        )
    if 300 <= status < 400:
        return WorkbenchError(
            f"The endpoint answers from another address (HTTP {status}), which is not followed.",
            todo="Set generation.base_url to the final address.",
        )
    return WorkbenchError(
        f"The endpoint refuses the request (HTTP {status}): {said}",
        todo="Check generation.model, generation.base_url and the other settings of generation.",
    )


def bounded(max_tokens: int, logprobs: int = 0) -> dict[str, object]:
    """What makes an httpx2 client read no more than an answer of so many tokens can take, and of an error its beginning."""
    most = BYTES_MORE + (BYTES_A_TOKEN + BYTES_A_LOGPROB * logprobs) * max_tokens

    async def hold(response) -> None:
        if response.headers.get("content-encoding", "identity").lower() not in ("identity", ""):
            raise Fault("the endpoint compresses its answer though it was asked not to")  # a few bytes could become gigabytes
        failed = response.status_code != 200
        response.stream = _held(response.stream, ERROR_BYTES if failed else most, failed)

    return {"event_hooks": {"response": [hold]}, "headers": {"Accept-Encoding": "identity"}}


def _held(stream, most: int, cut: bool):
    """The stream up to `most` bytes; a longer one is cut there, or is a Fault."""
    import httpx2

    class Held(httpx2.AsyncByteStream):
        async def __aiter__(self):
            left = most
            async for chunk in stream:
                if len(chunk) > left and not cut:
                    raise Fault(f"the endpoint sent more than {most / 1e6:,.1f} MB")
                yield chunk[:left]
                left -= len(chunk)
                if left <= 0 and cut:
                    return

        async def aclose(self) -> None:
            await stream.aclose()

    return Held()


def message(data: str) -> Any:
    """What an event of a stream holds."""
    try:
        return read_json(data, numbers="careless")
    except WorkbenchError:
        raise Fault("the endpoint sent something that is no chat completion") from None


def count(value: object) -> int | None:
    """A number of tokens as an endpoint gives it; None where it is none."""
    return value if type(value) is int and 0 <= value <= LARGEST_COUNT else None


def usage(prompt: int | None, answer: int | None, cache_read: int | None, cache_write: int | None = 0) -> prices.Usage | None:
    """None unless all of it was measured."""
    counts = (prompt, answer, cache_read, cache_write)
    return None if None in counts or min(counts) < 0 else prices.Usage(*counts)


def address(value: str) -> str:
    """A base address that holds no secret, without a slash at its end; for a validator."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("give an address such as http://127.0.0.1:8000/v1")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("leave user names, keys and everything behind a ? out of the address, which is stored")
    _ = parts.port  # raises ValueError where it is no number
    return value.rstrip("/")


def key(text: str, variable: str, base_url: str, home: str) -> str:
    """The key, or "" where it is not for this address: a recipe from somebody else must not carry it away."""
    text = text.strip()
    if not (text.isascii() and text.isprintable()):
        raise WorkbenchError("The key holds characters that no key has.", where=variable, todo="Copy it again.")
    return text if _origin(base_url) == _origin(home) else ""


def bearer(key: str) -> dict[str, str]:
    """The header with which a key is sent; none without one."""
    return {"Authorization": f"Bearer {key}"} if key else {}


def destination(base_url: str) -> str:
    return urlsplit(base_url).netloc


def rough_tokens(text: str) -> int:
    """At most so many tokens: three bytes each. The exact number is known to the endpoint alone."""
    return -(-len(text.encode("utf-8", "replace")) // 3)


def sendable(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{"role": message["role"], "content": encodable(message["content"])} for message in messages]


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def retry_after_s(told: str | None) -> float | None:
    """Seconds that the header Retry-After asks for, itself or by a date."""
    try:
        seconds = float(told)
    except TypeError:  # there is none
        return None
    except ValueError:
        try:
            at = parsedate_to_datetime(told)
            seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return min(max(0.0, seconds), LONGEST_WAIT_S)


def _said(body: bytes | str, most: int = 200) -> str:
    """The message in an error's body, in one line."""
    text = body if isinstance(body, str) else body.decode("utf-8", "replace")
    try:
        message = read_json(text)  # cut at 64 KB
        for name in ("error", "message", "detail"):
            message = message.get(name, message) if isinstance(message, dict) else message
        text = message if isinstance(message, str) else text
    except WorkbenchError:
        pass
    text = " ".join(valid(text).split())
    return text[:most] + "…" * (len(text) > most) or "without a message"
