"""The sentences of passages that a claim could rest on: so few that a small model reads them beside it.

A claim may join what stands in two passages, and a model of 512 tokens reads no article: so the sentences are taken that
together hold most of the claim's words, each word weighted by how few of the sentences have it (a greedy cover; Spärck Jones
1972 for the weight). What room is left goes to the neighbours of these, then to the first sentences. All stand in their order.
"""

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from core.judging.claims import WORD, sentences
from core.judging.data_texts import readable, said
from core.judging.frames import ASKS

ROOM = 800  # characters of evidence: some 180 tokens
LONGEST = 300  # characters of what counts as one sentence: tables have no full stops
AGAIN = 0.25  # what a word is worth that the evidence has already


class PassageSentences(NamedTuple):
    texts: list[str]
    grams: list[set]  # words and pairs of words of each
    weight: dict  # of a word or pair


def claims(answer: str) -> list[tuple[int, int]]:
    """Characters [start, end) of each sentence of the answer that has words; one of more than LONGEST characters, such as a list,
    in pieces by lines and words."""
    spans = []
    for sentence in sentences(answer):
        start, end = sentence.start, sentence.end
        while end - start > LONGEST:
            cut = max(answer.rfind("\n", start + 1, start + LONGEST), start)
            if cut == start:
                cut = max(answer.rfind(" ", start + 1, start + LONGEST), start)
            cut = cut if cut > start else start + LONGEST
            spans.append((start, cut))
            start = cut + len(answer[cut:end]) - len(answer[cut:end].lstrip())
        spans.append((start, end))
    return [(start, end) for start, end in spans if WORD.search(answer, start, end)]


def grounds(passages: Sequence[str], question: str) -> tuple[str, ...]:
    """What a claim may rest on: the passages, and behind them the question where it asks for more than yes or no. One to which yes is an
    answer would bear out what it only asks."""
    return (*passages, question) if ASKS.match(question) else tuple(passages)


def evidence(passages: tuple[str, ...], claim: str, room: int = ROOM) -> str:
    """At most some `room` characters of the passages, whole where they are short enough."""
    whole = " ".join(map(readable, passages))
    if len(whole) <= room:
        return whole
    texts, grams, weight = _cut(passages)
    wanted = {gram: weight[gram] for gram in _grams(claim) if gram in weight}
    taken: list[int] = []
    left, values = room, dict(wanted)
    ahead = [i for i in range(len(texts)) if grams[i] & wanted.keys()]
    while ahead and left > 0:
        best = max(
            ahead, key=lambda i: (sum(values[gram] for gram in grams[i] & values.keys()) / (len(texts[i]) + 100) ** 0.5, -i)
        )
        ahead.remove(best)
        if len(texts[best]) > left and taken:
            continue
        taken.append(best)
        left -= len(texts[best]) + 1
        for gram in grams[best] & values.keys():
            values[gram] = AGAIN * wanted[gram]
    for i in [*(beside for place in taken for beside in (place - 1, place + 1)), *range(len(texts))]:
        if 0 <= i < len(texts) and i not in taken and len(texts[i]) <= left:
            taken.append(i)
            left -= len(texts[i]) + 1
    return " ".join(texts[i] for i in sorted(taken))


@lru_cache(maxsize=256)
def _cut(passages: tuple[str, ...]) -> PassageSentences:
    """The sentences of the passages, those that are too long in pieces."""
    texts = []
    for passage in passages:
        for _, _, text in said(passage):
            while len(text) > LONGEST:
                cut = text.rfind(" ", 1, LONGEST)
                cut = cut if cut > 0 else LONGEST
                texts.append(text[:cut])
                text = text[cut:].strip()
            if text:
                texts.append(text)
    grams = [_grams(text) for text in texts]
    counts = Counter(gram for some in grams for gram in some)
    weight = {gram: math.log(1 + len(texts) / count) for gram, count in counts.items()}
    return PassageSentences(texts, grams, weight)


def _grams(text: str) -> set:
    words = WORD.findall(text.lower())
    return {*words, *pairwise(words)}


def best_sentence(passages: tuple[str, ...], claim: str) -> tuple[int, tuple[int, int]] | None:
    """1-based number of a passage and the characters of its sentence that holds most of the claim's words and pairs of words; None:
    no sentence has one of them."""
    wanted, best, place = _grams(claim), 0.0, None
    for number, passage in enumerate(passages, 1):
        for start, end, text in said(passage):
            grams = _grams(text)
            shared = len(grams & wanted) / (len(grams) + 10) ** 0.25
            if shared > best:
                best, place = shared, (number, (start, end))
    return place
