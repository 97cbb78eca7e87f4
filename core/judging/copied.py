"""How a claim is copied from its passages: in long pieces or in short ones, and from places near one another or far apart.

Fragments are cut greedily, each the longest run of words that stands so in the passages (the extractive fragments of Grusky, Naaman and
Artzi 2018, "Newsroom"); of runs of one length the one nearest behind the piece before it. What summarisers that copy get wrong is
where two pieces are joined, so what counts is how broken the claim is, and how often it goes on somewhere else.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from core.judging.claims import WORD
from core.judging.data_texts import said

MOST_PLACES = 256  # of a word that are tried: text that repeats itself has no end of them
BACKWARDS = 3  # a word back counts as so many ahead


class SourceWords:
    """The words of passages, the sentence of each, and where each word and pair of words stands."""

    def __init__(self, passages: Sequence[str]) -> None:
        self.words: list[str] = []
        self.sentences: list[int] = []
        number = 0
        for passage in passages:
            for sentence in said(passage):
                words = WORD.findall(sentence.text.lower())
                self.words += words
                self.sentences += [number] * len(words)
                number += 1
            number += 1  # the next passage goes on nowhere
        self.places: dict[str, list[int]] = defaultdict(list)
        self.pairs: dict[tuple[str, str], list[int]] = defaultdict(list)
        for i, word in enumerate(self.words):
            if len(self.places[word]) < MOST_PLACES:
                self.places[word].append(i)
            if i + 1 < len(self.words) and len(pairs := self.pairs[word, self.words[i + 1]]) < MOST_PLACES:
                pairs.append(i)


class Fragment(NamedTuple):
    """Words [start, start + length) of the claim, which stand so from `place` on."""

    start: int
    length: int
    place: int


def fragments(words: Sequence[str], source: SourceWords) -> list[Fragment]:
    """The claim's pieces in their order; words that no passage has are in none."""
    pieces: list[Fragment] = []
    i, before = 0, None  # place behind the last piece of more than a word
    while i < len(words):
        places = source.pairs.get((words[i], words[i + 1]), ()) if i + 1 < len(words) else ()
        places = places or source.places.get(words[i], ())
        if not places:
            i += 1
            continue
        runs = ((_run(words, i, source, place), -_distance(before, place), -place) for place in places)
        length, _, place = max(runs)
        best = Fragment(i, length, -place)
        pieces.append(best)
        before = best.place + best.length if best.length > 1 else before
        i += best.length
    return pieces


def _run(words: Sequence[str], start: int, source: SourceWords, place: int) -> int:
    """How many words are the same from both on."""
    most, length = min(len(words) - start, len(source.words) - place), 1
    while length < most and source.words[place + length] == words[start + length]:
        length += 1
    return length


def _distance(before: int | None, place: int) -> int:
    if before is None:
        return 0
    return place - before if place >= before else BACKWARDS * (before - place)


def broken(words: Sequence[str], pieces: Sequence[Fragment]) -> float:
    """1 less the sum of the squared shares of the claim that its pieces are: 0 where it is copied whole."""
    return 1 - sum(piece.length**2 for piece in pieces) / max(1, len(words)) ** 2


def jumps(pieces: Sequence[Fragment], source: SourceWords) -> int:
    """How often the claim goes on elsewhere: from one piece of more than a word to the next that is neither ahead in the same
    sentence nor in one of the next two."""
    long = [piece for piece in pieces if piece.length > 1]
    count = 0
    for piece, after in pairwise(long):
        behind = piece.place + piece.length
        apart = source.sentences[after.place] - source.sentences[behind - 1]
        count += not (apart in (1, 2) or apart == 0 and after.place >= behind)
    return count
