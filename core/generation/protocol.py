"""What every generator part gives back, and what all of them do alike.

A generator part is a config with `generate(messages, seed, deadline_s)`, a generator of pieces of text that returns a
Generated, and with `identity()` and `count_tokens(text)`. Pieces may be "" so that the caller can stop at any time by
closing it; together they are the text. Closing frees the model, or ends the request.
"""

from typing import Annotated, NamedTuple

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


def stop_knob():
    return knob((), "Texts that end the answer, four at most; they are not part of it.", max_length=4)


def logprobs_knob():
    return knob(0, "So many of the likeliest tokens are kept at each place, with log-probabilities. 0 keeps none.",
                unit="tokens", ge=0, le=20)  # fmt: skip


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
