"""What every generator part gives back, and what all of them do alike.

A generator part is a config with `generate(messages, seed, deadline_s)`, a generator of pieces of text that returns a
Generated, and with `identity()` and `count_tokens(text)`. Pieces may be "" so that the caller can stop at any time by
closing it; together they are the text. Closing frees the model, or ends the request.
"""

import re
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from core.config import knob

Stops = tuple[Annotated[str, Field(min_length=1)], ...]


class Token(NamedTuple):
    """One token of an answer. Log-probabilities are natural ones of the model itself, before any sampling filter."""

    text: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()  # (text, logprob) of the likeliest tokens here, best first


class Generated(NamedTuple):
    """One finished generation. finish_reason: "stop", "length", "deadline" or "failed: <why>" (then text is "").

    None is unmeasured: an endpoint that does not count tokens, a model without a price.
    """

    text: str
    finish_reason: str
    prompt: str  # as the model read it, with the chat template's own marks; of a remote one what was sent
    prompt_tokens: int | None
    reused_tokens: int | None  # of the prompt, still in a cache from the call before
    answer_tokens: int | None
    first_token_ms: float
    generation_ms: float
    model: str
    model_sha256: str  # "" of a remote model; of a model folder the fingerprint of its files
    tokens: tuple[Token, ...] = ()  # where `logprobs` asks for them and the engine has them
    retries: int = 0
    cost_usd: float | None = None


class Read(NamedTuple):
    """A prompt as a model of this machine reads it.

    It is evaluated piece by piece, and what successive prompts share is reused in whole pieces only: a token's numbers
    depend slightly on how many were evaluated with it, enough to turn a greedy answer. So warm and cold give the same.
    """

    text: str
    tokens: list[int]
    ends: list[int]  # where a piece ends, ascending; the last is len(tokens)


def marked(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """The messages for a chat template, with a mark in the place of each content; `filled` puts the contents there."""
    return [{**message, "content": f"\ue000{i}\ue001"} for i, message in enumerate(messages)]


def filled(frame: str, messages: list[dict[str, str]], engine: Any, piece: int) -> Read:
    """The whole prompt of a frame that the template made of `marked`.

    Contents are tokenised apart from the template and without special tokens, so that no text of a document or question
    can end its turn, whatever marks this model uses. A piece ends before the last paragraph, which is where the question
    stands: another question on the same passages reads nothing else anew.
    """
    text, tokens, fixed = "", [], 0
    for i, part in enumerate(re.split("\ue000(\\d+)\ue001", frame)):
        words = messages[int(part)]["content"] if i % 2 else part
        text += words
        new = engine.tokenize(words, special=i % 2 == 0) if words else []
        if i % 2 and (shared := words.rfind("\n\n") + 2) > 1:
            fixed = len(tokens) + _whole(engine, new, len(words[:shared].encode("utf-8", "replace")))
        tokens += new
    ends = {*range(piece, fixed, piece), fixed, *range(fixed + piece, len(tokens), piece), len(tokens)} - {0}
    return Read(text, tokens, sorted(ends))


def _whole(engine: Any, tokens: list[int], size_bytes: int) -> int:
    """So many tokens lie wholly within the first bytes."""
    for count, token in enumerate(tokens):
        size_bytes -= len(engine.bytes_of(token))
        if size_bytes < 0:
            return count
    return len(tokens)


def stop_knob():
    return knob((), "Texts that end the answer, four at most; they are not part of it.", label="Stop texts", max_length=4)


def logprobs_knob():
    return knob(
        0,
        "So many of the likeliest tokens are kept at each place, with log-probabilities. 0 keeps none.",
        unit="tokens",
        ge=0,
        le=20,
    )


def finished(text: str, reason: str) -> tuple[str, str]:
    """(text, finish reason): blank text is no answer, whatever the reason the engine gave."""
    if reason.startswith("failed"):
        return "", reason
    if text.strip():
        return text.strip(), reason
    why = {"deadline": "no text before the deadline", "length": "the tokens allowed were used up before any text"}
    return "", f"failed: {why.get(reason, 'the model wrote nothing')}"


class Shown:
    """Text as it grows, up to the first stop text; what may be the beginning of one is held back until it is known."""

    def __init__(self, stops: Stops) -> None:
        self.text, self.stopped, self._stops, self._given = "", False, stops, 0

    def add(self, piece: str, last: bool = False) -> str:
        """What can now be shown."""
        begin = max(0, len(self.text) - max(map(len, self._stops), default=0))
        self.text += piece
        if found := [at for stop in self._stops if (at := self.text.find(stop, begin)) >= 0]:
            self.text, self.stopped = self.text[: min(found)], True
        held = 0 if last or self.stopped else max((_started(self.text, stop) for stop in self._stops), default=0)
        shown, self._given = self.text[self._given : len(self.text) - held], len(self.text) - held
        return shown


def _started(text: str, stop: str) -> int:
    """Length of the longest end of the text that a stop text begins with."""
    return next((size for size in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:size])), 0)
