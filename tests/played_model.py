"""A language model of forty words that answers in microseconds, in the place of llama.cpp's engine."""

from types import SimpleNamespace

import numpy as np

from core.generation.llama_engine import LlamaCpp, Read

WORDS = ["<end>", "\n", "<b>", *(f" {word}" for word in (
    "the market of Lund Gent Pisa opens at five six seven eight and closes late nearby stands an old mill in town it is not known "
    "when where who ever never soon [1]").split()), "."]  # fmt: skip
END = 0


class Played:
    """`runs`: what the model was asked for, so that a test can see that it was not run."""

    def __init__(self) -> None:
        self.runs: list[tuple[int, ...]] = []
        self.llama = SimpleNamespace(
            n_vocab=lambda: len(WORDS), tokenize=lambda data, **_: self.tokenize(data.decode())
        )

    def tokenize(self, text: str) -> list[int]:
        return [1 + sum(word.encode()) % (len(WORDS) - 1) for word in text.split()]

    def logits(self, prompt: Read, written: tuple[int, ...]) -> np.ndarray:
        self.runs.append(tuple(written))
        rng = np.random.default_rng([*prompt.tokens, 99, *written])
        found = rng.normal(scale=2.5, size=len(WORDS)).astype(np.float32)
        found[END] = -20.0 if len(written) < 5 else 10.0 + len(written)
        return found

    def _text_of(self, token: int) -> str:
        return WORDS[token]

    def _bytes_of(self, token: int) -> bytes:
        return WORDS[token].encode()

    def _ends(self, token: int) -> bool:
        return token == END


def play(monkeypatch) -> Played:
    played = Played()

    def read(self, messages):
        text = "\n".join(message["content"] for message in messages)
        tokens = played.tokenize(text)
        return Read(text, tokens, [len(tokens)])

    monkeypatch.setattr(LlamaCpp, "load", lambda self: played)
    monkeypatch.setattr(LlamaCpp, "read", read)
    monkeypatch.setattr(LlamaCpp, "identity", lambda self: f"played {self.model}")
    monkeypatch.setattr(LlamaCpp, "next_logits", lambda self, prompt, written=(): played.logits(prompt, tuple(written)))
    return played
