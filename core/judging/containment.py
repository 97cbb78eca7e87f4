"""Which passage a sentence of the answer rests on, computed from words alone.

Small models rarely cite by themselves. These *attributed* citations stand beside the model's own and are never mixed
with them: they show where the words come from, not that the claim follows. The measure is containment (Broder 1997,
"On the resemblance and containment of documents", section 2): the share of the sentence's word trigrams that occur in
the passage; sentences of fewer than three words use n-grams of their own length.
"""

from collections.abc import Sequence
from typing import NamedTuple

from core.context.citations import BRACKETS, cited, pattern
from core.judging.claims import SENTENCE, WORD
from core.records import Hit

THRESHOLD = 0.5  # a sentence counts as supported when at least half of its trigrams stand in one passage
N = 3
LEAST = 0.25  # F1 of words below which a sentence says something else


class Support(NamedTuple):
    """Characters [start, end) of the answer, and the 1-based number of the passage that contains most of it."""

    start: int
    end: int
    passage: int
    containment: float  # 0 to 1; at least THRESHOLD counts as supported


def support(answer: str, hits: Sequence[Hit], style: str = BRACKETS) -> list[Support]:
    """The best passage for each sentence of the answer that has words; the lowest number among equals. style: of citations."""
    passages = [WORD.findall(hit.shown.lower()) for hit in hits]
    supports = []
    for match in SENTENCE.finditer(answer):
        words = WORD.findall(pattern(style).sub(" ", match.group()).lower())
        if not words or not passages:
            continue
        n = min(N, len(words))
        wanted = _ngrams(words, n)
        shares = [len(wanted & _ngrams(passage, n)) / len(wanted) for passage in passages]
        best = max(range(len(shares)), key=lambda i: (shares[i], -i))
        supports.append(Support(match.start(), match.start() + len(match.group().rstrip()), best + 1, shares[best]))
    return supports


def source_sentence(
    answer: str, number: int, passage: str, style: str = BRACKETS, passages: Sequence[Hit] = ()
) -> tuple[int, int] | None:
    """Characters [start, end) of the sentence of passage `number` that shares most words (F1 of their sets) with what the
    answer says with that citation, or with the whole answer where nothing cites it. None: none shares LEAST of them.
    style: of the citations; to read titles it takes all passages."""
    said = [match.group() for match in SENTENCE.finditer(answer)]
    citing = [sentence for sentence in said if number in cited(sentence, passages or number, style)]
    wanted = set(WORD.findall(pattern(style).sub(" ", " ".join(citing or said)).lower()))
    best, place = LEAST, None
    for match in SENTENCE.finditer(passage):
        words = set(WORD.findall(match.group().lower()))
        shared = 2 * len(words & wanted) / max(len(words) + len(wanted), 1)
        if shared > best:
            best, place = shared, (match.start(), match.start() + len(match.group().rstrip()))
    return place


def containments(sentences: Sequence[str], passages: Sequence[str], n: int = N) -> list[float]:
    """For each sentence the share of its distinct word n-grams in the passage that has most of them.

    Unlike `support`, a fragment of fewer than n words scores 0: it shares nothing of that length.
    """
    sources = [_ngrams(WORD.findall(text.lower()), n) for text in passages]
    wanted = [_ngrams(WORD.findall(pattern().sub(" ", text).lower()), n) for text in sentences]
    return [max((len(grams & source) / len(grams) for source in sources), default=0.0) if grams else 0.0 for grams in wanted]


def _ngrams(words: list[str], n: int) -> set[tuple[str, ...]]:
    return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}
