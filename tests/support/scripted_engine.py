"""A generator part for the ways of answering, which says what a `ScriptedAgent` tells it."""

from typing import Any, ClassVar

from core.generation.protocol import TextGenerator
from core.models.adapters import SHIPPED


class ScriptedEngine(TextGenerator):
    local: ClassVar[bool] = True
    playing_now: ClassVar[Any] = None
    part: str = "scripted_agent"
    model: str = "s"
    max_tokens: int = 200
    logprobs: int = 0
    json_schema: str = ""

    @classmethod
    def playing(cls, scripted: Any) -> "ScriptedEngine":
        cls.playing_now = scripted
        return cls()

    def identity(self):
        return "scripted 1"

    def count_tokens(self, text):
        return len(text.split())

    def generate(self, messages, seed=0, deadline_s=120.0):
        return (yield from ScriptedEngine.playing_now.generate(self, messages, seed, deadline_s))


class WornEngine(ScriptedEngine):
    """One that wears the adapter that ships, which learnt to answer from passages and to make no calls."""

    worn: ClassVar[list[str]] = []
    adapter: str = SHIPPED

    def wears(self) -> str:
        return self.adapter

    def generate(self, messages, seed=0, deadline_s=120.0):
        self.worn.append(self.adapter)
        return (yield from super().generate(messages, seed, deadline_s))
