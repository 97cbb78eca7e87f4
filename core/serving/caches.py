"""Answers that were given before: to the same question, or to one that asks the same in other words.

Similarity alone mistakes one question for another: "before" for "after", 2019 for 2020, a for b. So two questions are the same only where a
gate of words agrees too: what denies, asks or relates, numbers with their sign, names, signs such as * or **, and the other words by their
stems. Their order has to be the same as well where a word or a sign relates two things ("than", "<"), and unless one of both says of, in,
on or at: "the market of Lund" is "the Lund market", but cats do not eat dogs where dogs eat cats.
"""

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from core.serving.search_caches import CacheUse

MOST = 10_000  # answers
AGE_S = 86_400.0
MARKS = ".,;:?!'\"`’‘“”()…–—-"  # of a sentence: beside words they say nothing
WORD = re.compile(
    r"(?:(?<![\w.)])[-−]?\.?)?\d(?:[\d,.:/-]*\d)?|[^\W\d_]+(?:['’][^\W\d_]+)?"
    rf"|(?<!\S)[^\w\s]+(?!\S)|(?:_|[^\w\s{re.escape(MARKS)}])+"
)
EMPTY = frozenset(
    "a an the please is are was were be been do does did have has had will would can could shall should may might "
    "you me tell say explain describe know i we it that this there s and of in on at".split()
)
DENYING = frozenset("not no never none nor neither without except excluding cannot un non but unless".split())
RELATING = frozenset(
    "than from to into onto before after by between over under above below against for with via versus vs until till since "
    "through beyond within if then".split()
)
LINKS = frozenset("of in on at".split())


class CachedAnswer(NamedTuple):
    """An answer of the cache. similarity: 1.0 for the very question."""

    reply: dict[str, Any]
    question: str
    similarity: float
    age_s: float


def same_asked(first: str, second: str) -> bool:
    """Whether the words allow that both ask the same."""
    a, b = _words(first), _words(second)
    marked = DENYING | RELATING
    if [word for word in a if word in marked or word[0] == "#"] != [word for word in b if word in marked or word[0] == "#"]:
        return False
    related = any(word in RELATING or not re.search(r"[^\W_]", word) for word in a)
    linked = not LINKS.isdisjoint(f"{first} {second}".lower().split())
    return sorted(a) == sorted(b) if linked and not related else a == b


def _words(text: str) -> list[str]:
    """Stems in their order, without those that say nothing; # before a number, a name or a sign."""
    import Stemmer

    stem, words = Stemmer.Stemmer("english").stemWord, []
    for place, match in enumerate(WORD.finditer(text)):
        word, lower = match[0], match[0].lower().replace("’", "'")
        if lower.endswith("n't"):
            words.append("not")
        elif not word[0].isalpha() or (place and word[0].isupper()):
            words.append(f"#{lower.replace('−', '-')}")
        elif lower not in EMPTY:
            words.append(lower if lower in DENYING | RELATING else stem(lower))
    return words


class AnswerCache:
    """The latest `most` answers, none older than `age_s`. similarity: from which cosine of the questions another question's answer is
    taken, where the words allow it; 0: only for the same question. encode: question -> its unit vector. For several threads."""

    def __init__(
        self,
        most: int = MOST,
        age_s: float = AGE_S,
        similarity: float = 0.0,
        encode: Callable[[str], np.ndarray] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most, self._age_s, self._least, self._encode, self._clock = most, age_s, similarity, encode, clock
        self._stamp, self._lock = "", threading.Lock()
        self._hits = self._misses = 0
        self._entries: OrderedDict[str, tuple[dict[str, Any], float, np.ndarray | None]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def use(self) -> CacheUse:
        return CacheUse(self._hits, self._misses, len(self))

    def count(self, hit: bool) -> None:
        """Notes that a question was answered from here, or was not."""
        with self._lock:
            self._hits, self._misses = self._hits + hit, self._misses + (not hit)

    def get(self, question: str, stamp: str, alike: bool = True) -> CachedAnswer | None:
        """stamp: of the corpus as it is now; what was said over another one is forgotten. alike: also the answer to another question."""
        own = " ".join(question.split())
        with self._lock:
            self._follow(stamp)
            if own in self._entries:
                self._entries.move_to_end(own)
                return self._held(own, 1.0)
            others = [(name, vector) for name, (_, _, vector) in self._entries.items()] if self._least and alike else []
        if not others:
            return None
        similar = np.stack([vector for _, vector in others]) @ self._encode(own)
        for place in np.argsort(-similar).tolist():
            if similar[place] < self._least:
                return None
            if same_asked(own, others[place][0]):
                with self._lock:
                    return self._held(others[place][0], float(similar[place])) if others[place][0] in self._entries else None
        return None

    def put(self, question: str, stamp: str, reply: dict[str, Any]) -> None:
        own = " ".join(question.split())
        vector = self._encode(own) if self._least else None
        with self._lock:
            self._follow(stamp)
            self._entries[own] = reply, self._clock(), vector
            self._entries.move_to_end(own)
            if len(self._entries) > self._most:
                self._entries.popitem(last=False)

    def _follow(self, stamp: str) -> None:
        if stamp != self._stamp:
            self._entries.clear()
            self._stamp = stamp

    def _held(self, question: str, similarity: float) -> CachedAnswer | None:
        reply, since, _ = self._entries[question]
        age = self._clock() - since
        if age > self._age_s:
            del self._entries[question]
            return None
        return CachedAnswer(reply, question, similarity, age)
