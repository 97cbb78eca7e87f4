"""A judge that answers every prompt with what its words and the schema decide: in a process, or behind an address."""

import json
import random
import re
import time
from collections.abc import Callable, Generator
from hashlib import blake2b
from typing import Any, Literal

from core.config import knob
from core.generation.protocol import Generated, TextGenerator, finished
from core.generation.structured import remote_schema_knob
from tests.support.fake_endpoint import events, stream

WORDS = "the tower was built by Eiffel in Paris when bread rises".split()


def answer_of(tree: dict[str, Any], prompt: str) -> Any:
    """JSON of the schema, the same for the same prompt."""
    draw = random.Random(blake2b(prompt.encode("utf-8", "replace"), digest_size=8).digest())

    def made(node: dict[str, Any]) -> Any:
        if "$ref" in node:
            return made(tree["$defs"][node["$ref"].rpartition("/")[2]])
        if "enum" in node:
            return draw.choice(node["enum"])
        kinds = {
            "object": lambda: {name: made(inner) for name, inner in node["properties"].items()},
            "array": lambda: [made(node["items"]) for _ in range(draw.randint(1, 4))],
            "string": lambda: " ".join(draw.sample(WORDS, 4)),
            "integer": lambda: draw.randint(0, 1),
            "boolean": lambda: draw.random() < 0.5,
        }
        return kinds[node["type"]]()

    return made(tree)


class RecordedJudge(TextGenerator):
    """A subclass may say something else."""

    part: Literal["recorded"] = "recorded"
    model: str = "recorded"
    max_tokens: int = 200
    temperature: float = knob(0.0, "Above 0 a seed is another answer.", ge=0.0, le=2.0)
    json_schema: str = remote_schema_knob()

    def identity(self) -> str:
        return f"recorded {self.model}"

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def says(self, prompt: str, seed: int) -> str:
        return json.dumps(answer_of(json.loads(self.json_schema), f"{prompt} {seed * bool(self.temperature)}"))

    def generate(
        self, messages: list[dict[str, str]], seed: int = 0, deadline_s: float = 120.0
    ) -> Generator[str, None, Generated]:
        prompt = messages[-1]["content"]
        yield ""
        text, reason = finished(self.says(prompt, seed), "stop")
        return Generated(text, reason, prompt, 1, 0, 1, 0.0, 1.0, self.model, "")


def schema_in(body: dict[str, Any]) -> dict[str, Any]:
    """The schema that a request asks for: sent beside the prompt, or quoted in it, as ragas does."""
    if "json_schema" in (asked := body.get("response_format") or {}):
        return asked["json_schema"]["schema"]
    if "format" in (asked := body.get("output_config") or {}):
        return asked["format"]["schema"]
    prompt = body["messages"][-1]["content"]
    return json.loads(re.search(r"specified in JSON Schema:\n(\{.*\})Do not use single", prompt)[1])


def endpoint(says: Callable[[int, str], str | None] = lambda number, prompt: None):
    """A reply for `fake_endpoint.serving`: JSON of the schema asked for, streamed or whole. `says` gives other texts by the number
    of the request, from 1, and its prompt."""

    def send(handler) -> None:
        _, _, body = handler.server.requests[-1]
        number, prompt = len(handler.server.requests), body["messages"][-1]["content"]
        text = says(number, prompt)
        if text is None:
            text = json.dumps(answer_of(schema_in(body), prompt))
        if body.get("stream"):
            stream(events("anthropic" if "max_tokens" in body and "system" in body else "openai", text))(handler)
            return
        whole = {
            "id": "x", "object": "chat.completion", "created": int(time.time()), "model": "m-1",
            "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }  # fmt: skip
        sent = json.dumps(whole).encode()
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(sent)))
        handler.end_headers()
        handler.wfile.write(sent)

    return send
