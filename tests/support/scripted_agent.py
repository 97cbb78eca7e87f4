"""An engine that writes the steps of a script, in the place of a model: calls as an agent makes them, and texts."""

import json
from collections.abc import Callable, Generator
from typing import Any

from core.generation.llama_engine import LlamaCpp
from core.generation.protocol import Generated, finished

Step = str | tuple[str, dict[str, Any]]


def call(tool: str, thought: str = "I think.", **arguments: Any) -> str:
    return json.dumps({"thought": thought, "call": {"tool": tool, **arguments}})


class ScriptedAgent:
    """`asked`: each prompt with the schema that bound it; `worn`: the adapter at each. The script is a list of texts, or a function of
    (messages, schema)."""

    def __init__(self, script: list[str] | Callable[[list[dict[str, str]], str], str]) -> None:
        self.asked: list[tuple[list[dict[str, str]], str]] = []
        self.worn: list[str] = []
        self._script = script

    def text(self, messages: list[dict[str, str]], schema: str) -> str:
        self.asked.append((messages, schema))
        if callable(self._script):
            return self._script(messages, schema)
        return self._script[min(len(self.asked), len(self._script)) - 1]

    def generate(
        self, part: Any, messages: list[dict[str, str]], seed: int = 0, deadline_s: float = 120.0
    ) -> Generator[str, None, Generated]:
        self.worn.append(part.wears())
        text = self.text(messages, part.json_schema)
        yield text
        text, reason = finished(text, "stop" if deadline_s > 0 else "deadline")
        prompt = "\n".join(message["content"] for message in messages)
        return Generated(text if deadline_s > 0 else "", reason, prompt, 100, 0, 10, 1.0, 2.0, "scripted", "0", (), 0, None)

    def generate_many(
        self, part: Any, prompts: list[list[dict[str, str]]], seeds: Any = None, deadline_s: float = 120.0, batch: int = 8
    ) -> Generator[str, None, list[Generated]]:
        made = []
        for messages in prompts:
            made.append((yield from self.generate(part, messages)))
        return made


def play(monkeypatch: Any, script: Any) -> ScriptedAgent:
    """The bundled model's engine says what the script tells it; nothing is loaded."""
    scripted = ScriptedAgent(script)
    instead = {
        "load": lambda self: None,
        "identity": lambda self: "scripted 1",
        "converts": lambda self: False,
        "usable": lambda self: self,
        "holds": lambda self, messages: True,
        "count_tokens": lambda self, text: len(text.split()),
        "generate": lambda self, *asked, **more: scripted.generate(self, *asked, **more),
        "generate_many": lambda self, *asked, **more: scripted.generate_many(self, *asked, **more),
        "threads_in_use": lambda self: 1,
        "batch_tokens": lambda self: 1,
        "processor": lambda self: "",
    }
    for name, method in instead.items():
        monkeypatch.setattr(LlamaCpp, name, method)
    return scripted
