"""Generators that break their contract, on an engine that repeats what it is asked."""

import time
from collections.abc import Generator
from typing import Literal

from core.config import knob
from core.errors import PromptTooLong
from core.generation.protocol import Generated, TextGenerator, finished
from tests.support.broken.breach import breach


class Echo(TextGenerator):
    """Repeats the last message, word by word. Choose it nowhere: it breaks nothing."""

    part: Literal["echo_of_tests"] = "echo_of_tests"
    model: str = knob("echo", "There is only one.")
    max_tokens: int = knob(200, "The answer is cut here.", unit="tokens", ge=1, le=4096)

    def identity(self) -> str:
        return "echo of tests, version 1"

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def checked(self, count: int) -> None:
        if count > 512:
            raise PromptTooLong(f"The prompt has {count} tokens and does not fit.", todo="Give fewer passages.")

    def ends(self, said: list[str], late: bool) -> str:
        return "deadline" if late else "length" if len(said) == self.max_tokens else ""

    def generate(
        self, messages: list[dict[str, str]], seed: int = 0, deadline_s: float = 120.0
    ) -> Generator[str, None, Generated]:
        started, prompt, said, reason = time.perf_counter(), messages[-1]["content"], [], "stop"
        self.checked(count := self.count_tokens(prompt))
        for word in prompt.split():
            if end := self.ends(said, time.perf_counter() - started > deadline_s):
                reason = end
                break
            said.append(word)
            yield word + " "
        text, reason = finished(" ".join(said), reason)
        total = (time.perf_counter() - started) * 1000
        return Generated(text, reason, prompt, count, None, len(said), total, total, self.model, "")


def generator(words: str, name: str, **members) -> None:
    breach("generator", words, Echo, name, **members)


def nothing(self, messages, seed=0, deadline_s=120.0):
    yield from Echo.generate(self, messages, seed, deadline_s)


def other_text(self, messages, seed=0, deadline_s=120.0):
    result = yield from Echo.generate(self, messages, seed, deadline_s)
    return result._replace(text=result.text.upper())


def goes_on(self, messages, seed=0, deadline_s=120.0):
    try:
        return (yield from Echo.generate(self, messages, seed, deadline_s))
    except GeneratorExit:
        yield "more"


def overflow(self, count):
    if count > 512:
        raise ValueError("context overflow")


generator("end it by `return Generated(", "returns_nothing", generate=nothing)
generator("yield all of the text and nothing else", "other_text", generate=other_text)
generator("stop at `max_tokens`", "ignores_max_tokens", ends=lambda self, said, late: "deadline" if late else "")
generator("let GeneratorExit pass", "ignores_closing", generate=goes_on)
generator("what the user can mend is a `WorkbenchError`", "bare_exception", checked=overflow)
generator(
    "look at the clock before each piece", "ignores_the_deadline", ends=lambda self, said, late: Echo.ends(self, said, False)
)
