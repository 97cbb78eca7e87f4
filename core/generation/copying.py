"""Answers that hold nothing but words of given passages: a grammar whose language is the passages' own contiguous runs.

The grammar is an automaton over bytes. Its states are places in the passages; a token is let through where its bytes stand
at one of the places that the run may have reached, so a run is copied from somewhere as it stands there, not put together
from single words (Willard and Louf 2023, arXiv:2307.09702, section 3, for constraints by automata; copying from the source
is the pointer of See et al. 2017, arXiv:1704.04368, section 2.2, made the only way). White space is evened: a run of it
is one space.
"""

import re
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple

from core.context.citations import CITATION
from core.models.text import encodable

SEPARATOR = b"\n"  # between two quotes


class Copying(NamedTuple):
    """What an answer may hold: some quotes of these texts, a line each, or the refusal as a whole."""

    texts: tuple[str, ...]
    quotes: int
    refusal: str


class Evened:
    """A passage with its white space evened. Numbers in brackets are set apart, as in the prompt, so that no quote poses as
    a citation."""

    def __init__(self, raw: str) -> None:
        self.raw = raw
        spaced = {edge for match in CITATION.finditer(raw) for edge in match.span(1)}
        letters: list[str] = []
        self.places: list[int] = []  # of each character, in the raw text
        for place, letter in enumerate(encodable(raw)):
            for each in [" "] * (place in spaced) + [" " if letter.isspace() else letter]:
                if each != " " or (letters and letters[-1] != " "):
                    letters.append(each)
                    self.places.append(place)
        if letters and letters[-1] == " ":
            letters.pop()
        self.text = "".join(letters)
        self.begins, self.stops = set(), set()  # characters at which a quote may begin, and behind which it may stop
        for match in re.finditer(r"([^\w\s]*+)(\S*\w|)[^\w\s]*+", self.text):
            if match.end() > match.start():
                self.begins |= {match.start(), match.end(1)} - {match.end()}
                self.stops |= {match.end(), match.end(2)} - {match.start()}

    @cached_property
    def offsets(self) -> list[int]:
        """Byte at which each character begins, and the end."""
        return [0, *accumulate(len(letter.encode()) for letter in self.text)]

    def find(self, quote: str) -> tuple[int, int] | None:
        """Where the quote stands in the raw text, by whole words: its first place."""
        at = self.text.find(quote)
        while quote and at >= 0:
            end = at + len(quote)
            if at in self.begins and end in self.stops:
                return self.places[at], self.places[end - 1] + 1
            at = self.text.find(quote, at + 1)
        return None


class Copier:
    """The automaton of one answer: call `take` with each token, and `allowed` for those that may follow."""

    def __init__(self, rules: Copying, model: Any) -> None:
        self._model, self._left = model, rules.quotes
        evened = [Evened(text) for text in rules.texts]
        refusal = rules.refusal.encode()
        self._bytes = [*(each.text.encode() for each in evened), refusal]
        self._begins = {(i, each.offsets[at]) for i, each in enumerate(evened) for at in each.begins}
        self._stops = {(i, each.offsets[at]) for i, each in enumerate(evened) for at in each.stops}
        self._stops.add((len(evened), len(refusal)))
        self._refused = len(evened)
        # (text, byte it began at, byte reached); the refusal stands for a whole answer only
        self._runs = {(i, at, at) for i, at in self._begins} | {(self._refused, 0, 0)}

    def allowed(self) -> list[int]:
        by_bytes, longest = self._model.by_bytes
        tokens: set[int] = set()
        for i, at in {(i, at) for i, _, at in self._runs}:
            ahead = self._bytes[i][at : at + longest]
            for size in range(1, len(ahead) + 1):
                tokens.update(by_bytes.get(ahead[:size], ()))
        if stopped := self._at_a_stop():
            tokens |= self._model.ends
            if self._left > 1 and max(stopped)[0] != self._refused and self._unquoted(stopped):
                tokens.update(by_bytes.get(SEPARATOR, ()))
        return sorted(tokens or self._model.ends)  # a vocabulary that lacks a byte of the passages

    def take(self, token: int) -> None:
        words = self._model.bytes_of(token)
        stopped = self._at_a_stop()
        if words == SEPARATOR and stopped:  # evened passages have no line ends
            self._begins = self._unquoted(stopped)
            self._runs, self._left = {(j, place, place) for j, place in self._begins}, self._left - 1
        else:
            size = len(words)
            self._runs = {(i, began, at + size) for i, began, at in self._runs if self._bytes[i][at : at + size] == words}

    def _unquoted(self, stopped: set[tuple[int, int, int]]) -> set[tuple[int, int]]:
        """Where a quote may begin behind this one: not within it again, wherever its words stand."""
        quoted = {(i, place) for i, began, at in stopped for place in range(began, at)}
        return self._begins - quoted

    def _at_a_stop(self) -> set[tuple[int, int, int]]:
        return {run for run in self._runs if (run[0], run[2]) in self._stops and run[1] < run[2]}


def whole_words(text: str, passages: list[Evened], refusal: str) -> str:
    """The text without a last word that was cut in the middle."""
    lines = text.split("\n")
    if text == refusal:
        return text
    last = lines.pop()
    while last and not any(passage.find(last) for passage in passages):
        last = last[:-1]
    return "\n".join([*lines, last]).strip()
