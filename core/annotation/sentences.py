"""What of an answer is judged one by one: its sentences, and its words for spans of errors."""

import re
from bisect import bisect_left
from collections.abc import Callable
from itertools import pairwise

from core.chunking.sentences import claim_starts

WORD = re.compile(r"\S+")
FENCED = re.compile(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1|\Z)", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^[ \t]*\|.*\|[ \t]*$", re.MULTILINE)  # of a table
NUMBER = re.compile(r"[\s*_(]*(\d{1,3}|[IVX]{2,5})[.)][\s*_]*")


def sentences(text: str) -> tuple[tuple[int, int], ...]:
    """Characters [start, end) of each sentence, list item, row of a table or block of code that claims something: a list's
    number alone does not, nor does what has neither letter nor digit."""
    fenced = [match.span() for match in FENCED.finditer(text)]
    inside = _inside(fenced)
    rows = [match.span() for match in ROW.finditer(text) if not inside(match.start() + 1)]
    inside = _inside(sorted([*fenced, *rows]))
    ends = {b for _, b in fenced} | {place for row in rows for place in row}
    starts = {start for start in (*claim_starts(text), *ends) if not inside(start)}
    spans = []
    for a, b in pairwise([0, *sorted(starts - {0, len(text)}), len(text)]):
        piece = text[a:b]
        if re.search(r"\w", piece) and (piece.strip() == text.strip() or not NUMBER.fullmatch(piece)):
            spans.append((a + len(piece) - len(piece.lstrip()), a + len(piece.rstrip())))
    return tuple(spans)


def _inside(blocks: list[tuple[int, int]]) -> Callable[[int], bool]:
    """Whether a place is in one of these, behind its first character; they come one after the other."""
    firsts = [a for a, _ in blocks]

    def covers(place: int) -> bool:
        at = bisect_left(firsts, place) - 1
        return at >= 0 and place < blocks[at][1]

    return covers


def words(text: str) -> tuple[tuple[int, int], ...]:
    """Characters [start, end) of each word, by white space: error spans are ranges of these."""
    return tuple(match.span() for match in WORD.finditer(text))
