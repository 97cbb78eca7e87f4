"""What the engines of this machine do alike: answers, tokens and logits of the loaded model, wherever it is loaded."""

import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Generator, Sequence
from typing import Any, ClassVar

from core.generation.copying import Copying
from core.generation.local_model import LocalModel
from core.generation.protocol import Generated, Read, TextGenerator
from core.jobs.child import end_others
from core.models.own_process import at_model
from core.progress import Running, counted
from core.records import Progress


class Local(TextGenerator):
    """Base of generator parts that load a model on this machine, and which have a knob `own_process`."""

    local: ClassVar[bool] = True

    @abstractmethod
    def opens(self) -> tuple[tuple, Callable[[], LocalModel]]:
        """(what decides which model is loaded and how, the function that loads it)."""

    @at_model
    def load(self) -> LocalModel | None:
        """The loaded model: one of this part in this process, loaded anew only when what `opens` tells changes; None where
        it is loaded in a process of its own."""
        key, opened = self.opens()
        with _loading.setdefault(self.part, threading.Lock()):
            if self.part not in _loaded or _loaded[self.part][0] != key:
                end_others(self.part)
                _loaded.pop(self.part, None)  # the old model's memory is free before the new one takes its own
                _loaded[self.part] = key, opened()
            return _loaded[self.part][1]

    @at_model
    def generate(
        self, messages: list[dict[str, str]], seed: int = 0, deadline_s: float = 120.0
    ) -> Generator[str, None, Generated]:
        """Yields pieces of text as they come and returns the whole; messages are {"role", "content"}.

        Pieces may be "" while the prompt is read or another answer holds the model, so that the caller can stop at any
        time by closing the generator.
        """
        return (yield from self._answered(messages, seed, deadline_s))

    @at_model
    def quote(
        self, messages: list[dict[str, str]], rules: Copying, seed: int = 0, deadline_s: float = 120.0
    ) -> Generator[str, None, Generated]:
        """As `generate`, of an answer that holds nothing but what the rules let through; a JSON schema does not bind it."""
        return (yield from self.model_copy(update={"json_schema": ""})._answered(messages, seed, deadline_s, rules))

    def _answered(
        self, messages: list[dict[str, str]], seed: int, deadline_s: float, rules: Copying | None = None
    ) -> Generator[str, None, Generated]:
        started = time.perf_counter()
        model = self.load()
        yield from model.acquire(started + deadline_s)
        try:
            return (yield from model.answer(self, messages, seed, started, started + deadline_s, rules))
        finally:
            model.lock.release()

    @at_model
    def generate_many(
        self, prompts: list[list[dict[str, str]]], seeds: list[int] | None = None, deadline_s: float = 120.0, batch: int = 8
    ) -> Generator[Progress, None, list[Generated]]:
        """One answer to each prompt, `batch` of them computed together; seeds default to 0, 1, 2 …

        Rows of a batch are computed with other rounding than alone, so a greedy answer may differ by a word.
        """
        started, answers = time.perf_counter(), {}
        seeds = list(range(len(prompts))) if seeds is None else seeds
        model = self.load()
        for _ in model.acquire(started + deadline_s):
            yield Progress(0, len(prompts), "waiting for the model")
        try:
            order = model.order(prompts)
            for at in range(0, len(prompts), batch):
                group = order[at : at + batch]
                steps = model.answers(self, [prompts[n] for n in group], [seeds[n] for n in group], started + deadline_s)
                for tokens in (running := Running(steps)):
                    yield Progress(at, len(prompts), f"{len(group)} answers at once, {tokens:,} tokens")
                answers.update(zip(group, running.result, strict=True))
            return [answers[n] for n in range(len(prompts))]
        finally:
            model.lock.release()

    @at_model
    def next_logits(self, prompt: Read, written: Sequence[int] = ()) -> Any:
        """Logits [vocabulary] float32 of the token that follows, the very numbers that `generate` has there.

        One step on from the call before costs one token.
        """
        model = self.load()
        with model.lock:
            return model.next_logits(self, prompt, written)

    @at_model
    def logits_of(self, prompt: Read, answer: Sequence[int]) -> Any:
        """Logits [len(answer), vocabulary] float32 from which each token of the answer was chosen: as long as writing it."""
        model = self.load()
        with model.lock:
            return model.logits_of(self, prompt, answer)

    @at_model
    def answer_logprobs(
        self, prompts: Sequence[list[dict[str, str]]], answers: list[str], deadline_s: float = 120.0
    ) -> Generator[Progress, None, list[list[list[float]]]]:
        """For each answer and prompt the natural log-probability of each token, that of an end behind the last."""
        until, model = time.perf_counter() + deadline_s, self.load()
        for _ in model.acquire(until):
            yield Progress(0, len(answers), "waiting for the model")
        try:
            for done in (running := Running(self._logprobs(model, prompts, answers, until))):
                yield Progress(done, len(answers), f"reading answers under {counted(len(prompts), 'passage')}")
            return running.result
        finally:
            model.lock.release()

    def _logprobs(
        self, model: LocalModel, prompts: Sequence[list[dict[str, str]]], answers: list[str], until: float
    ) -> Generator[int, None, list[list[list[float]]]]:
        return model.answer_logprobs(self, prompts, answers, until)

    @at_model
    def count_tokens(self, text: str) -> int:
        return len(self.load().tokenize(text))

    @at_model
    def read(self, messages: list[dict[str, str]]) -> Read:
        return self.load().prompt(messages)

    def holds(self, messages: list[dict[str, str]]) -> bool:
        """An answer is left the room that it may take, half of the window at most."""
        return len(self.read(messages).tokens) + min(self.max_tokens, self.context_tokens // 2) <= self.context_tokens

    @at_model
    def read_text(self, text: str) -> Read:
        """The text as it is, to be continued, without the marks of a chat."""
        return self.load().plain(text)

    @at_model
    def pieces(self, text: str) -> list[str]:
        engine = self.load()
        return [engine.text_of(token) for token in engine.tokenize(text)]

    @at_model
    def text_of(self, token: int) -> str:
        """The token by itself; half a character shows as a replacement character, a mark of the template by its name."""
        return self.load().text_of(token)

    @at_model
    def bytes_of(self, token: int) -> bytes:
        """What the token adds to an answer's UTF-8; nothing, for a mark of the template."""
        return self.load().bytes_of(token)

    @at_model
    def ends(self) -> frozenset[int]:
        """Every token that ends an answer."""
        return self.load().ends


_loading: dict[str, threading.Lock] = {}
_loaded: dict[str, tuple[tuple, LocalModel]] = {}
