import time
from collections.abc import Generator
from typing import Literal

from core.config import knob
from core.errors import PromptTooLong
from core.generation.protocol import Generated, TextGenerator, finished
from core.registry import part


@part("generator")
class Echo(TextGenerator):
    """Repeats the last message, word by word. Choose it to try a pipeline without any model."""

    part: Literal["echo"] = "echo"
    model: str = knob("echo", "There is only one.")
    max_tokens: int = knob(200, "The answer is cut here, and marked as cut.", unit="tokens", ge=1, le=4096)
    context_tokens: int = knob(512, "Words that a prompt may have.", unit="tokens", ge=16, le=65536)

    def identity(self) -> str:
        return "echo, version 1"

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def generate(
        self, messages: list[dict[str, str]], seed: int = 0, deadline_s: float = 120.0
    ) -> Generator[str, None, Generated]:
        started, prompt = time.perf_counter(), "\n".join(message["content"] for message in messages)
        if (count := self.count_tokens(prompt)) > self.context_tokens:
            raise PromptTooLong(
                f"The prompt has {count:,} tokens and does not fit.",
                where="generation.context_tokens",
                todo="Raise generation.context_tokens, or give fewer passages.",
            )
        words, said, reason, first = messages[-1]["content"].split(), [], "stop", 0.0
        for word in words:
            if time.perf_counter() - started > deadline_s:
                reason = "deadline"
            elif len(said) == self.max_tokens:
                reason = "length"
            if reason != "stop":
                break
            said.append(word)
            first = first or (time.perf_counter() - started) * 1000
            yield word + " "
        text, reason = finished(" ".join(said), reason)
        total = (time.perf_counter() - started) * 1000
        return Generated(text, reason, prompt, count, None, len(said), first, total, self.model, "")
