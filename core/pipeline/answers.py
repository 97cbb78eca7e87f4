"""The records of the stage `answer`: what the key of one is made of, beside what the rows up to it say.

An answer is recorded as it was written, and held to the recipe's confidence when it is read (`confidence.py`): the key that a
recipe asks by is that of the record with the confidence behind it.

An answer is recorded twice. By its context: question and passages, and what the rows of `WRITTEN` say makes an answer of them (the
settings of prompt and writing, model, sampling, seed and code); that is told for hundreds of questions without a model. And by the
messages themselves (`generation.model_texts`): contexts that come to the same prompt are answered once, so n changed contexts write
n answers at most.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from core.answering.answer import best_similarity
from core.answering.one_prompt import OnePrompt
from core.config import code_version, fingerprint
from core.context.prompt import UNKNOWN, reads_titles
from core.generation.model_texts import UNFIT
from core.pipeline.confidence import context_of, doubt
from core.pipeline.pipeline import Pipeline
from core.pipeline.stages import WRITTEN, Resolved, records, writers
from core.records import Hit, Token, plain, read_token
from core.store.batches import batches

KIND = records("answer")
CLOSED = "Answer the question in one sentence."
LEAST = "@"  # in a key, before the confidence that the answer is held to

Span = tuple[str, int, int]  # document id, start, end
Given = tuple[tuple[Span, ...], ...]  # of each passage of a prompt, the spans that are read


class AskedContext(NamedTuple):
    """A question over a context. hits: made where they are asked for, best first; None: the question alone. asks: whether the
    model is; without similar passages nothing is."""

    question: str
    key: str
    hits: Callable[[], Sequence[Hit]] | None = None
    asks: bool = True


class KeptAnswer(NamedTuple):
    """An answer with the passages that stood in its prompt, in their order: each the spans of its document that were read."""

    text: str
    finish_reason: str
    shown: Given = ()
    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    seconds: float = 0.0  # its share of those that were written with it
    cost_usd: float | None = None
    tokens: tuple[Token, ...] = ()  # where the recipe asks for log-probabilities
    withheld: str = ""  # what the model wrote, of which it was less sure than the recipe asks for; not recorded
    detail: dict[str, Any] | None = None  # what its way of answering tells besides: an agent's steps

    @property
    def asked(self) -> bool:
        """Whether a model was asked for it, and could read its only prompt: what it took is else nothing, not unknown."""
        return bool(self.withheld or self.detail) or not self.finish_reason.startswith(("abstained", UNFIT))

    @property
    def passages(self) -> tuple[Span, ...]:
        return tuple(span for spans in self.shown for span in spans)


class Asker:
    """Makes the keys of a recipe's contexts; loads no model."""

    def __init__(self, run: Resolved) -> None:
        _, writing, model = (run.settings(row) for row in WRITTEN)
        context = context_of(run.config)
        one_prompt = isinstance(writing, OnePrompt)
        # the passages say these; who writes otherwise may search again and take so many passages
        left_out = {"threshold", "confidence", *(["passages"] if one_prompt and context.duplicates == 1 else [])}
        made_by: list[Any] = [context.model_dump(mode="json", exclude=left_out), writing.model_dump(mode="json")]
        made_by += [code_version(*writers(run.config)), *filter(None, [writing.identity()])]
        if context.hand_on != "chunk" or context.compress < 1:  # the documents and the encoder take part
            made_by += [run.corpus.fingerprint, run.key("chunks"), run.encoder]
        if reads_titles(context):  # they and the pages are in the stamp of the corpus' files, not in its fingerprint
            made_by += [run.stamp]
        if not one_prompt:
            made_by += [run.ranking_key(), run.config.retrieval.top_k]  # of what it searches it reads so many
        self._closed = fingerprint(model, code_version(run.config.generation), CLOSED)
        self._open, self._context = fingerprint(model, made_by), context

    def alone(self, question: str) -> AskedContext:
        """The question without passages."""
        return AskedContext(question, fingerprint(self._closed, question))

    def over(self, question: str, hits: Sequence[Hit]) -> AskedContext:
        """The question over this ranking."""
        best = best_similarity(list(hits[: self._context.passages]))
        shown = hits if self._context.duplicates < 1 else hits[: self._context.passages]
        return self.asking(question, best, [(hit.document_id, hit.start, hit.text) for hit in shown], lambda: shown)

    def asking(
        self, question: str, best: float | None, shown: Sequence[tuple[str, int, str]], hits: Callable[[], Sequence[Hit]]
    ) -> AskedContext:
        """best: dense similarity of the best passage, None where none has one; shown: document, start and text of each."""
        low = not shown or (best is not None and best < self._context.threshold)
        key, least = fingerprint(self._open, question, low, shown), self._context.confidence
        return AskedContext(question, f"{key}{LEAST}{least!r}" if least and not low else key, hits, not low)


def answers_of(pipeline: Pipeline, keys: Iterable[str]) -> dict[str, KeptAnswer]:
    """Of the keys those whose answers are recorded, each held to the confidence that its key asks for."""
    asked, memory = {key: key.partition(LEAST) for key in keys}, pipeline.remember("answers", "", dict)
    if absent := [key for key, _, _ in asked.values() if key not in memory]:
        memory |= {key: _answer(value) for key, value in batches(pipeline.home).read(KIND, absent).items()}
    return {key: held(memory[own], float(least or 0)) for key, (own, _, least) in asked.items() if own in memory}


def held(said: KeptAnswer, least: float) -> KeptAnswer:
    """The answer, or "I don't know." where the model is less sure of it."""
    if doubt(said.tokens, said.finish_reason, least) is None:
        return said
    return said._replace(text=UNKNOWN, finish_reason="abstained", withheld=said.text)


def keep(pipeline: Pipeline, run: Resolved, made: Mapping[AskedContext, KeptAnswer]) -> None:
    """Records these answers of the recipe, as they were written, all at once."""
    part, config = run.config.generation.usable(), run.config
    values = {asked.key.partition(LEAST)[0]: {**_recorded(said), "question": asked.question} for asked, said in made.items()}
    about = {"dataset": config.corpus.dataset, "config": config.model_dump(mode="json"), "seed": config.seed}
    about |= {"engine": part.part, "model": str(part.model), "identity": part.identity()}
    batches(pipeline.home).keep(KIND, values, **about)


def _recorded(said: KeptAnswer) -> dict[str, Any]:
    return {name: value for name, value in plain(said).items() if name != "withheld" and (name != "detail" or value)}


def _answer(value: dict[str, Any]) -> KeptAnswer:
    shown = tuple(tuple((name, start, end) for name, start, end in spans) for spans in value["shown"])
    tokens = tuple(read_token(each) for each in value["tokens"])
    return KeptAnswer(**{name: value[name] for name in KeptAnswer._fields if name in value} | {"shown": shown, "tokens": tokens})
