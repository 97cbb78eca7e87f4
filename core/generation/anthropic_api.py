"""Answers from Anthropic's Claude models over the network."""

import os
import time
from collections.abc import Generator
from importlib.metadata import version
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, field_validator

from core.config import knob
from core.errors import WorkbenchError
from core.generation import knobs as shared
from core.generation import remote, structured
from core.generation.protocol import Generated, Stops, TextGenerator
from core.models.text import valid
from core.registry import part

REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "failed: refusal",
}
KEY = "ANTHROPIC_API_KEY"


@part("generator")
class Anthropic(TextGenerator):
    """A Claude model of Anthropic's service.

    Choose it as a strong reference beside the small local models, or as a reader of long contexts. The passages leave
    this machine, and every answer costs money (`core/generation/prices.yaml`). The service takes no temperature, top-p
    or seed: an answer does not repeat, so measure with repeats and study sampling on the local engines. The key is read
    from ANTHROPIC_API_KEY and sent only to the address in ANTHROPIC_BASE_URL (default https://api.anthropic.com).

    Anthropic API reference, "Messages" and "Streaming messages".
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    package: ClassVar[str] = "anthropic"
    part: Literal["anthropic"] = "anthropic"
    model: str = knob("claude-haiku-5-5", "Name of the model, as the service lists it.")
    effort: Literal["default", "low", "medium", "high"] = knob(
        "default", "How much the model thinks before it writes. Thinking counts as answer tokens, in price and limit."
    )
    max_tokens: int = knob(
        2048,
        "Thinking and answer are cut here, and the answer is marked as cut.",
        unit="tokens",
        ge=1,
        le=32768,
        label="Answer at most",
    )
    stop: Stops = shared.stop()
    json_schema: str = structured.remote_schema_knob()
    retries: int = knob(3, "Further tries after too many requests, errors of the service, or a broken connection.", ge=0, le=10)
    base_url: str = knob("https://api.anthropic.com", "Address of the service, or of a gateway to it.", label="Address")

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str) -> str:
        return remote.address(value)

    def identity(self) -> str:
        """Address and model by name: what really answers there cannot be known from here."""
        return f"{self.base_url} {self.model} anthropic {version('anthropic')}"

    def destination(self) -> str:
        return remote.destination(self.base_url)

    def count_tokens(self, text: str) -> int:
        return remote.rough_tokens(text)

    def generate(
        self, messages: list[dict[str, str]], seed: int = 0, deadline_s: float = 120.0
    ) -> Generator[str, None, Generated]:
        """Yields pieces of text as they come and returns the whole; closing it ends the request. The seed is not used."""
        started = time.perf_counter()
        home = os.environ.get("ANTHROPIC_BASE_URL") or "https://api.anthropic.com"
        secret = remote.key(os.environ.get(KEY, ""), KEY, self.base_url, home)
        if not secret and os.environ.get(KEY):
            raise WorkbenchError(
                f"Anthropic's key is not for {self.base_url}.",
                where="generation.base_url",
                todo="Make it the address in ANTHROPIC_BASE_URL, or the reverse if you trust it.",
            )
        if not secret:
            raise WorkbenchError("There is no key for Anthropic.", todo=f"Set the environment variable {KEY}.")
        import anthropic

        messages = remote.sendable(messages)
        body = self._body(messages)

        async def talk(reply: remote.Reply) -> None:
            # its own client would follow a redirect with the key
            held = remote.bounded(self.max_tokens)
            http = anthropic.DefaultAsyncHttpxClient(follow_redirects=False, timeout=deadline_s + 5, **held)
            async with anthropic.AsyncAnthropic(
                api_key=secret, base_url=self.base_url, max_retries=0, timeout=deadline_s, open_telemetry=False, http_client=http
            ) as client:
                try:
                    async for event in await client.messages.create(**body, stream=True):
                        _take(event, reply)
                except anthropic.APIStatusError as error:
                    if error.status_code == 200:
                        raise remote.Fault("the service reported an error within its stream", again=True) from None
                    raise remote.refused(
                        error.status_code, error.response.content, error.response.headers.get("retry-after"), KEY, secret
                    ) from None
                except anthropic.APIConnectionError as error:
                    raise (error.__cause__ or remote.Fault("the connection broke off", again=True)) from None
                except anthropic.APIError:
                    raise remote.Fault("the service sent something that is no message") from None

        steps = remote.converse(talk, messages, self.model, self.max_tokens, self.retries, started, deadline_s)
        return (yield from remote.of_schema(steps, self.json_schema))

    def _body(self, messages: list[dict[str, str]]) -> dict[str, Any]:
        system = "\n\n".join(message["content"] for message in messages if message["role"] == "system")
        body = {
            "model": self.model,
            "max_tokens": self.max_tokens,
            "messages": [message for message in messages if message["role"] != "system"],
        }
        if system:
            body["system"] = system
        if self.stop:
            body["stop_sequences"] = list(self.stop)
        asked: dict[str, Any] = {} if self.effort == "default" else {"effort": self.effort}
        if schema := structured.of_object(self.json_schema):
            asked["format"] = {"type": "json_schema", "schema": structured.closed(structured.read(schema))}
        return body | ({"output_config": asked} if asked else {})


def _take(event: Any, reply: remote.Reply) -> None:
    """Adds one event of the stream to the answer; what the model thinks is not part of it."""
    if event.type == "message_start":
        used = event.message.usage
        reply.named(event.message.model)
        reply.begun = remote.usage(
            remote.count(used.input_tokens),
            0,
            *(
                0 if told is None else remote.count(told)
                for told in (used.cache_read_input_tokens, used.cache_creation_input_tokens)
            ),
        )
    elif event.type == "content_block_delta" and event.delta.type == "text_delta":
        reply.add(event.delta.text)
    elif event.type == "message_delta" and event.delta.stop_reason:
        reason = event.delta.stop_reason
        reply.reason = REASONS.get(reason, f"failed: it ended with {valid(str(reason))!s:.40}")
        answer = remote.count(event.usage.output_tokens)
        reply.usage = reply.begun and remote.usage(*reply.begun._replace(answer=answer))
