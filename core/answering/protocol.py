"""What every way of answering is given, and what it gives back. `docs/adding_a_part.md` shows the smallest one,
`tests/contract/test_answering.py` holds all."""

import time
from abc import abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from core.config import ContextConfig, PartConfig
from core.context.citations import cited
from core.context.prompt import Prompt, build
from core.context.surroundings import Surroundings
from core.errors import WorkbenchError
from core.generation.model_texts import untaught
from core.generation.protocol import Generated
from core.generation.receipt import receipt
from core.records import Answer, Hit, Progress

USUAL_S = 120.0  # of writing one answer, where its way sets no limit of its own
Writing = Generator[str | Progress, None, Answer]


class Material(NamedTuple):
    """What an answer is written from. The generator's model is loaded, and there is a hit at least."""

    question: str
    hits: list[Hit]
    generator: PartConfig
    context: ContextConfig
    until: float  # by `time.perf_counter()`: the deadline, however many texts it takes
    seed: int = 0
    search: Callable[[str], list[Hit]] | None = None  # other passages for another text, by the same recipe
    source: Surroundings | None = None  # the documents, for passages that grow
    spent: list[float] | None = None  # takes the seconds that each prompt took to make
    desk: Mapping[str, Any] = MappingProxyType({})  # what tools of agents work with besides, as `ToolDesk` takes it

    def prompt(self, hits: Sequence[Hit], first: int = 1) -> Prompt:
        """The prompt over these hits by the recipe's context. first: number of the first passage."""
        started, tool = time.perf_counter(), self.generator
        made = build(self.question, hits, self.context, tool.count_tokens, self.source, tool.holds, first)
        if self.spent is not None:
            self.spent.append(time.perf_counter() - started)
        return made

    def prompt_over(self, hits: Sequence[Hit], **settings: Any) -> Prompt:
        """The prompt over all these hits, however many the recipe gives. settings: of its context, in the place of the recipe's."""
        return self._replace(context=self.context.model_copy(update={"passages": len(hits), **settings})).prompt(hits)

    @property
    def untaught(self) -> PartConfig:
        """The generator of what is no answer to a question over passages: the adapter that ships learnt those alone, and says to all else
        that it does not know."""
        return untaught(self.generator)

    @property
    def left_s(self) -> float:
        return max(0.0, self.until - time.perf_counter())


class Answering(PartConfig):
    """Base of the ways of answering."""

    @abstractmethod
    def write(self, material: Material) -> Writing:
        """Yields the answer's text as it comes (pieces may be "", and Progress) and returns the whole, by `whole`. It can be
        closed at any time. Together the pieces are the text, but for white space around it."""

    def texts(self, passages: int) -> int:
        """How many texts of the model an answer over so many passages takes at most, for what it is expected to take; 0: of none."""
        return 1

    def deadline_s(self) -> float:
        """So long an answer may take where nobody waits for less: the usual time, or what its own limit lets it take."""
        return USUAL_S

    def identity(self) -> str:
        """What besides its settings and the engine decides the text: of a way that has a model of its own."""
        return ""

    def check(self, generator: PartConfig) -> None:
        """Raises a WorkbenchError where this engine cannot answer so; loads nothing."""

    def needs_local(self, generator: PartConfig, why: str) -> None:
        if not generator.local:
            raise WorkbenchError(
                f"The engine {generator.part} cannot answer by {self.part}: {why}",
                where="answering.part",
                todo="Choose llama_cpp or transformers as generation.part, or one_prompt as answering.part.",
            )

    def needs_schema(self, generator: PartConfig) -> None:
        if "json_schema" not in type(generator).model_fields:
            raise WorkbenchError(
                f"The engine {generator.part} cannot answer by {self.part}: it takes no JSON schema, so its decisions cannot be read.",
                where="answering.part",
                todo="Choose llama_cpp, transformers or a service as generation.part, or one_prompt as answering.part.",
            )


def together(chosen: Generated, texts: Sequence[Generated], started: float, first_s: float | None = None) -> Generated:
    """A text with what all the texts took that were written on the way to it. first_s: until something of it could be shown;
    None: it came as a whole."""
    total_s = time.perf_counter() - started
    costs = [text.cost_usd for text in texts]
    return chosen._replace(
        prompt="\n\n".join(dict.fromkeys(text.prompt for text in texts)),
        prompt_tokens=None if None in (sizes := [text.prompt_tokens for text in texts]) else sum(sizes),
        reused_tokens=None if None in (reused := [text.reused_tokens for text in texts]) else sum(reused),
        answer_tokens=None if None in (lengths := [text.answer_tokens for text in texts]) else sum(lengths),
        first_token_ms=1000 * (total_s if first_s is None else first_s),
        generation_ms=1000 * total_s,
        retries=sum(text.retries for text in texts),
        cost_usd=None if None in costs else sum(costs),
    )


def whole(
    material: Material, generated: Generated, hits: tuple[Hit, ...], detail: dict[str, Any] | None = None, **others: Any
) -> Answer:
    """What came of one generation, as an answer over these passages. detail: what the way of answering tells besides;
    others: fields of the answer that are not the generation's, such as its citations."""
    fields = {
        "text": generated.text,
        "hits": hits,
        "cited": cited(generated.text, hits, material.context.citations),
        "citations": material.context.citations,
        "finish_reason": generated.finish_reason,
        "prompt": generated.prompt,
        "prompt_tokens": generated.prompt_tokens,
        "reused_tokens": generated.reused_tokens,
        "answer_tokens": generated.answer_tokens,
        "first_token_ms": generated.first_token_ms,
        "generation_ms": generated.generation_ms,
        "model": generated.model,
        "model_sha256": generated.model_sha256,
        "retries": generated.retries,
        "cost_usd": generated.cost_usd,
        "tokens": generated.tokens,
        "receipt": receipt(material.generator, generated, material.seed),
        "detail": detail or {},
    }
    return Answer(**{**fields, **others})
