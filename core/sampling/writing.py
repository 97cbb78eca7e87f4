"""An answer written token by token by a chain of steps, with any engine that hands out its logits.

What the model said is remembered by what was written before it: a changed chain runs the model only where it leads to
tokens that were not written before.
"""

import codecs
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from core.config import PartConfig
from core.errors import WorkbenchError
from core.generation.protocol import Read
from core.progress import Running
from core.sampling.filters import History, Step
from core.sampling.trace import AnswerTrace, Pick, force, sample, trace_answer

KEPT = 512  # logits of one prompt, some 200 kB each
ALTERNATIVES = 8
Memory = dict[tuple[int, ...], np.ndarray]  # written tokens -> logits [vocab] of the one that follows


def next_logits(
    part: PartConfig, prompt: Read, memory: Memory, ran: Callable[[tuple[int, ...]], Any] = lambda written: None
) -> Callable[[Sequence[int]], np.ndarray]:
    """tokens -> logits [vocab] float32 of the one that follows; the model runs only for what `memory` does not hold, and `ran` is told."""
    size = len(prompt.tokens)

    def asked(tokens: Sequence[int]) -> np.ndarray:
        written = tuple(tokens[size:])
        logits = memory.get(written)
        if logits is None:
            if len(memory) >= KEPT:
                memory.pop(next(iter(memory)), None)
            logits = memory[written] = part.next_logits(prompt, written)
            ran(written)
        return logits

    return asked


@dataclass(frozen=True)
class Written:
    """An answer token by token. reason: stop or length."""

    steps: tuple[Step, ...]
    seed: int
    picks: tuple[Pick, ...]
    pieces: tuple[str, ...]  # text of each token, together the answer; "" for the end and for halves of a character
    reason: str
    seconds: float
    first_s: float
    ran: int  # so many times the model ran; the logits of the other tokens were at hand

    @cached_property
    def text(self) -> str:
        return "".join(self.pieces)

    @cached_property
    def traced(self) -> AnswerTrace:
        """Under the model itself, whatever the chain was."""
        logits = np.array([pick.logits for pick in self.picks]) if self.picks else np.zeros((0, 1))
        return trace_answer(logits, [pick.token for pick in self.picks], ALTERNATIVES)

    @property
    def tokens_per_s(self) -> float | None:
        return rate(len(self.picks), self.seconds - self.first_s)


def rate(tokens: int | None, seconds: float) -> float | None:
    """Tokens a second behind the first one, which took the reading of the prompt."""
    return (tokens - 1) / seconds if (tokens or 0) > 1 and seconds > 0 else None


def room(part: PartConfig, prompt: Read, max_tokens: int) -> int:
    """So many tokens the answer may have."""
    left = part.context_tokens - len(prompt.tokens)
    if left < 1:
        raise WorkbenchError(
            f"The prompt has {len(prompt.tokens):,} tokens, and prompt and answer have room for {part.context_tokens:,}.",
            todo="Raise generation.context_tokens, or shorten the prompt.",
        )
    return min(left, max_tokens)


def write(
    part: PartConfig,
    prompt: Read,
    memory: Memory,
    steps: Sequence[Step],
    *,
    seed: int,
    max_tokens: int,
    after: Written | None = None,
    at: int = 0,
    token: int = 0,
    begin: Sequence[int] = (),
) -> Generator[str, None, Written]:
    """Yields pieces of text. With `after`, its tokens before place `at` stand, `token` comes next, the rest is written anew.
    begin: tokens that the answer has to begin with, where there is none before."""
    most, stop, ran = room(part, prompt, max_tokens), part.ends(), []
    asked = next_logits(part, prompt, memory, ran.append)
    if after is None:
        start = History(tuple(prompt.tokens), len(prompt.tokens))
        picking = sample(asked, start, steps, max_tokens=most, seed=seed, stop=stop, forced=dict(enumerate(begin)))
    else:
        picking = force(asked, after.picks, at, token, steps, max_tokens=max(most, at + 1), seed=seed, stop=stop)
    picks, pieces, started, first_s = [], [], time.perf_counter(), 0.0
    decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a character may be spread over several tokens
    for pick in (running := Running(picking)):
        first_s = first_s or time.perf_counter() - started
        picks.append(pick)
        pieces.append("" if pick.token in stop else decoder.decode(part.bytes_of(pick.token)))
        yield pieces[-1]
    seconds = time.perf_counter() - started
    return Written(tuple(steps), seed, tuple(picks), tuple(pieces), running.result, seconds, first_s, len(ran))
