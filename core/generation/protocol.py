"""What every generator part is, what it gives back, and what all of them do alike. `docs/adding_a_part.md` shows the
smallest one, `tests/contract/test_generators.py` holds all."""

import re
from abc import abstractmethod
from collections.abc import Generator, Sequence
from itertools import accumulate
from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import Field

from core.config import PartConfig
from core.records import Token

OPENS, CLOSES = "<think>", "</think>"  # between them a model that thinks first writes its thoughts
CLOSED = re.compile(rf"(?:^|\n)[ \t]*{CLOSES}[ \t]*(?:\n|$)")  # a line of its own: thoughts that the prompt began
Stops = tuple[Annotated[str, Field(min_length=1)], ...]


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


class TextGenerator(PartConfig):
    """Base of generator parts, all of which have the knobs `model` and `max_tokens`. `Local` (local.py) is the base of those
    whose model runs on this machine; the rest is theirs to write where it differs from what stands here."""

    package: ClassVar[str] = ""  # that computes, or asks the service, as it is installed: its version is in receipts
    local: ClassVar[bool] = False  # its model runs on this machine: it hands out tokens, logits and what `Local` says
    mixes: ClassVar[bool] = False  # reads several prompts side by side and hands out what each says of the next token
    copies: ClassVar[bool] = False  # of its model file, in faster number formats: it has `weights`, `converts` and `choice`

    @abstractmethod
    def identity(self) -> str:
        """What besides the knobs decides the text."""

    @abstractmethod
    def count_tokens(self, text: str) -> int:
        """Tokens of the text as the model counts them, or about."""

    @abstractmethod
    def generate(
        self, messages: list[dict[str, str]], seed: int = 0, deadline_s: float = 120.0
    ) -> Generator[str, None, Generated]:
        """Yields pieces of text as they come and returns the whole. Pieces may be "" so that the caller can stop at any time
        by closing it, which frees the model, or ends the request; together they are the text.

        What the user can mend (a key, an address, a prompt beyond the context) is a WorkbenchError, what a service does is
        the finish reason "failed: <why>".
        """

    def holds(self, messages: list[dict[str, str]]) -> bool:
        """Whether its window holds the messages and the answer behind them, where it can tell."""
        return True

    def wears(self) -> str:
        """The adapter that it is told to wear, as `generation.adapter` has it; "": none, or it takes none."""
        return ""

    def usable(self) -> "TextGenerator":
        """The part as it can be used now, without work that it would do once."""
        return self

    def load(self) -> Any:
        """The model of this machine, loaded once; a remote one has nothing to load."""

    def converts(self) -> bool:
        """Whether the next `load` converts the model's file first: seconds to a minute."""
        return False

    def destination(self) -> str:
        """The host that question and passages are sent to; "": they stay on this machine."""
        return ""

    def threads_in_use(self) -> int | None:
        """Processor threads of this machine; None: it does not compute here."""
        return None

    def batch_tokens(self) -> int | None:
        """Prompt tokens evaluated together, where the rounding depends on it."""
        return None

    def processor(self) -> str:
        """What the engine uses of the processor, where it tells."""
        return ""

    def pieces(self, text: str) -> list[str] | None:
        """The text's tokens, as texts; None: it does not tell them."""
        return None


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


def finished(text: str, reason: str) -> tuple[str, str]:
    """(text, finish reason): blank text is no answer, whatever the reason the engine gave."""
    if reason.startswith("failed"):
        return "", reason
    if text := spoken(text).strip():
        return text, reason
    why = {"deadline": "no text before the deadline", "length": "the tokens allowed were used up before any text"}
    return "", f"failed: {why.get(reason, 'the model wrote nothing')}"


class ShownText:
    """Text as it grows, behind the thoughts that a model may begin with, and up to the first stop text; what may be the beginning of
    either is held back until it is known. thinks: the prompt has begun the thoughts."""

    def __init__(self, stops: Stops, thinks: bool = False) -> None:
        self.text, self.stopped, self._stops, self._shown = "", False, stops, 0
        self._before: str | None = OPENS * thinks  # what came, as long as it may be thoughts

    def add(self, piece: str, last: bool = False) -> str:
        """What can now be shown."""
        if self._before is not None:
            self._before += piece
            if (behind := _behind_thoughts(self._before, last)) is None:
                return ""
            piece, self._before = behind, None
        begin = max(0, len(self.text) - max(map(len, self._stops), default=0))
        self.text += piece
        if cuts := [at for stop in self._stops if (at := self.text.find(stop, begin)) >= 0]:
            self.text, self.stopped = self.text[: min(cuts)], True
        held = 0 if last or self.stopped else max((_started(self.text, stop) for stop in self._stops), default=0)
        shown, self._shown = self.text[self._shown : len(self.text) - held], len(self.text) - held
        return shown


def spoken(text: str) -> str:
    """The end of a whole text that stands behind its thoughts, which nobody asked for."""
    return CLOSED.split(_behind_thoughts(text, last=True) or "")[-1]


def spoken_tokens(tokens: Sequence[Token]) -> tuple[Token, ...]:
    """Those behind the thoughts that they begin with."""
    text = "".join(token.text for token in tokens)
    thoughts, ends = len(text) - len(spoken(text)), accumulate(len(token.text) for token in tokens)
    return tuple(token for token, end in zip(tokens, ends, strict=True) if end > thoughts or not thoughts)


def _behind_thoughts(text: str, last: bool) -> str | None:
    """None: it is not known yet what is no thought. last: nothing follows."""
    start = text.lstrip()
    if start.startswith(OPENS):
        _, closed, behind = start.partition(CLOSES)
        return behind if closed or last else None
    return text if last or not OPENS.startswith(start) else None


def _started(text: str, stop: str) -> int:
    """Length of the longest end of the text that a stop text begins with."""
    return next((size for size in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:size])), 0)
