"""What passages say word for word, and which words of a claim stand there as they do in it."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from core.judging.claims import WORD
from core.judging.data_texts import readable

RUN = 3  # words that stand in a passage one after the other are borne out there, whatever a model says
NUMBER = re.compile(r"\d[\d,.]*\d|\d")


class PassageWords(NamedTuple):
    """Runs of 1, 2 and 3 words, and numbers without commas."""

    runs: tuple[set, set, set]
    numbers: set[str]


def words_of(passages: Sequence[str]) -> PassageWords:
    runs: tuple[set, set, set] = (set(), set(), set())
    texts = {text for passage in passages for text in (passage, readable(passage))}
    for text in texts:
        words = WORD.findall(text.lower())
        for n, some in enumerate(runs, 1):
            some.update(runs_of(words, n))
    return PassageWords(runs, {number for text in texts for number in numbers_of(text)})


def runs_of(words: list[str], n: int) -> list:
    return words if n == 1 else [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def numbers_of(text: str) -> set[str]:
    return {number.replace(",", "") for number in NUMBER.findall(text)}


def new_numbers(text: str, there: PassageWords) -> set[str]:
    """The text's numbers that no passage has, also not cut in two ("235, 000")."""
    new = set()
    for number in NUMBER.findall(text):
        parts = WORD.findall(number)
        run = tuple(parts) if len(parts) > 1 else parts[0]
        stands = len(parts) <= RUN and run in there.runs[len(parts) - 1]
        if not stands and number.replace(",", "") not in there.numbers:
            new.add(number)
    return new


def new_share(text: str, there: PassageWords) -> float:
    """Share of the text's distinct words that no passage has: the lexical floor of every measure of faithfulness."""
    words = set(WORD.findall(text.lower()))
    return len(words - there.runs[0]) / len(words) if words else 0.0


def word_doubts(claim: str, tokens: Sequence[tuple[int, int, float]], there: PassageWords) -> list[tuple[int, int, float]]:
    """(start, end, probability of being wrong) of each word of the claim: that of its most doubtful token, and 0 within RUN words
    that stand so in a passage. tokens: start, end and probability, in their order."""
    places = [match.span() for match in WORD.finditer(claim)]
    words = [claim[a:b].lower() for a, b in places]
    n = min(RUN, len(words))
    borne_out = [False] * len(words)
    for i in range(len(words) - n + 1 if words else 0):
        run = tuple(words[i : i + n]) if n > 1 else words[i]
        if run in there.runs[n - 1]:
            borne_out[i : i + n] = [True] * n
    doubts, first = [], 0
    for (a, b), safe in zip(places, borne_out, strict=True):
        while first < len(tokens) and tokens[first][1] <= a:
            first += 1
        last = first
        most = 0.0
        while last < len(tokens) and tokens[last][0] < b:
            most = max(most, tokens[last][2])
            last += 1
        doubts.append((a, b, 0.0 if safe else most))
    return doubts


def joined(words: Sequence[tuple[int, int, float]], start: int, least: float) -> list[tuple[int, int, float]]:
    """The wrong places of a claim that begins at `start`: neighbouring words with a probability of `least` or more are one place."""
    places: list[tuple[int, int, float]] = []
    before = False
    for a, b, probability in words:
        wrong = probability >= least
        if wrong and before:
            places[-1] = (places[-1][0], start + b, max(places[-1][2], probability))
        elif wrong:
            places.append((start + a, start + b, probability))
        before = wrong
    return places
