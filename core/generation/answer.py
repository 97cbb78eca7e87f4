"""From retrieved chunks to an answer with citations, or to an honest "I don't know."."""

from collections.abc import Callable, Generator
from concurrent.futures import Future
from threading import Thread
from typing import Any

from core.config import ContextConfig, PartConfig
from core.context.prompt import UNKNOWN, build, cited
from core.generation.receipt import Comparison, again, receipt
from core.records import Answer, Hit, Progress


def answer(
    question: str,
    hits: list[Hit],
    generator: PartConfig,
    context: ContextConfig,
    seed: int = 0,
    retrieval_ms: float = 0.0,
    deadline_s: float = 120.0,
) -> Generator[str | Progress, None, Answer]:
    """Yields the answer's text as it comes (pieces may be "", and Progress while the model loads) and returns the whole.

    Nothing is generated, and the finish reason is "abstained", where there are no hits or none of them reaches the
    threshold of dense similarity. Hits without a dense score (sparse retrieval alone) cannot be judged by it and pass.
    """
    best = best_similarity(hits)
    if not hits or (best is not None and best < context.threshold):
        yield UNKNOWN
        return Answer(UNKNOWN, tuple(hits[: context.passages]), (), "abstained", retrieval_ms=retrieval_ms)
    yield from loaded(generator)
    prompt = build(question, hits, context, generator.count_tokens)
    generated = yield from generator.generate(prompt.messages, seed, deadline_s)
    return Answer(
        text=generated.text,
        hits=prompt.used,
        cited=cited(generated.text, len(prompt.used)),
        finish_reason=generated.finish_reason,
        prompt=generated.prompt,
        prompt_tokens=generated.prompt_tokens,
        reused_tokens=generated.reused_tokens,
        answer_tokens=generated.answer_tokens,
        retrieval_ms=retrieval_ms,
        first_token_ms=generated.first_token_ms,
        generation_ms=generated.generation_ms,
        model=generated.model,
        model_sha256=generated.model_sha256,
        retries=generated.retries,
        cost_usd=generated.cost_usd,
        tokens=generated.tokens,
        receipt=receipt(generator, generated, seed),
    )


def answer_again(
    question: str, first: Answer, generator: PartConfig, context: ContextConfig
) -> Generator[str | Progress, None, tuple[str, Comparison]]:
    """The same prompt once more with the settings and the seed of the first answer's receipt: (text, comparison)."""
    generator = type(generator).model_validate(first.receipt.settings)
    yield from loaded(generator)
    prompt = build(question, list(first.hits), context, generator.count_tokens)
    second, comparison = yield from again(generator, prompt.messages, first, first.receipt, len(first.hits))
    return second.text or second.finish_reason, comparison


def loaded(generator: PartConfig) -> Generator[Progress, None, None]:
    """Loads a model of this machine beside the caller, who can stop at any time: the load goes on and serves the next call."""
    if not generator.local:
        return
    what = "Converting the model, once" if generator.converts() else "Loading the model"
    yield from beside(generator.load, what)


def beside(work: Callable[[], Any], what: str) -> Generator[Progress, None, Any]:
    """Its result; it runs in a thread of its own, on to its end even where the caller leaves."""
    job: Future[Any] = Future()

    def run() -> None:
        try:
            job.set_result(work())
        except BaseException as error:
            job.set_exception(error)

    Thread(target=run, name="load", daemon=True).start()  # no pool: the app's end would wait for its thread
    while not job.done():
        try:
            job.exception(timeout=0.1)
        except TimeoutError:
            yield Progress(0, 0, what)
    return job.result()


def best_similarity(hits: list[Hit]) -> float | None:
    """The highest dense score among the hits, None where no hit has one."""
    return max((hit.scores["dense"] for hit in hits if "dense" in hit.scores), default=None)
