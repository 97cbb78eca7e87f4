"""A language model of forty words that answers in microseconds, in the place of llama.cpp's engine."""

from collections.abc import Generator

import numpy as np

from core.generation.llama_engine import LlamaCpp
from core.generation.protocol import Generated, Read, ShownText, finished
from core.records import Progress

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
    """`runs`: what the model was asked for, so that a test can see that it was not run. `says`: its answers to whole prompts by
    their last message, in the place of its own words."""

    def __init__(self) -> None:
        self.runs: list[tuple[int, ...]] = []
        self.says: dict[str, str] = {}

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

    def generate_many(
        self, part: LlamaCpp, prompts: list[list[dict[str, str]]], seeds: list[int], deadline_s: float, batch: int
    ) -> Generator[Progress, None, list[Generated]]:
        """Word by word, within the part's limits; a seed is another answer where the part's temperature is above 0."""
        made = []
        for messages, seed in zip(prompts, seeds, strict=True):
            yield Progress(len(made), len(prompts), "playing")
            told = "\n".join(message["content"] for message in messages)
            prompt = self.read(f"{told} {seed}" if part.temperature else told)
            own = next((text.split(" ") for said, text in self.says.items() if messages[-1]["content"].endswith(said)), None)
            shown, count = ShownText(part.stop), 0
            while not shown.stopped and count < part.max_tokens:
                if own is None:
                    token = int(self.logits(prompt, tuple(range(count))).argmax())
                    piece = "" if token == END else WORDS[token]
                else:
                    self.runs.append((count,))
                    piece = " " * (count > 0) + own[count] if count < len(own) else ""
                if not piece:
                    break
                shown.add(piece)
                count += 1
            reason = "length" if count == part.max_tokens and not shown.stopped else "stop"
            text, reason = finished(shown.text, reason)
            made.append(Generated(text, reason, told, len(prompt.tokens), 0, count, 0.0, 1.0, "played", "0"))
        return made


def play(monkeypatch) -> Played:
    played = Played()
    for name, instead in {
        "load": lambda self: played,
        "converts": lambda self: False,
        "identity": lambda self: f"played {self.model}",
        "read": lambda self, messages: played.read("\n".join(message["content"] for message in messages)),
        "read_text": lambda self, text: played.read(text),
        "generate_many": lambda self, prompts, seeds, deadline_s, batch: played.generate_many(
            self, prompts, seeds, deadline_s, batch
        ),
        "next_logits": lambda self, prompt, written=(): played.logits(prompt, tuple(written)),
        "text_of": lambda self, token: WORDS[token],
        "bytes_of": lambda self, token: WORDS[token].encode(),
        "ends": lambda self: frozenset([END]),
        "count_tokens": lambda self, text: len(text.split()),
        "holds": lambda self, messages: True,
        "threads_in_use": lambda self: 1,
        "batch_tokens": lambda self: 1,
        "processor": lambda self: "",
    }.items():
        monkeypatch.setattr(LlamaCpp, name, instead, raising=False)
    return played
