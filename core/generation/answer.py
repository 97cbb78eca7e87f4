"""From retrieved chunks to an answer with citations, or to an honest "I don't know."."""

from collections.abc import Generator

from core.config import ContextConfig, PartConfig
from core.generation.prompt import UNKNOWN, build, cited
from core.records import Answer, Hit


def answer(
    question: str,
    hits: list[Hit],
    generator: PartConfig,
    context: ContextConfig,
    seed: int = 0,
    retrieval_ms: float = 0.0,
    deadline_s: float = 120.0,
) -> Generator[str, None, Answer]:
    """Yields the answer's text as it comes (pieces may be "") and returns the whole.

    Nothing is generated, and the finish reason is "abstained", where there are no hits or none of them reaches the
    threshold of dense similarity. Hits without a dense score (sparse retrieval alone) cannot be judged by it and pass.
    """
    best = best_similarity(hits)
    if not hits or (best is not None and best < context.threshold):
        yield UNKNOWN
        return Answer(UNKNOWN, tuple(hits[: context.passages]), (), "abstained", retrieval_ms=retrieval_ms)
    prompt = build(question, hits, context, generator.count_tokens)
    generated = yield from generator.generate(prompt.messages, seed, deadline_s)
    return Answer(
        text=generated.text, hits=prompt.used, cited=cited(generated.text, len(prompt.used)),
        finish_reason=generated.finish_reason, prompt=generated.prompt, prompt_tokens=generated.prompt_tokens,
        reused_tokens=generated.reused_tokens,
        answer_tokens=generated.answer_tokens, retrieval_ms=retrieval_ms, first_token_ms=generated.first_token_ms,
        generation_ms=generated.generation_ms, model=f"{generated.model} (sha256 {generated.model_sha256[:12]})",
    )  # fmt: skip


def best_similarity(hits: list[Hit]) -> float | None:
    """The highest dense score among the hits, None where no hit has one."""
    return max((hit.scores["dense"] for hit in hits if "dense" in hit.scores), default=None)
