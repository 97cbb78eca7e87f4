"""From retrieved chunks to an answer with citations, or to an honest "I don't know."."""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from core import registry
from core.answering.one_prompt import OnePrompt
from core.answering.protocol import USUAL_S, Material
from core.config import ContextConfig, PartConfig
from core.context.passages import copies_note, distinct
from core.context.prompt import UNKNOWN
from core.context.surroundings import Surroundings
from core.generation.loading import loaded
from core.generation.receipt import Comparison, compare
from core.records import Answer, Hit, Progress


def answer(
    question: str,
    hits: list[Hit],
    generator: PartConfig,
    context: ContextConfig,
    seed: int = 0,
    retrieval_ms: float = 0.0,
    deadline_s: float = USUAL_S,
    answering: PartConfig | None = None,
    search: Callable[[str], list[Hit]] | None = None,
    source: Surroundings | None = None,
    desk: Mapping[str, Any] | None = None,
) -> Generator[str | Progress, None, Answer]:
    """Yields the answer's text as it comes (pieces may be "", and Progress while the model loads) and returns the whole.

    answering: how it is written (default: by one prompt). search: other passages for another text, where that asks for them.
    desk: what tools of agents work with besides, likewise.

    Nothing is generated, and the finish reason is "abstained", where there are no hits or none of them reaches the
    threshold of dense similarity. Hits without a dense score (sparse retrieval alone) cannot be judged by it and pass.
    """
    best, way = best_similarity(hits[: context.passages]), answering or OnePrompt()
    if not hits or (best is not None and best < context.threshold):
        yield UNKNOWN
        return Answer(UNKNOWN, tuple(hits[: context.passages]), (), "abstained", retrieval_ms=retrieval_ms)
    way.check(generator)
    chosen, copies = distinct(hits, context)
    started, spent = time.perf_counter(), []
    yield from loaded(generator)
    opened = time.perf_counter()
    until = opened + deadline_s
    made = yield from way.write(Material(question, chosen, generator, context, until, seed, search, source, spent, desk or {}))
    return replace(
        made,
        retrieval_ms=retrieval_ms,
        way=way.model_dump(mode="json"),
        notes=(*copies_note(copies), *made.notes),
        loading_ms=1000 * (opened - started),
        context_ms=1000 * sum(spent),
    )


def answer_again(
    question: str,
    first: Answer,
    generator: PartConfig,
    context: ContextConfig,
    search: Callable[[str], list[Hit]] | None = None,
    source: Surroundings | None = None,
    desk: Mapping[str, Any] | None = None,
    ranking: Sequence[Hit] = (),
) -> Generator[str | Progress, None, tuple[str, Comparison]]:
    """The same question and passages once more, written in the first answer's way with the settings and the seed of its
    receipt: (text, comparison). desk: of the tools of agents, without `effects`: nothing is written a second time. ranking: what the first
    answer began with, of a way that makes several prompts, each of which chooses, cuts and orders its passages; without it, as they were
    read."""
    generator, made = type(generator).model_validate(first.receipt.settings), first.receipt
    way = registry.find("answering", first.way["part"]).model_validate(first.way) if first.way else OnePrompt()
    yield from loaded(generator)
    until = time.perf_counter() + way.deadline_s()
    hits = distinct(list(ranking), context)[0] or list(first.hits)[: first.detail.get("first")]  # those that it began with
    if not ranking:  # all that is done of these passages already
        settings = {"order": "best_first", "duplicates": 1.0, "hand_on": "chunk", "compress": 1.0, "passages": max(1, len(hits))}
        context = context.model_copy(update=settings)
    second = yield from way.write(Material(question, hits, generator, context, until, made.seed, search, source, desk=desk or {}))
    comparison = compare(generator, first, second, first.hits, made, second.receipt, style=first.citations)
    return second.text or second.finish_reason, comparison


def best_similarity(hits: list[Hit]) -> float | None:
    """The highest dense score among the hits, None where no hit has one."""
    return max((hit.scores["dense"] for hit in hits if "dense" in hit.scores), default=None)
