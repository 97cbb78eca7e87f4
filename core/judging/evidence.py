"""The sentences of passages that a claim could rest on: so few that a small model reads them beside it.

A claim may join what stands in two passages, and a model of 512 tokens reads no article: so the sentences are taken that
together hold most of the claim's words, each word weighted by how few of the sentences have it (a greedy cover; Spärck Jones
1972 for the weight). What room is left goes to the neighbours of these, then to the first sentences. All stand in their order.
"""

import heapq
import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from core.judging.claims import WORD, sentences
from core.judging.data_texts import readable, said
from core.judging.frames import ASKS
from core.judging.measure import remembered

ROOM = 800  # characters of evidence: some 180 tokens
LONGEST = 300  # characters of what counts as one sentence: tables have no full stops
AGAIN = 0.25  # what a word is worth that the evidence has already


class PassageSentences(NamedTuple):
    """grams: words and pairs of words."""

    whole: str  # the passages as they are read out
    texts: list[str]
    grams: list[set]  # of each text
    places: dict  # gram -> the texts that have it, in their order
    weight: dict  # of a gram


class SaidSentences(NamedTuple):
    spots: list[tuple[int, tuple[int, int]]]  # 1-based number of the passage, and characters in it
    sizes: list[int]  # grams of each
    places: dict  # gram -> numbers of those that have it, in their order


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
    if sum(map(len, passages)) <= 2 * room and len(whole := " ".join(map(readable, passages))) <= room:
        return whole
    whole, texts, grams, places, weight = _cut(passages)
    if len(whole) <= room:
        return whole
    wanted = {gram: weight[gram] for gram in _grams(claim) if gram in weight}
    taken: dict[int, None] = {}
    left, values = room, dict(wanted)

    def worth(i: int) -> float:
        return sum(values[gram] for gram in grams[i] & values.keys()) / (len(texts[i]) + 100) ** 0.5

    # what a sentence is worth only falls, so the first of the queue whose worth still stands is the best
    ahead = [(-worth(i), i) for i in {i for gram in wanted for i in places[gram]}]
    heapq.heapify(ahead)
    while ahead and left > 0:
        before, best = heapq.heappop(ahead)
        if len(texts[best]) > left and taken:
            continue
        if worth(best) < -before:
            heapq.heappush(ahead, (-worth(best), best))
            continue
        taken[best] = None
        left -= len(texts[best]) + 1
        for gram in grams[best] & values.keys():
            values[gram] = AGAIN * wanted[gram]
    for i in [*(beside for place in taken for beside in (place - 1, place + 1)), *range(len(texts))]:
        if left <= 0:
            break
        if 0 <= i < len(texts) and i not in taken and len(texts[i]) <= left:
            taken[i] = None
            left -= len(texts[i]) + 1
    return " ".join(texts[i] for i in sorted(taken))


@remembered(16)
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
    places = _places(grams)
    weight = {gram: math.log(1 + len(texts) / len(some)) for gram, some in places.items()}
    return PassageSentences(" ".join(map(readable, passages)), texts, grams, places, weight)


@remembered(16)
def _spots(passages: tuple[str, ...]) -> SaidSentences:
    spots = [(number, (start, end), text) for number, passage in enumerate(passages, 1) for start, end, text in said(passage)]
    grams = [_grams(text) for _, _, text in spots]
    return SaidSentences([spot[:2] for spot in spots], [len(some) for some in grams], _places(grams))


def _places(grams: list[set]) -> dict:
    places = defaultdict(list)
    for i, some in enumerate(grams):
        for gram in some:
            places[gram].append(i)
    return dict(places)


def _grams(text: str) -> set:
    words = WORD.findall(text.lower())
    return {*words, *pairwise(words)}


def best_sentence(passages: tuple[str, ...], claim: str) -> tuple[int, tuple[int, int]] | None:
    """1-based number of a passage and the characters of its sentence that holds most of the claim's words and pairs of words; None:
    no sentence has one of them."""
    spots, sizes, places = _spots(passages)
    shared: dict[int, int] = defaultdict(int)
    for gram in _grams(claim):
        for i in places.get(gram, ()):
            shared[i] += 1
    best = max(shared, key=lambda i: (shared[i] / (sizes[i] + 10) ** 0.25, -i), default=None)
    return None if best is None else spots[best]
