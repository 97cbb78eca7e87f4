"""Claims made in the manner of summarisers that copy (See, Liu and Manning 2017, section 7.2): pieces of a text's sentences, joined
so that what is said stays as it was, or so that it does not.

Right: clauses, asides and attributions dropped, two sentences joined whole by a conjunction. Wrong: the beginning of one sentence
with the end of another behind a boundary of one kind (a preposition, conjunction or verb), and a sentence that lost its middle, so
that what was said of one subject is said of another. Every word and nearly every run of words stands in the text.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

BOUNDARIES = tuple(  # a word of a kind stands for each other of it: behind it the sentence goes on in the same form
    frozenset(words.split())
    for words in (
        "is was are were has had will would can could should may must",
        "said says told announced revealed claimed added believes",
        "in on at near inside across outside",
        "to for from with by against",
        "after before during since until while when as",
        "because that who which where",
        "of",
        "and but or",
    )
)
KIND = {word: kind for kind, words in enumerate(BOUNDARIES) for word in words}
ATTRIBUTED = re.compile(
    r",? (?:according to|as reported by) [^,.]{3,60}(?=[,.]|$)|, (?:he|she|it|they|[A-Z]\w+(?: \w+)?) (?:said|says|added)(?=[.,]|$)"
)
SAID = re.compile(r"^[^,.\"]{3,60} (?:said|says|announced|reported|confirmed) (?:that )?(?=[a-zA-Z])")
JOINED = (" and ", ", and ", ", while ", " ; ", " , ")
FEWEST, LONGEST = 3, 30  # words of a piece


class Piece(NamedTuple):
    """A claim joined of pieces, and the characters that are wrong in their new place; start == end: none are."""

    text: str
    start: int
    end: int


def joined_rightly(first: str, second: str, draw: np.random.Generator) -> str:
    """Both sentences whole, as one."""
    second = (
        second
        if not re.match(r"(?:The|A|An|It|He|She|They|In|On|At|His|Her|Its|This|These|There)\b", second)
        else second[0].lower() + second[1:]
    )
    return first.rstrip(" .!?") + JOINED[int(draw.integers(len(JOINED)))] + second


def without_attribution(text: str) -> str:
    shorter = ATTRIBUTED.sub("", text, count=1)
    if shorter == text:
        shorter = SAID.sub("", text, count=1)
        shorter = shorter[:1].upper() + shorter[1:]
    return shorter if len(shorter.split()) >= FEWEST + 2 else text


def spliced(first: str, others: Sequence[str], text: str, draw: np.random.Generator) -> Piece | None:
    """The beginning of `first` with the end of one of the others, behind a boundary of one kind."""
    heads, pool = _boundaries(first), [other for other in others if other != first]
    for which in draw.permutation(len(pool))[:6]:
        tails = _boundaries(pool[which])
        fits = [(a, b) for a, kind in heads for b, other in tails if kind == other]
        for pick in draw.permutation(len(fits))[:4]:
            head, tail = first[: fits[pick][0]], pool[which][fits[pick][1] :]
            if made := _put_together(head, tail, text):
                return made
    return None


def shortcut(sentence: str, text: str, draw: np.random.Generator) -> Piece | None:
    """Without its middle: from a verb to a later one, so that the first subject has the second's predicate."""
    verbs = [start for start, kind in _boundaries(sentence) if kind <= 1]
    fits = [(a, b) for i, a in enumerate(verbs) for b in verbs[i + 1 :] if len(sentence[a:b].split()) >= FEWEST]
    for pick in draw.permutation(len(fits))[:4]:
        if made := _put_together(sentence[: fits[pick][0]], sentence[fits[pick][1] :], text):
            return made
    return None


def _boundaries(sentence: str) -> list[tuple[int, int]]:
    """Where a boundary's word starts and of which kind it is; enough words stand before and behind it."""
    places = [match.span() for match in re.finditer(r"\S+", sentence)]
    return [
        (start, KIND[word])
        for n, (start, end) in enumerate(places)
        if FEWEST <= n + 1 <= len(places) - FEWEST and (word := sentence[start:end].lower().rstrip(",")) in KIND
    ]


def _put_together(head: str, tail: str, text: str) -> Piece | None:
    """None: too long or short, or the text says it."""
    made = head + tail
    run = " ".join([*head.split()[-2:], *tail.split()[:2]])
    if not FEWEST * 2 <= len(made.split()) <= 2 * LONGEST or run in text or len(tail.split()) > LONGEST:
        return None
    return Piece(made, len(head), len(made))
