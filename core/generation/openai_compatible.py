"""Answers from any endpoint that speaks OpenAI's chat completions: vLLM, llama.cpp's server, hosted services."""

import math
import os
import time
from collections.abc import Generator
from contextlib import suppress
from importlib.metadata import version
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, field_validator, model_validator

from core.config import knob
from core.generation import knobs as shared
from core.generation import remote, structured
from core.generation.prices import Usage
from core.generation.protocol import Generated, Stops, TextGenerator
from core.models.text import valid
from core.records import Token
from core.registry import part

REASONS = {"stop": "stop", "length": "length", "content_filter": "failed: refusal"}
KEY = "OPENAI_API_KEY"


@part("generator")
class OpenAICompatible(TextGenerator):
    """A model behind an address: vLLM or llama.cpp's own server on this or another machine, or a hosted service.

    Choose it for models that need a bigger machine than this one, for a server that several people share, or to keep a
    model in a process of its own. The passages are sent to that address. The key, where one is needed, is read from
    OPENAI_API_KEY and sent only to the address in OPENAI_BASE_URL (default https://api.openai.com/v1). How a seed and
    the sampling settings act is the server's affair: the same request may give another text.

    OpenAI API reference, "Create chat completion"; vLLM documentation, "OpenAI-Compatible Server", extra parameters.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    package: ClassVar[str] = "openai"
    part: Literal["openai_compatible"] = "openai_compatible"
    base_url: str = knob("http://127.0.0.1:8000/v1", "Address of the endpoint, up to and with its version.", label="Address")
    model: str = knob("default", "The model's name, as the endpoint lists it.")
    temperature: float = knob(0.0, "0 takes the likeliest token. Higher is more varied.", ge=0.0, le=2.0, step=0.05)
    top_p: float = shared.top_p()
    top_k: int = shared.top_k()
    min_p: float = shared.min_p()
    repeat_penalty: float = shared.repeat_penalty("Above 1 makes a token that was there less likely to come again.")
    extended: bool = knob(
        True,
        "Sends top-k, min-p and repeat penalty as vLLM and llama.cpp know them. Off for services that "
        "refuse unknown settings, such as OpenAI's own.",
    )
    max_tokens: int = shared.max_tokens(32768)
    stop: Stops = shared.stop()
    json_schema: str = structured.remote_schema_knob()
    logprobs: int = shared.logprobs()
    retries: int = knob(3, "Further tries after too many requests, errors of the server, or a broken connection.", ge=0, le=10)

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str) -> str:
        return remote.address(value)

    @model_validator(mode="after")
    def _sendable(self) -> "OpenAICompatible":
        if not self.extended and (self.top_k, self.min_p, self.repeat_penalty) != (0, 0.0, 1.0):
            raise ValueError("top_k, min_p and repeat_penalty are sent only where `extended` is on")
        return self

    def identity(self) -> str:
        """Address and model by name: what really answers there cannot be known from here."""
        return f"{self.base_url} {self.model} httpx2 {version('httpx2')}"

    def destination(self) -> str:
        return remote.destination(self.base_url)

    def count_tokens(self, text: str) -> int:
        return remote.rough_tokens(text)

    def generate(
        self, messages: list[dict[str, str]], seed: int = 0, deadline_s: float = 120.0
    ) -> Generator[str, None, Generated]:
        """Yields pieces of text as they come and returns the whole; closing it ends the request."""
        started = time.perf_counter()
        import httpx2

        home = os.environ.get("OPENAI_BASE_URL") or "https://api.openai.com/v1"
        secret = remote.key(os.environ.get(KEY, ""), KEY, self.base_url, home)
        messages = remote.sendable(messages)
        body, url = self._body(messages, seed), f"{self.base_url}/chat/completions"

        def connect() -> httpx2.AsyncClient:
            held = remote.bounded(self.max_tokens, self.logprobs)
            held["headers"] |= remote.bearer(secret)
            return httpx2.AsyncClient(timeout=deadline_s + 5, follow_redirects=False, **held)

        async def talk(reply: remote.Reply) -> None:
            async with connect() as client, client.stream("POST", url, json=body) as response:
                await check(response)
                with suppress(httpx2.NetworkError, httpx2.RemoteProtocolError):  # an end without a reason, either way
                    async for event in httpx2.EventSource(response):
                        if event.data == "[DONE]":
                            return
                        if event.data:
                            _take(remote.message(event.data), reply)
            if not (reply.shown.text or reply.reason):  # llama.cpp's server tells why only where nothing is streamed
                small = {name: value for name, value in body.items() if not name.startswith("stream")}
                async with connect() as client:  # anew: it leaves the first connection unusable
                    await check(await client.post(url, json={**small, self._limit(): 1}))

        async def check(response: httpx2.Response) -> None:
            if response.status_code != 200:
                again = response.headers.get("retry-after")
                raise remote.refused(response.status_code, await response.aread(), again, KEY, secret)

        steps = remote.converse(talk, messages, self.model, self.max_tokens, self.retries, started, deadline_s)
        return (yield from remote.of_schema(steps, self.json_schema))

    def _body(self, messages: list[dict[str, str]], seed: int) -> dict[str, Any]:
        body = {
            "model": self.model,
            "messages": messages,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "seed": seed,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if self.stop:
            body["stop"] = list(self.stop)
        if schema := structured.of_object(self.json_schema):
            tree = structured.read(schema)
            asked = {"name": "answer", "strict": True, "schema": tree if self.extended else structured.closed(tree)}
            body["response_format"] = {"type": "json_schema", "json_schema": asked}
        if self.logprobs:
            body |= {"logprobs": True, "top_logprobs": self.logprobs}
        if self.extended:  # both spellings of the penalty: llama.cpp's and vLLM's
            body |= {
                "top_k": self.top_k,
                "min_p": self.min_p,
                "repeat_penalty": self.repeat_penalty,
                "repetition_penalty": self.repeat_penalty,
            }
        return {**body, self._limit(): self.max_tokens}

    def _limit(self) -> str:
        return "max_tokens" if self.extended else "max_completion_tokens"


def _take(chunk: dict[str, Any], reply: remote.Reply) -> None:
    """Adds one event of the stream to the answer."""
    if chunk.get("error"):
        raise remote.Fault("the endpoint reported an error within its stream", again=True)
    reply.named(chunk.get("model"))
    reply.usage = _usage(chunk.get("usage")) or reply.usage
    for choice in chunk["choices"][:1]:  # the last event holds none, only the usage
        delta = choice.get("delta") or {}
        reply.add(delta.get("content") or "")
        for token in (choice.get("logprobs") or {}).get("content") or []:
            top = tuple(_odds(other) for other in token.get("top_logprobs") or [])
            reply.tokens.append(Token(*_odds(token), top))
        if delta.get("refusal"):
            reply.reason = "failed: refusal"
        if ended := choice.get("finish_reason"):
            reply.reason = reply.reason or REASONS.get(ended, f"failed: it ended with {valid(str(ended))!s:.40}")


def _odds(entry: dict[str, Any]) -> tuple[str, float]:
    """(token, natural log-probability); what JSON has no number for, such as -Infinity, is no measurement."""
    logprob = float(entry["logprob"])
    if not math.isfinite(logprob):
        raise ValueError("a log-probability that is no number")
    return valid(str(entry["token"])), logprob


def _usage(counts: Any) -> Usage | None:
    if not isinstance(counts, dict):
        return None
    details = counts.get("prompt_tokens_details")
    told = details.get("cached_tokens") if isinstance(details, dict) else None
    prompt, cached = remote.count(counts.get("prompt_tokens")), 0 if told is None else remote.count(told)
    fresh = None if prompt is None or cached is None else prompt - cached
    return remote.usage(fresh, remote.count(counts.get("completion_tokens")), cached)
