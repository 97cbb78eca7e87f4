"""Which passage a sentence of the answer rests on, computed from words alone.

Small models rarely cite by themselves. These *attributed* citations stand beside the model's own and are never mixed
with them: they show where the words come from, not that the claim follows. The measure is containment (Broder 1997,
"On the resemblance and containment of documents", section 2): the share of the sentence's word trigrams that occur in
the passage; sentences of fewer than three words use n-grams of their own length.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from core.context.citations import BRACKETS, cited, pattern
from core.judging.claims import WORD, by_marks, sentences, uncited
from core.judging.measure import remembered
from core.records import Hit

THRESHOLD = 0.5  # a sentence counts as supported when at least half of its trigrams stand in one passage
N = 3
LEAST = 0.25  # F1 of words below which a sentence says something else
Grams = frozenset[tuple[str, ...]]


class Support(NamedTuple):
    """Characters [start, end) of the answer, and the 1-based number of the passage that contains most of it."""

    start: int
    end: int
    passage: int
    containment: float  # 0 to 1; at least THRESHOLD counts as supported


def support(answer: str, hits: Sequence[Hit], style: str = BRACKETS) -> list[Support]:
    """The best passage for each sentence of the answer that has words; the lowest number among equals. style: of citations."""
    passages = [hit.shown for hit in hits]
    supports, there = [], PassageGrams(passages)
    for each in sentences(uncited(answer, style)) if passages else ():
        held = there.shares(each.words())
        best = max(range(len(held)), key=lambda i: (held[i], -i))
        supports.append(Support(each.start, each.end, best + 1, held[best]))
    return supports


class PassageGrams:
    """Which passages have which n-grams, read once for all sentences of an answer."""

    def __init__(self, passages: Sequence[str]) -> None:
        self._passages = passages
        self._places: dict[int, dict[tuple[str, ...], list[int]]] = {}

    def shares(self, words: Sequence[str], n: int = N) -> list[float]:
        """`share` in each passage by itself."""
        n = min(n, len(words))
        if n not in self._places:
            self._places[n] = defaultdict(list)
            for place, passage in enumerate(self._passages):
                for gram in _ngrams(WORD.findall(passage.lower()), n):
                    self._places[n][gram].append(place)
        held, wanted = [0] * len(self._passages), _ngrams(words, n)
        for gram in wanted:
            for place in self._places[n].get(gram, ()):
                held[place] += 1
        return [count / len(wanted) for count in held]


def share(words: Sequence[str], texts: Sequence[str], n: int = N) -> float:
    """The share of the n-grams of these words, of which there are some, that stand in any of the texts; fewer words than n count as
    one n-gram."""
    n = min(n, len(words))
    wanted = _ngrams(words, n)
    there = [_grams_of(text, n) for text in texts]
    return sum(any(gram in grams for grams in there) for gram in wanted) / len(wanted)


def sentence_of(words: Sequence[str], passage: str) -> tuple[int, int] | None:
    """Characters [start, end) of the sentence of the passage that holds most pairs of these words, or words where none holds a pair;
    None: it has none of them."""
    return _sentence_of(tuple(words), passage)


@remembered(4096)  # an answer that repeats itself looks once
def _sentence_of(words: tuple[str, ...], passage: str) -> tuple[int, int] | None:
    wanted, pairs = _ngrams(words, 1), _ngrams(words, 2)
    held = [(len(pairs & two), len(wanted & alone) / len(wanted | alone), place) for place, alone, two in _sentences(passage)]
    best = max(held, key=lambda each: each[:2], default=(0, 0.0, None))
    return best[2] if best[1] else None


@remembered(4096)
def _sentences(passage: str) -> list[tuple[tuple[int, int], Grams, Grams]]:
    """Place, words and pairs of words of each."""
    words = (((each.start, each.end), each.words()) for each in by_marks(passage))
    return [(place, _ngrams(some, 1), _ngrams(some, 2)) for place, some in words]


@remembered(4096)
def _grams_of(text: str, n: int) -> Grams:
    return _ngrams(WORD.findall(text.lower()), n)


def source_sentence(
    answer: str, number: int, passage: str, style: str = BRACKETS, passages: Sequence[Hit] = ()
) -> tuple[int, int] | None:
    """Characters [start, end) of the sentence of passage `number` that shares most words (F1 of their sets) with what the
    answer says with that citation, or with the whole answer where nothing cites it. None: none shares LEAST of them, or
    holds all of them, as a long sentence does that says a short answer.
    style: of the citations; to read titles it takes all passages."""
    said = [each.text for each in by_marks(answer)]
    citing = [sentence for sentence in said if number in cited(sentence, passages or number, style)]
    wanted = set(WORD.findall(pattern(style).sub(" ", " ".join(citing or said)).lower()))
    best, place, whole = LEAST, None, None
    for each in by_marks(passage):
        words = set(each.words())
        if whole is None and wanted and wanted <= words:
            whole = each.start, each.end
        shared = 2 * len(words & wanted) / max(len(words) + len(wanted), 1)
        if shared > best:
            best, place = shared, (each.start, each.end)
    return place or whole


def containments(sentences: Sequence[str], passages: Sequence[str], n: int = N) -> list[float]:
    """For each sentence the share of its distinct word n-grams in the passage that has most of them.

    Unlike `support`, a fragment of fewer than n words scores 0: it shares nothing of that length.
    """
    sources = [_grams_of(text, n) for text in passages]
    wanted = [_grams_of(pattern().sub(" ", text), n) for text in sentences]
    return [max((len(grams & source) / len(grams) for source in sources), default=0.0) if grams else 0.0 for grams in wanted]


def _ngrams(words: Sequence[str], n: int) -> Grams:
    return frozenset(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
