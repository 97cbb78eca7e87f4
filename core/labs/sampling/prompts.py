"""A prompt as the model reads it, and what its answer rests on.

The model's logits are kept by prompt and by what was written behind it, so that a changed chain runs the model only where
it leads to tokens that were not written before.
"""

from collections.abc import Generator, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from core.config import TrialConfig, fingerprint
from core.context.prompt import build
from core.errors import WorkbenchError
from core.generation.loading import beside, loaded
from core.generation.protocol import Read
from core.judging.containment import support
from core.pipeline.provenance import source_of
from core.records import Hit, Progress
from core.sampling.writing import Memory, Written, next_logits, room
from core.workbench import Workbench


class Reading(NamedTuple):
    """A prompt as the model reads it. key: identity of model and prompt."""

    prompt: Read
    messages: list[dict[str, str]]  # the same for engines that take messages
    hits: tuple[Hit, ...]  # passage n of the prompt is hits[n - 1]
    key: str


def reading(workbench: Workbench, config: TrialConfig, text: str, manner: str = "question") -> Reading:
    """manner: "question" over the passages that the recipe finds, "message" to the model alone, "text" to be continued."""
    part = config.generation
    if not part.local:
        raise WorkbenchError(
            f"The engine {part.part} does not return the probabilities of all tokens.",
            where="generation.part",
            todo="Choose llama_cpp or transformers under Generation.",
        )
    if not text.strip():
        raise WorkbenchError("The prompt is empty.", todo="Type a text, or choose a question.")
    key = fingerprint(config, part.identity(), workbench.corpus(config).fingerprint, text, manner)
    return workbench.pipeline.remember("reading", key, lambda: _reading(workbench, config, text, manner))


def _reading(workbench: Workbench, config: TrialConfig, text: str, manner: str) -> Reading:
    part, hits, messages = config.generation, (), [{"role": "user", "content": text}]
    if manner == "question":
        ranked, source = workbench.search(config, text), source_of(workbench.pipeline, workbench.resolve(config))
        made = build(text, ranked, config.context, part.count_tokens, source, part.holds)
        hits, messages = made.used, made.messages
    prompt = part.read_text(text) if manner == "text" else part.read(messages)
    room(part, prompt, 1)
    return Reading(prompt, messages, hits, fingerprint(part.identity(), prompt.tokens, prompt.ends))


def remembered(workbench: Workbench, reading: Reading) -> Memory:
    """The logits of this prompt that are at hand: written tokens -> [vocab]."""
    return workbench.pipeline.remember("logits", reading.key, dict)


def first_logits(workbench: Workbench, config: TrialConfig, reading: Reading) -> np.ndarray:
    """Logits of the answer's first token."""
    return next_logits(config.generation, reading.prompt, remembered(workbench, reading))(reading.prompt.tokens)


class Opened(NamedTuple):
    reading: Reading
    ran: bool  # the model read the prompt now; else its logits were at hand


def read(workbench: Workbench, config: TrialConfig, text: str, manner: str) -> Generator[Progress, None, Opened]:
    """Loads the model, searches the passages and reads the prompt, beside the caller, who can stop waiting at any time."""
    yield from loaded(config.generation)

    def first() -> Opened:
        prompt = reading(workbench, config, text, manner)
        ran = () not in remembered(workbench, prompt)
        first_logits(workbench, config, prompt)
        return Opened(prompt, ran)

    return (yield from beside(first, "Reading the prompt"))


def token_texts(config: TrialConfig, tokens: Iterable[int]) -> list[str]:
    return [config.generation.text_of(int(token)) for token in tokens]


class AnswerSentence(NamedTuple):
    """A sentence of an answer: how sure the model was of it, and the passage whose words it repeats most."""

    text: str
    passage: int | None  # from 1; None: no passage was given, or none shares a word sequence
    containment: float
    probability: float  # geometric mean over its tokens, under the model itself
    least: int  # place of its least probable token


def sentences(written: Written, hits: Sequence[Hit]) -> list[AnswerSentence]:
    ends = np.cumsum([len(piece) for piece in written.pieces])
    starts, traced, sentences = ends - [len(piece) for piece in written.pieces], written.traced, []
    whole = support(written.text, hits) or support(written.text, [Hit(1, 0.0, "", "", 0, 0, written.text)])
    for sentence in whole:
        inside = np.flatnonzero((ends > sentence.start) & (starts < sentence.end))
        logprobs = traced.logprob[inside]
        passage = sentence.passage if hits and sentence.containment > 0 else None
        sentences.append(
            AnswerSentence(
                written.text[sentence.start : sentence.end],
                passage,
                sentence.containment if passage else 0.0,
                float(np.exp(logprobs.mean())),
                int(inside[np.argmin(logprobs)]),
            )
        )
    return sentences
