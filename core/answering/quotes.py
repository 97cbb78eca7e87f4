"""Answers that are quotes of the passages, word by word, each with its place in a document."""

from collections.abc import Generator
from typing import Any, Literal, NamedTuple

from core.answering.protocol import Answering, Material, Writing, whole
from core.config import PartConfig, knob
from core.context.citations import BRACKETS
from core.context.prompt import UNKNOWN
from core.generation.copying import Copying, Evened, whole_words
from core.generation.protocol import Generated, finished
from core.progress import Running
from core.registry import part


class Quotable(NamedTuple):
    """A piece of a passage that may be quoted."""

    number: int  # of the passage
    document_id: str
    start: int  # of the piece, in the document
    passage: Evened


@part("answering")
class Quotes(Answering):
    """Only contiguous runs of the passages' words, or "I don't know.", are let through, by a grammar. Choose it over
    `one_prompt` where every word of an answer must have a place in a document.

    It bounds where words come from, not whether they answer: a small model quotes the wrong sentence as surely. An automaton
    over the passages' bytes (Willard and Louf 2023, arXiv:2307.09702, section 3) takes the part of the pointer of See et al.
    2017, arXiv:1704.04368, section 2.2. White space is evened. Engines of this machine only; their JSON schema is left aside.
    """

    part: Literal["quotes"] = "quotes"
    quotes: int = knob(
        2,
        "So many quotes at most, a line each. More answer what is said in several places, or ramble.",
        unit="quotes",
        ge=1,
        le=10,
    )

    def check(self, generator: PartConfig) -> None:
        self.needs_local(generator, "its service hands out no choice of tokens, so nothing holds it to the passages' words.")

    def write(self, material: Material) -> Writing:
        prompt = material.prompt(material.hits)
        sources = [
            Quotable(number, hit.document_id, start, Evened(hit.text[start - hit.start : end - hit.start]))
            for number, hit in enumerate(prompt.used, 1)
            for start, end in hit.excerpts or ((hit.start, hit.end),)
        ]
        passages = [source.passage for source in sources]
        rules = Copying(tuple(passage.raw for passage in passages), self.quotes, UNKNOWN)
        steps = Running(material.generator.quote(prompt.messages, rules, material.seed, material.left_s))
        generated = yield from _in_words(steps, passages)
        places = quoted(generated.text, sources)
        numbers = tuple(sorted({quote["passage"] for quote in places}))
        detail = {"quotes": places}
        return whole(material, generated, prompt.used, detail, cited=numbers, citations=BRACKETS, notes=prompt.notes)


def _in_words(steps: Running, passages: list[Evened]) -> Generator[str, None, Generated]:
    """The text by whole words: of one that the deadline or the limit cut in the middle, nothing is shown."""
    text = shown = ""
    for piece in steps:
        text = (text + piece).lstrip()
        ready = text[: max(text.rfind(" "), text.rfind("\n"), 0)]
        yield ready[len(shown) :]
        shown = max(shown, ready, key=len)
    generated = steps.result
    text, reason = generated.text, generated.finish_reason
    if text:
        text, reason = finished(whole_words(text, passages, UNKNOWN), reason)
    yield text[len(shown) :]
    return generated._replace(text=text, finish_reason=reason)


def quoted(text: str, sources: list[Quotable]) -> list[dict[str, Any]]:
    """Each quote of an answer: characters [start, end) of its text, the number of the passage, and characters [from, to) of
    that passage's document. Words that stand in several places are given the first."""
    places, start = [], 0
    for line in text.split("\n"):
        there = ((source, source.passage.find(line)) for source in sources)
        if place := next(((source, at) for source, at in there if at), None):
            source, (begin, end) = place
            of = {"passage": source.number, "document_id": source.document_id}
            places.append(
                {"start": start, "end": start + len(line), **of, "from": source.start + begin, "to": source.start + end}
            )
        start += len(line) + 1
    return places
