"""A language model of forty words that answers in microseconds, in the place of llama.cpp's engine."""

import numpy as np

from core.generation.llama_engine import LlamaCpp
from core.generation.protocol import Read

WORDS = [
    "<end>",
    "\n",
    "<b>",
    *(
        f" {word}"
        for word in (
            "the market of Lund Gent Pisa opens at five six seven eight and closes late nearby stands an old mill in town it is not known "
            "when where who ever never soon [1]"
        ).split()
    ),
    ".",
]
END = 0


class Played:
    """`runs`: what the model was asked for, so that a test can see that it was not run."""

    def __init__(self) -> None:
        self.runs: list[tuple[int, ...]] = []

    def tokenize(self, text: str) -> list[int]:
        return [1 + sum(word.encode()) % (len(WORDS) - 1) for word in text.split()]

    def read(self, text: str) -> Read:
        tokens = self.tokenize(text)
        return Read(text, tokens, [len(tokens)])

    def logits(self, prompt: Read, written: tuple[int, ...]) -> np.ndarray:
        self.runs.append(tuple(written))
        rng = np.random.default_rng([*prompt.tokens, 99, *written])
        found = rng.normal(scale=2.5, size=len(WORDS)).astype(np.float32)
        found[END] = -20.0 if len(written) < 5 else 10.0 + len(written)
        return found


def play(monkeypatch) -> Played:
    played = Played()
    for name, instead in {
        "load": lambda self: played,
        "converts": lambda self: False,
        "identity": lambda self: f"played {self.model}",
        "read": lambda self, messages: played.read("\n".join(message["content"] for message in messages)),
        "read_text": lambda self, text: played.read(text),
        "next_logits": lambda self, prompt, written=(): played.logits(prompt, tuple(written)),
        "text_of": lambda self, token: WORDS[token],
        "bytes_of": lambda self, token: WORDS[token].encode(),
        "ends": lambda self: frozenset([END]),
    }.items():
        monkeypatch.setattr(LlamaCpp, name, instead, raising=False)
    return played
