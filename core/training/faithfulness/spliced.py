"""Claims made in the manner of summarisers that copy (See, Liu and Manning 2017, section 7.2): pieces of a text's sentences, joined
so that what is said stays as it was, or so that it does not.

Right: clauses, asides, attributions and circumstances dropped from anywhere in a sentence, its second half alone, a subject in the
place of its pronoun, two sentences joined whole by a conjunction. Wrong: the beginning of one sentence with the end of another
behind a boundary of one kind (a preposition, conjunction or verb), a sentence that lost its middle, and a subject from elsewhere in the
text, so that what was said of one is said of another. Right ones are cut as often as wrong ones: where a copy is broken does not tell
the two apart, only what is joined there.
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
CUTS = tuple(  # of each match it is left what a sentence says of its subject, but less
    re.compile(pattern)
    for pattern in (
        r",? \b(?:also|just|still|then|now|already|even|very|really|however|recently|immediately|quickly|later|previously|eventually"
        r"|finally|currently|initially|usually|typically|generally|especially|mainly|simply)\b(?= \w)",
        r",? \b(?:on|last|this|next|earlier this|early on|late on) (?:(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|week|month|year|season)"
        r"(?: (?:morning|afternoon|evening|night))?\b",
        r",? \b(?:in|since|by|during|until) (?:(?:early|late) )?(?:(?:January|February|March|April|May|June|July|August|September|October"
        r"|November|December) )?\d{4}\b",
        r" (?:in|at|on|near|during|with|from) (?:(?:the|a|an|his|her|their|its|this) )?(?:[\w'-]+ ){0,2}[\w'-]+"
        r"(?=,| (?:and|in|on|at|to|by|who|which|after|before|when|for|because|while) )",
        r", (?:a|an|the|who|which|where|whose|including|such as|one of|known as|called) [^,]{3,70},(?= \w)",
        r" \([^()]{2,60}\)",
        r",? (?:which|who|where|while|after|before|because|including|such as|with|in|on|at|for|by|from|as|when) [^,]{12,}?(?=[.!?]?$)",
        r"^[^,\"]{4,60}, (?=\w)",
        r",? (?:and|but) [^,]{6,80}?(?=[.!?]?$)",
        r"^[^,]{12,110}, (?:and|but|while) (?=(?:the|he|she|they|it|his|her|their|its|this|these|a|an|[A-Z]\w+) )",
    )
)
VERB = (
    r"(?= (?:also |then |first |later )?(?:is|was|were|are|has|have|had|will|would|can|could|may|must|says?|said|told|made|took|won"
    r"|lost|found|went|came|became|began|left|gave|held|led|met|ran|saw|wrote|\w+ed) )"
)
SUBJECT = re.compile(r"^(?:(?:The |A |An )?(?:[A-Z][\w'-]+ ){0,2}[A-Z][\w'-]+|(?:The|A|An) (?:[\w'-]+ )?[\w'-]+)" + VERB)
PRONOUN = re.compile("^(?:He|She|They|It|This)" + VERB)
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


def raised(text: str) -> str:
    """With a capital at its start."""
    return text[:1].upper() + text[1:]


def without_attribution(text: str) -> str:
    shorter = ATTRIBUTED.sub("", text, count=1)
    if shorter == text:
        shorter = SAID.sub("", text, count=1)
        shorter = raised(shorter)
    return shorter if len(shorter.split()) >= FEWEST + 2 else text


def shortened(text: str, cuts: int, draw: np.random.Generator) -> str:
    """With so many of CUTS made, fewer where no more fit: what is left says less, of the same."""
    for _ in range(cuts):
        places = [place for pattern in CUTS for place in pattern.finditer(text)]
        for pick in draw.permutation(len(places))[:4]:
            start, end = places[pick].span()
            rest = text[:start] + text[end:] if start else raised(text[end:])
            if len(rest.split()) >= 2 * FEWEST:
                text = rest
                break
    return text


def named(text: str, before: str) -> str:
    """With the subject of the sentence before in the place of a pronoun; "": there is none."""
    subject, pronoun = SUBJECT.match(before), PRONOUN.match(text)
    return subject[0] + text[pronoun.end() :] if subject and pronoun and not PRONOUN.match(before) else ""


def misnamed(text: str, others: Sequence[str], draw: np.random.Generator) -> Piece | None:
    """With the subject of another of the text's sentences in the place of its own."""
    own = PRONOUN.match(text) or SUBJECT.match(text)
    pool = sorted({match[0] for other in others if (match := SUBJECT.match(other)) and not PRONOUN.match(other)}) if own else []
    pool = [
        subject for subject in pool if subject not in text and not set(subject.lower().split()[-1:]) & set(text.lower().split())
    ]
    if not pool:
        return None
    subject = pool[int(draw.integers(len(pool)))]
    return Piece(subject + text[own.end() :], 0, len(subject))


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
