"""Which text of a ranking a model is given: copies dropped, chunks grown and joined, compressed to sentences, ordered.

Each passage is a piece of its document: `text == document.text[start:end]`, and so is each of its excerpts.
"""

import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from core.chunking.sentences import sentence_starts
from core.config import ContextConfig
from core.context.surroundings import Surroundings
from core.errors import WorkbenchError
from core.records import Document, Hit

SHINGLE = 4  # words
_WORD = re.compile(r"\w+")


def page_at(document: Document, place: int) -> int | None:
    """The page, from 1, on which the character at this place stands; None: the document has no pages."""
    return bisect_right(document.pages, place) or None


def distinct(hits: Sequence[Hit], context: ContextConfig) -> tuple[list[Hit], list[Hit]]:
    """The first `context.passages` hits of which no two share `context.duplicates` of their shingles, and those passed over.

    Resemblance, Broder 1997, "On the resemblance and containment of documents", section 2.
    """
    if context.duplicates == 1.0:
        return list(hits[: context.passages]), []
    chosen, copies, shingled = [], [], []
    for hit in hits:
        if len(chosen) == context.passages:
            break
        own = shingles(hit.text)
        if any(jaccard(own, other) >= context.duplicates for other in shingled):
            copies.append(hit)
        else:
            chosen.append(hit)
            shingled.append(own)
    return chosen, copies


def copies_note(copies: Sequence[Hit]) -> tuple[str, ...]:
    """What a prompt says of chunks that were passed over."""
    words = counted(len(copies), "near copy of a better chunk", "near copies of better chunks")
    return (f"{words} passed over.",) if copies else ()


def counted(number: int, noun: str, several: str = "") -> str:
    return f"{number} {noun} was" if number == 1 else f"{number} {several or noun + 's'} were"


def shingles(text: str) -> frozenset[tuple[str, ...]]:
    """Its sequences of SHINGLE words; of a shorter text the one that it is."""
    words = _WORD.findall(text.casefold())
    size = min(SHINGLE, len(words))
    return frozenset(tuple(words[at : at + size]) for at in range(len(words) - size + 1)) if words else frozenset()


def jaccard(one_set: frozenset, other: frozenset) -> float:
    """Share of what both have in what either has; two empty sets have nothing in common."""
    return len(one_set & other) / len(one_set | other) if one_set and other else 0.0


def grown(
    hits: Sequence[Hit], context: ContextConfig, source: Surroundings | None, fits: Callable[[list[Hit]], bool]
) -> tuple[list[Hit], list[Hit]]:
    """(passages, best first; hits left out, the last ones): each hit with what stands around it where that fits, else by
    itself, else it and all behind it are left out. Passages of a document that overlap or touch are joined, in the place of
    the better one."""
    if context.hand_on != "chunk" and source is None:
        raise WorkbenchError(
            f"Here passages are handed on without their documents, so none can be given with its {context.hand_on}.",
            where="context.hand_on",
            todo="Set it to chunk.",
        )
    passages: list[Hit] = []
    for place, hit in enumerate(hits):
        if context.hand_on == "chunk":
            trials = [[*passages, hit]]
        else:
            spans = dict.fromkeys((source.around(hit, context.hand_on), (hit.start, hit.end)))
            trials = [_joined(passages, hit, span, source) for span in spans]
        fitting = next((trial for trial in trials if fits(trial)), None)
        if fitting is None:
            return passages, list(hits[place:])
        passages = fitting
    return passages, []


def _joined(passages: list[Hit], hit: Hit, span: tuple[int, int], source: Surroundings) -> list[Hit]:
    document, (start, end) = source.document(hit), span
    text, place, joined = document.text, len(passages), []
    changed = True
    while changed:  # what it grows by may touch another
        changed = False
        for number, other in enumerate(passages):
            near = other.document_id == hit.document_id and number not in joined
            if near and not text[min(end, other.end) : max(start, other.start)].strip():
                start, end, changed = min(start, other.start), max(end, other.end), True
                joined.append(number)
    first = min(joined, default=place)
    pages = {"page": page_at(document, start), "last_page": page_at(document, end - 1)}
    whole = replace(passages[first] if joined else hit, start=start, end=end, text=text[start:end], **pages)
    rest = {number: other for number, other in enumerate(passages) if number not in joined} | {first: whole}
    return [rest[number] for number in sorted(rest)]


class Compression:
    """Passages cut to the sentences nearest the question, in the order of the text.

    By words: the sum of the idf of the words shared with the question, idf = ln(1 + N / df) over the sentences of these
    passages (Allan, Wade and Bolivar, "Retrieval and novelty detection at the sentence level", SIGIR 2003). By the encoder:
    cosine (as the extractive compressor of Xu, Shi and Choi, "RECOMP", 2023, arXiv:2310.04408, without its training).
    """

    def __init__(self, question: str, hits: Sequence[Hit], context: ContextConfig, source: Surroundings | None) -> None:
        if context.compress < 1 and context.nearest_by == "encoder" and source is None:
            raise WorkbenchError(
                "Here sentences are compared without the encoder.", where="context.nearest_by", todo="Set it to words."
            )
        self._question, self._context, self._source = question, context, source
        self._texts = [hit.text for hit in hits]
        self._done: dict[tuple[str, int, int], Hit] = {}

    def __call__(self, hit: Hit) -> Hit:
        """The passage from its first sentence that is kept to its last, with the excerpts between them."""
        if self._context.compress == 1.0:
            return hit
        key = hit.document_id, hit.start, hit.end
        if key not in self._done:
            self._done[key] = self._cut(hit)
        return self._done[key]

    def _cut(self, hit: Hit) -> Hit:
        spans = sentences(hit.text)
        most = math.ceil(round(self._context.compress * len(spans), 9))  # 0.55 of 100 is 55.000000000000007
        if len(spans) <= most:
            return hit
        near = self._nearness([hit.text[a:b] for a, b in spans])
        best = sorted(sorted(range(len(spans)), key=lambda place: -near[place])[:most])
        excerpts = []
        for place in best:
            start, end = (hit.start + at for at in spans[place])
            if excerpts and place - 1 in best:
                excerpts[-1] = excerpts[-1][0], end
            else:
                excerpts.append((start, end))
        start, end = excerpts[0][0], excerpts[-1][1]
        text = hit.text[start - hit.start : end - hit.start]
        pages = {}
        if hit.page and self._source is not None:
            document = self._source.document(hit)
            pages = {"page": page_at(document, start), "last_page": page_at(document, end - 1)}
        return replace(hit, start=start, end=end, text=text, excerpts=tuple(excerpts) if len(excerpts) > 1 else (), **pages)

    def _nearness(self, texts: list[str]) -> list[float]:
        if self._context.nearest_by == "encoder":
            return (self._source.embed(texts, False) @ self._asked).tolist()
        return [sum(self._weights.get(word, 0.0) for word in _words(text)) for text in texts]

    @cached_property
    def _asked(self) -> np.ndarray:
        return self._source.embed([self._question], True)[0]

    @cached_property
    def _weights(self) -> dict[str, float]:
        """idf of the question's words."""
        inside = [_words(text[a:b]) for text in self._texts for a, b in sentences(text)]
        counts = Counter(word for words in inside for word in words)
        return {word: math.log(1 + len(inside) / max(counts[word], 1)) for word in _words(self._question)}


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))


def sentences(text: str) -> list[tuple[int, int]]:
    """Characters [start, end) of each, white space at the ends left out."""
    cuts = [(a, b, text[a:b]) for a, b in pairwise([0, *sentence_starts(text), len(text)])]
    return [(a + len(part) - len(part.lstrip()), b - len(part) + len(part.rstrip())) for a, b, part in cuts if part.strip()]


def ordered(passages: Sequence[Hit], order: str) -> list[Hit]:
    """From best first to the order of the prompt. interleaved: the best at both ends, the worst in the middle, where models
    read least (Liu et al. 2023, "Lost in the Middle", arXiv:2307.03172, section 2.3)."""
    if order == "best_last":
        return list(reversed(passages))
    return [*passages[::2], *reversed(passages[1::2])] if order == "interleaved" else list(passages)
