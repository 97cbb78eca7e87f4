"""Greedy packing, shared by the chunkers that differ only in where they like to cut."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

Level = Callable[[str], list[int]]  # text -> sorted positions at which a new paragraph, sentence, ... starts


def pack(
    text: str, starts: Sequence[int], size: int, *, overlap: int = 0, levels: Sequence[Level] = (), whole_words: bool = True
) -> list[tuple[int, int]]:
    """Chunks of at most `size` tokens, each ending at the last boundary of the coarsest level that its window holds.

    starts:  first character of each token, ascending.
    overlap: tokens that the next chunk repeats, below `size`. Without levels and `whole_words` just as many; else it
             starts at a word, and is the first to yield where a unit fits only without it.
    levels:  coarse to fine, each level's boundaries being a part of the next one's: a unit that fits is never cut.
    """
    borders: list[list[int] | None] = [None] * len(levels)
    spans: list[tuple[int, int]] = []

    def reach(position: int) -> int:
        token = bisect_left(starts, position) + size
        return starts[token] if token < len(starts) else len(text)

    def own_start(token: int) -> int:
        while 0 < token < len(starts) and starts[token] == starts[token - 1]:  # not the first token of its character
            token += 1
        return starts[token] if token < len(starts) else len(text)

    covered, first = _skip_space(text, 0), 0  # first: the token at which the last chunk started
    while covered < len(text):
        token = bisect_left(starts, covered)
        # a chunk no longer than the overlap is not repeated: the next one would contain it
        repeats = overlap and token - overlap > first
        start = _back_to(text, own_start(token - overlap), covered, whole_words) if repeats else covered
        limit = reach(start)
        if limit <= covered:  # one character of many tokens (an emoji in bytes) is not divided
            start, after = covered, bisect_right(starts, covered)
            limit = max(reach(covered), starts[after] if after < len(starts) else len(text))
        cut = len(text) if limit == len(text) else 0
        for level, boundaries in enumerate(levels):
            if cut:
                break
            if borders[level] is None:  # most texts never need the finer levels
                borders[level] = [*boundaries(text), len(text)]
            last = borders[level][bisect_right(borders[level], limit) - 1]
            unit_end = borders[level][bisect_right(borders[level], covered)]
            if covered < last <= limit:
                cut = last
            elif unit_end <= reach(covered):
                cut = unit_end
                start = _back_to(text, own_start(bisect_left(starts, cut) - size), covered, whole_words)
        if not cut:
            cut = _last_word(text, covered, limit) if whole_words else limit
        spans.append((start, _rstrip(text, start, cut)))
        covered, first = _skip_space(text, cut), bisect_left(starts, start)
    return spans


def trim(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without white space at its ends; empty (start == end) where there is nothing else."""
    end = _rstrip(text, start, end)
    return min(_skip_space(text, start), end), end


def _back_to(text: str, start: int, covered: int, whole_words: bool) -> int:
    """Where an overlap may start: at `start` or the next word after it, at most at `covered`, where there is none."""
    start = min(_skip_space(text, start), covered)
    if whole_words and start < covered and start and not text[start - 1].isspace():
        rest = text[start:covered].split(None, 1)
        if len(rest) == 2:  # scripts without spaces keep the token's start
            start = covered - len(rest[1])
    return start


def _last_word(text: str, covered: int, limit: int) -> int:
    if text[limit].isspace() or text[limit - 1].isspace():
        return limit
    words = text[covered:limit].rsplit(None, 1)
    return covered + len(words[0]) if len(words) == 2 else limit


def _skip_space(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position


def _rstrip(text: str, start: int, end: int) -> int:
    while end > start and text[end - 1].isspace():
        end -= 1
    return end
