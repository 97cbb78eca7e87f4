"""Beam and contrastive search on a prompt."""

import time
from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import numpy as np

from core import registry
from core.config import PartConfig, TrialConfig
from core.generation.loading import loaded
from core.labs.sampling.prompts import Reading, token_texts
from core.progress import Running
from core.records import Progress
from core.sampling.search import ContrastiveStep, HiddenStates, beam_search, contrastive_search, torch_states
from core.sampling.writing import rate, room


class Continuation(NamedTuple):
    """A beginning that a search holds open, or a text that it found."""

    text: str
    tokens: tuple[int, ...]
    logprob: float  # sum over its tokens, natural logarithm, under the model itself
    score: float | None = None  # what beam search compares; None: contrastive search
    ended: bool = False  # by itself, not by its length


class Searched(NamedTuple):
    """What a search found, best first. chosen: its choices token by token, of contrastive search alone."""

    lines: list[Continuation]
    chosen: list[ContrastiveStep]
    first_s: float
    seconds: float

    @property
    def tokens_per_s(self) -> float | None:
        return rate(len(self.lines[0].tokens), self.seconds - self.first_s)


def searcher(part: PartConfig) -> PartConfig:
    """The engine that searches with this part's model and what it wears: it reads several texts at once and shows its hidden states,
    in this process."""
    if part.part == "transformers":
        return part.model_copy(update={"own_process": "no"})
    worn = {"adapter": part.adapter, "adapter_scale": part.adapter_scale}
    return registry.find("generator", "transformers")(model=part.model, own_process="no", **worn)


def _states(part: PartConfig) -> HiddenStates:
    """Of the part's model, wearing its adapter."""
    engine = part.load()
    read = torch_states(engine)

    def asked(texts: list[tuple[int, ...]]) -> Any:
        with engine.lock:
            engine.ready(part)  # each time: an answer that came between may have worn another
        return read(texts)

    return asked


def search(
    config: TrialConfig, reading: Reading, how: PartConfig, max_tokens: int
) -> Generator[Progress | list[Continuation], None, Searched]:
    """Beam or contrastive search on the prompt; yields what is open after each token, best first."""
    part, ends = config.generation, config.generation.ends()
    most = room(part, reading.prompt, max_tokens)
    yield from loaded(searcher(part))
    states, prompt = _states(searcher(part)), tuple(reading.prompt.tokens)
    started, first_s, chosen, logprob = time.perf_counter(), 0.0, [], 0.0
    if how.part == "beam":
        steps = beam_search(
            lambda texts: states(texts)[0], prompt, width=how.width, max_tokens=most, length_penalty=how.length_penalty, stop=ends
        )
    else:
        steps = contrastive_search(states, prompt, k=how.k, alpha=how.alpha, max_tokens=most, stop=ends)

    def line(tokens: Sequence[int], logprob: float, score: float | None) -> Continuation:
        text = b"".join(part.bytes_of(token) for token in tokens if token not in ends).decode("utf-8", "replace")
        return Continuation(text, tuple(tokens), logprob, score, tokens[-1] in ends)

    for step in (running := Running(steps)):
        first_s = first_s or time.perf_counter() - started
        if how.part == "contrastive":
            chosen.append(step)
            logprob += float(np.log(step.probability[step.candidates == step.token][0]))
            yield [line([choice.token for choice in chosen], logprob, None)]
        else:
            yield [line(beam.tokens, beam.logprob, beam.score) for beam in step]
    if how.part == "beam":
        lines = [line(beam.tokens, beam.logprob, beam.score) for beam in running.result]
    else:
        lines = [line(running.result, logprob, None)]
    return Searched(lines, chosen, first_s, time.perf_counter() - started)


def choice_rows(config: TrialConfig, result: Searched) -> list[dict[str, Any]]:
    """A row a token of contrastive search: what it took, and what greedy choice would have."""
    rows = []
    for place, choice in enumerate(result.chosen, 1):
        taken = choice.candidates.tolist().index(choice.token)
        token, likeliest = token_texts(config, [choice.token, choice.candidates[0]])
        rows.append(
            {
                "place": place,
                "token": token,
                "probability": float(choice.probability[taken]),
                "similarity": float(choice.similarity[taken]),
                "score": float(choice.score[taken]),
                "took_another": taken > 0,
                "likeliest": likeliest,
                "likeliest_probability": float(choice.probability[0]),
            }
        )
    return rows
