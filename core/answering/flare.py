"""Retrieval again in the middle of an answer, where the model is not sure of what it is about to say."""

import math
import re
import time
from collections.abc import Generator, Sequence
from typing import Any, Literal, NamedTuple

from core.answering.numbering import cited_among, numbered, renumbered
from core.answering.protocol import Answering, Material, Writing, together, whole
from core.config import PartConfig, knob
from core.context.citations import uncited
from core.context.passages import sentences
from core.context.prompt import Prompt
from core.generation.protocol import Generated
from core.progress import Running
from core.records import Progress, Token
from core.registry import part


class NextSentence(NamedTuple):
    text: str
    tokens: tuple[Token, ...]
    last: bool  # the model ended behind it
    generated: Generated


@part("answering")
class Flare(Answering):
    """Sentence by sentence: where a token of the next one is less probable than the threshold, that sentence is the query of
    another retrieval, its improbable tokens left out, and is written anew from what was found. Choose it over `one_prompt`
    for long answers whose parts stand in different places.

    FLARE direct, Jiang et al. 2023, "Active Retrieval Augmented Generation", arXiv:2305.06983, section 3.2. Here the tentative
    sentence is written over the passages at hand, those of the question first; in the paper without any. Small models are
    seldom sure, and sure of wrong things. Engines of this machine only.
    """

    part: Literal["flare"] = "flare"
    threshold: float = knob(
        0.4,
        "A sentence with a token below this probability is searched for and written anew. Higher searches more often.",
        ge=0.0,
        le=1.0,
        step=0.05,
    )
    mask: float = knob(
        0.4,
        "Tokens below this probability are left out of the query. 0 searches for the sentence as it is.",
        ge=0.0,
        le=1.0,
        step=0.05,
    )
    rounds: int = knob(3, "Further retrievals at most; behind the last one sentences stand as they come.", ge=0, le=20)
    sentences: int = knob(4, "Sentences at most.", unit="sentences", ge=1, le=30)
    sentence_tokens: int = knob(48, "A sentence is cut here.", unit="tokens", ge=4, le=256)

    def texts(self, passages: int) -> int:
        return self.sentences + self.rounds

    def check(self, generator: PartConfig) -> None:
        self.needs_local(generator, "its service does not go on with an answer that was begun, token by token.")

    def write(self, material: Material) -> Writing:
        started, first_s, written = time.perf_counter(), None, []
        told, seen, texts, notes = [], [], [], []
        prompt, reason, left = (
            material.prompt(material.hits[: material.context.passages]),
            "length",
            material.generator.max_tokens,
        )
        numbers, rounds = numbered(prompt.used, seen), 0
        first = len(seen)
        while len(written) < self.sentences and left > 0 and material.left_s > 0:
            yield Progress(len(written), self.sentences, f"Writing sentence {len(written) + 1}")
            sentence = yield from self._next(material, prompt, numbers, written, left)
            texts.append(sentence.generated)
            least = min((math.exp(token.logprob) for token in sentence.tokens), default=1.0)
            row = {"tentative": sentence.text, "least": least, "query": "", "passages": list(numbers.values())}
            if sentence.text and least < self.threshold and rounds < self.rounds and material.search:
                row["query"] = query = masked(sentence.tokens, self.mask, material.context.citations) or material.question
                yield Progress(len(written), self.sentences, f"Searching again for sentence {len(written) + 1}")
                hits, rounds = material.search(query)[: material.context.passages], rounds + 1
                if hits:
                    prompt = material.prompt(hits)
                    numbers = numbered(prompt.used, seen)
                    sentence = yield from self._next(material, prompt, numbers, written, left)
                    texts.append(sentence.generated)
                row["passages"] = list(numbers.values())
            text = cited_among(sentence.text, material.context.citations, prompt.used, numbers, seen)
            told.append({**row, "text": text})
            if text in [each for each, _ in written]:
                reason = "stop"
                notes.append("The model began to repeat itself, and was ended.")
                break
            if text:
                first_s = first_s or time.perf_counter() - started
                yield " " * bool(written) + text
                written.append((text, sentence.tokens))
                left -= len(sentence.tokens)
            if sentence.last or not text:
                reason = "stop" if written else sentence.generated.finish_reason
                break
        detail = {"sentences": told, "first": first, "searches": rounds, "calls": len(texts)}
        if not texts:
            reason = "failed: no text before the deadline"
            texts = [Generated("", reason, "", 0, 0, 0, 0.0, 0.0, "", "")]
        elif material.left_s <= 0 and written:
            reason = "deadline"
        tokens = tuple(token for _, each in written for token in each) if material.generator.logprobs else ()
        whole_text = " ".join(text for text, _ in written)
        last = texts[-1]._replace(text=whole_text, finish_reason=reason, tokens=tokens)
        return whole(material, together(last, texts, started, first_s), tuple(seen), detail, notes=(*prompt.notes, *notes))

    def _next(
        self, material: Material, prompt: Prompt, numbers: dict[int, int], written: list[tuple[str, Any]], left: int
    ) -> Generator[str, None, NextSentence]:
        """The next sentence, behind those that are written."""
        style, names = material.context.citations, {answer: number for number, answer in numbers.items()}
        before = " ".join(renumbered(text, names, style, "") for text, _ in written)
        begun = [{"role": "assistant", "content": before}] if before else []
        own = material.generator
        engine = own.having(logprobs=max(1, own.logprobs), json_schema="", max_tokens=min(left, self.sentence_tokens))
        for _ in (running := Running(engine.generate([*prompt.messages, *begun], material.seed, material.left_s))):
            yield ""
        generated = running.result
        spans = sentences(generated.text)
        if not spans:
            return NextSentence("", (), True, generated)
        start, end = spans[0]
        last = len(spans) == 1 and generated.finish_reason == "stop"
        return NextSentence(generated.text[start:end], _within(generated, end), last, generated)


def _within(generated: Generated, end: int) -> tuple[Token, ...]:
    """The tokens that begin before that character of the text."""
    whole_text = "".join(token.text for token in generated.tokens)
    at, tokens = len(whole_text.lstrip()) - len(whole_text), []
    for token in generated.tokens:
        if at >= end:
            break
        tokens.append(token)
        at += len(token.text)
    return tuple(tokens)


def masked(tokens: Sequence[Token], mask: float, style: str) -> str:
    """The text of the tokens that are probable enough: section 3.2.2, implicit query by masking. Citations search for nothing."""
    text = "".join(token.text if math.exp(token.logprob) >= mask else " " for token in tokens)
    words = uncited(text, style)
    return words if re.search(r"\w", words) else ""
