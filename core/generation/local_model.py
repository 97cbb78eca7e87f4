"""What a model loaded on this machine does alike, whichever engine computes it: prompts are read piece by piece and what
they share is read once, answers grow token by token, and one caller at a time has the model.
"""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from core.errors import TOO_LONG, PromptTooLong, TooLate, WorkbenchError
from core.generation import structured
from core.generation.copying import Copier, Copying
from core.generation.odds import log_softmax
from core.generation.protocol import OPENS, Generated, Read, ShownText, spoken_tokens
from core.generation.refusing import Refusing, bent, refusing
from core.records import Token

Rules = structured.Grammar | Copying | Refusing


@dataclass
class Draft:
    """One answer as it grows."""

    prompt: Read
    room: int  # tokens it may have
    rules: Rules | None  # that bind it
    logprobs: int  # so many are kept at each place
    shown: ShownText
    decode: Callable[[int | None], str]  # what a token adds to the text; None: what is left at the end
    sampler: Any = None  # the engine's own
    follow: structured.Follower | Copier | None = None  # which tokens the rules let follow
    ids: list[int] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    reason: str = ""
    first_at: float = 0.0
    ended_at: float = 0.0

    def add(self, token: int, model: "LocalModel", logits: Callable[[], Any]) -> str:
        """Takes the next token, or ends with it; returns the text that can now be shown."""
        self.first_at = self.first_at or time.perf_counter()
        if token in model.ends:
            return self.end("stop")
        self.ids.append(token)
        if self.follow:
            self.follow.take(token)
        if self.logprobs:
            self.tokens.append(model.token(token, logits(), self.logprobs))
        piece = self.shown.add(self.decode(token))
        if self.shown.stopped or len(self.ids) >= self.room:
            return piece + self.end("stop" if self.shown.stopped else "length")
        return piece

    def bound(self, logits: Any) -> Any:
        """Logits [vocabulary] float32 of the next token, by the rules."""
        if isinstance(self.rules, Refusing):
            return logits if self.ids else bent(logits, self.rules)
        if self.follow is None:
            return logits
        tokens, masked = self.follow.allowed(), np.full(len(logits), -np.inf, np.float32)
        masked[tokens] = logits[tokens]
        return masked

    def forced(self) -> list[int]:
        """Tokens that have to come next, whatever the model says: a grammar's keys and brackets. None where each is to be told with its
        probability, or the answer has ended."""
        bound = isinstance(self.follow, structured.Follower) and not self.logprobs and not self.reason
        return self.follow.forced() if bound else []

    def end(self, reason: str) -> str:
        """Ends the answer; returns the text that was still held back."""
        self.reason, self.ended_at = reason, time.perf_counter()
        return "" if self.shown.stopped else self.shown.add(self.decode(None), last=True)


class LocalModel(ABC):
    """One loaded model with its attention cache. Only the holder of `lock` may call what computes: two answers at once
    would take the same cores from each other, and llama.cpp aborts the whole process when two threads use one context.

    It has a `name`, the `sha256` of its files, the size of its `vocabulary`, and `ends`, the tokens that end an answer.
    """

    piece: ClassVar[int]  # prompt tokens evaluated together: the caller can cancel in between
    name: str
    sha256: str
    vocabulary: int
    ends: frozenset[int]

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._held: tuple[list[int], list[int]] = [], []  # tokens in the attention cache, and the ends of their pieces

    @abstractmethod
    def tokenize(self, text: str, special: bool = False, begins: bool = False) -> list[int]:
        """special: marks of the template are read as such. begins: with what the model wants at the start of a text."""

    @abstractmethod
    def bytes_of(self, token: int) -> bytes:
        """What the token adds to an answer's UTF-8; nothing, for a mark of the template."""

    @abstractmethod
    def text_of(self, token: int) -> str:
        """The token by itself."""

    @abstractmethod
    def prompt(self, messages: list[dict[str, str]]) -> Read:
        """The whole prompt in the model's own chat template."""

    @abstractmethod
    def decoder(self) -> Callable[[int | None], str]:
        """See `Draft.decode`: a character may be spread over several tokens."""

    @abstractmethod
    def keep(self, tokens: int) -> int:
        """Drops what the attention cache holds beyond so many tokens; returns how many it could keep."""

    @abstractmethod
    def evaluate(self, tokens: list[int], at: int) -> None:
        """Brings these tokens into the attention cache, the first of them at this place."""

    @abstractmethod
    def logits(self) -> Any:
        """Of the token after the last one evaluated, [vocabulary] float32."""

    @abstractmethod
    def answer(
        self, knobs: Any, messages: list[dict[str, str]], seed: int, started: float, deadline: float, rules: Copying | None = None
    ) -> Generator[str, None, Generated]:
        """Yields pieces of the text as they come. rules: what it may hold, where its knobs do not say."""

    @abstractmethod
    def answers(
        self, knobs: Any, prompts: list[list[dict[str, str]]], seeds: list[int], deadline: float
    ) -> Generator[int, None, list[Generated]]:
        """One answer a prompt, all at once. Yields the number of tokens written so far."""

    def order(self, prompts: list[list[dict[str, str]]]) -> Sequence[int]:
        """Numbers of the prompts as they are best taken together."""
        return range(len(prompts))

    def acquire(self, deadline: float) -> Generator[str, None, None]:
        while not self.lock.acquire(timeout=0.05):
            if time.perf_counter() > deadline:
                raise WorkbenchError(
                    "The model was busy with another answer until the deadline.", todo="Try again, or stop the other answer."
                )
            yield ""

    def plain(self, text: str) -> Read:
        tokens = self.tokenize(text, begins=True)
        return Read(text, tokens, [*range(self.piece, len(tokens), self.piece), len(tokens)])

    def read(self, prompt: Read, reuse: int | None = None) -> Generator[int, None, None]:
        """Brings the prompt into the attention cache piece by piece; yields how many tokens are there, at first those
        that still were, `reuse` at most. At least the last piece is evaluated anew, so that its logits are at hand."""
        had, had_ends = self._held
        prefix, tokens = 0, prompt.tokens
        for end, other in zip(prompt.ends[:-1], had_ends, strict=False):
            if end != other or tokens[prefix:end] != had[prefix:end] or (reuse is not None and end > reuse):
                break
            prefix = end
        self._held = [], []  # until all is read: what a cancelled or failed call leaves behind is not known
        at = prefix = self.keep(prefix)
        yield prefix
        for end in prompt.ends:
            if end > prefix:
                self.evaluate(tokens[at:end], at)
                at = end
                yield end
        self._held = tokens, prompt.ends

    def next_logits(self, knobs: Any, prompt: Read, written: Sequence[int]) -> Any:
        for _ in self.read(self._with(knobs, prompt, written)):
            pass
        return self.logits()

    def logits_of(self, knobs: Any, prompt: Read, answer: Sequence[int]) -> Any:
        rows = np.empty((len(answer), self.vocabulary), np.float32)
        if len(answer):
            for done in self.read(self._with(knobs, prompt, answer[:-1]), reuse=len(prompt.tokens) - 1):
                if done >= len(prompt.tokens):
                    rows[done - len(prompt.tokens)] = self.logits()
        return rows

    def _with(self, knobs: Any, prompt: Read, written: Sequence[int]) -> Read:
        """The prompt and what was written, which is evaluated token by token, as an answer is."""
        size = len(prompt.tokens)
        self.room(knobs, size + len(written))
        ends = [*prompt.ends, *range(size + 1, size + len(written) + 1)]
        return Read(prompt.text, [*prompt.tokens, *written], ends)

    def room(self, knobs: Any, prompt_tokens: int) -> int:
        """Tokens left for the answer."""
        if prompt_tokens >= knobs.context_tokens:
            raise PromptTooLong(
                f"{TOO_LONG}has {prompt_tokens:,} tokens, and prompt and answer have room for {knobs.context_tokens:,}.",
                todo="Raise generation.context_tokens, or lower context.passages or context.max_tokens.",
            )
        return knobs.context_tokens - prompt_tokens

    def begun(self, messages: list[dict[str, str]]) -> Read:
        """The whole prompt; a last message of the assistant is the beginning of its answer, which goes on behind it."""
        if messages[-1]["role"] != "assistant":
            return self.prompt(messages)
        prompt, words = self.prompt(messages[:-1]), messages[-1]["content"]
        tokens = [*prompt.tokens, *self.tokenize(words)]
        ends = {*prompt.ends, *range(len(prompt.tokens) + self.piece, len(tokens), self.piece), len(tokens)}
        return Read(prompt.text + words, tokens, sorted(ends))

    @cached_property
    @abstractmethod
    def grammar_tokens(self) -> Any:
        """llguidance's table of the vocabulary; making it takes a second."""

    @cached_property
    def by_bytes(self) -> tuple[dict[bytes, list[int]], int]:
        """(what tokens add to a text -> those tokens, length of the longest)."""
        table: dict[bytes, list[int]] = {}
        for token in range(self.vocabulary):
            if words := self.bytes_of(token):
                table.setdefault(words, []).append(token)
        return table, max(map(len, table), default=0)

    def draft(self, knobs: Any, messages: list[dict[str, str]], rules: Copying | None = None) -> Draft:
        """An answer of which nothing is written yet."""
        prompt = self.begun(messages)
        room = self.room(knobs, len(prompt.tokens))
        most = min(room, knobs.max_tokens)
        if knobs.json_schema and rules is None:
            rules = structured.fitting(knobs.json_schema, room, knobs.context_tokens)
            # a token holds a byte or more: of a string's characters, which count as two, each has four at most; and one ends the answer
            most = min(room, 2 * rules.longest + 1)
        elif rules is None:
            rules = refusing(self, knobs.refusal, messages)
        follow: structured.Follower | Copier | None = None
        if isinstance(rules, structured.Grammar):
            follow = structured.Follower(rules, self.grammar_tokens)
        elif isinstance(rules, Copying):
            follow = Copier(rules, self)
        shown = ShownText(knobs.stop, thinks=not follow and prompt.text.rstrip().endswith(OPENS))
        return Draft(prompt, most, rules, knobs.logprobs, shown, self.decoder(), follow=follow)

    def token(self, token: int, logits: Any, most: int) -> Token:
        """A token of an answer, with so many of the likeliest ones at its place."""
        logprobs = log_softmax(logits.astype(np.float64))
        best = np.argpartition(-logprobs, most)[:most]
        best = best[np.argsort(-logprobs[best], kind="stable")]
        return Token(
            self.text_of(token), float(logprobs[token]), tuple((self.text_of(i), float(logprobs[i])) for i in best.tolist())
        )

    def generated(self, knobs: Any, draft: Draft, reused: int, started: float) -> Generated:
        """The answer as it is given back."""
        text, reason = structured.finished(draft.shown.text, draft.reason, knobs.json_schema)
        return Generated(
            text,
            reason,
            draft.prompt.text,
            len(draft.prompt.tokens),
            reused,
            len(draft.ids),
            1000 * max(0.0, draft.first_at - started),
            1000 * (draft.ended_at - started),
            self.name,
            self.sha256,
            spoken_tokens(draft.tokens) if text else (),
        )


def in_time(deadline: float) -> None:
    """Raises after it, by `time.perf_counter()`."""
    if time.perf_counter() > deadline:
        raise TooLate(
            "The answer's likelihood was not computed before the deadline.",
            todo="Lower context.passages, or choose a smaller model.",
        )
