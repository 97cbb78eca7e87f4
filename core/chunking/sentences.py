"""Sentences and paragraphs as positions in the text. Rules, no model: total on any Unicode, linear, offsets kept.

A sentence ends at a terminator that white space follows (the full stops of Chinese and Japanese need none), at a blank
line, and before a list item. It does not end after a known abbreviation, an initial, an item's number, or before a
small letter. What the rules get wrong costs a chunk of two sentences or half of one, never a character.
"""

import re

_MARKS = ".!?\u2026\u061f\u06d4\u0964\u0965\u0589\u1362\u1367\u104b\u17d4"  # Latin, Arabic, Indic, Armenian ...
_STOPS = "\u3002\uff01\uff1f\uff61"  # ideographic, no space after them
_ITEM = r"(?:[-*+\u2022\u2023\u25e6]|\d{1,3}[.)])[ \t]+(?=\S)"
# Every pattern starts with a set of characters, which the engine scans for ten times as fast as for an alternative.
_NEWLINE = r"[\r\n](?:(?<=\r)\n)?+"  # possessive: the two characters of one line end are not two line ends
_PARAGRAPH = re.compile(rf"{_NEWLINE}[^\S\r\n]*[\r\n]\s*")
_FULL_LINE = re.compile(r"[.!?][\r\n]\s*")
_LINE = re.compile(r"[\r\n]\s*")
_ITEM_LINE = re.compile(rf"[\r\n][ \t]*(?={_ITEM})")
_BREAK = re.compile(
    rf"[\r\n{_MARKS}{_STOPS}](?:"
    rf"(?<=[\r\n])(?:(?<=\r)\n)?+(?:[^\S\r\n]*[\r\n]\s*|[ \t]*(?={_ITEM}))"
    # looking behind keeps a long run of dots linear: only its first dot is tried
    rf"|(?<=[{_MARKS}])(?<![{_MARKS}]{{2}})(?P<more>[{_MARKS}]*+)[\"')\]\u201d\u2019\u00bb]*+(?P<space>\s+)"
    rf"|(?<=[{_STOPS}])[{_STOPS}]*+[\"')\]\u201d\u2019\u300d\u300f\uff09\u3011]*+\s*)"
)
_SHORT = """mr mrs ms dr prof st jr sr rev gen col capt lt sgt gov sen rep hon messrs vs cf ca approx e.g i.e eg ie viz
al fig figs eq eqs sec ch vol nos pp ed eds op cit inc ltd co corp dept est jan feb mar apr jun jul aug sep sept oct nov
dec u.s u.k u.n a.m p.m ph.d"""
_ABBREVIATIONS = frozenset(_SHORT.split())
_LONGEST = 24  # characters before a mark that are looked at: longer than any abbreviation


def sentence_starts(text: str) -> list[int]:
    """Positions at which a sentence starts, the first one left out."""
    starts, start = [], 0
    for match in _BREAK.finditer(text):
        if match["space"] is None or not _goes_on(text, start, match):
            start = match.end()
            starts.append(start)
    return starts


def paragraph_starts(text: str) -> list[int]:
    """Positions after blank lines; in a text without any, after lines that end like a sentence."""
    return [m.end() for m in _PARAGRAPH.finditer(text)] or [m.end() for m in _FULL_LINE.finditer(text)]


def line_starts(text: str) -> list[int]:
    return [match.end() for match in _LINE.finditer(text)]


def item_starts(text: str) -> list[int]:
    """Positions of the list items, a first line's left out."""
    return [match.end() for match in _ITEM_LINE.finditer(text)]


def _goes_on(text: str, start: int, match: re.Match) -> bool:
    """Whether the sentence goes on after this mark."""
    after = match.end()
    if after == len(text) or (len(match["space"]) > 1 and _PARAGRAPH.search(match["space"])):
        return False
    if text[after].islower():
        return True
    dot = match.start()
    if text[dot] != "." or match["more"]:
        return False
    words = text[max(start, dot - _LONGEST) : dot].rsplit(None, 1)
    word = words[-1].lstrip("([\"'\u201c\u2018") if words else ""
    if len(word) == 1 and word.isupper():  # an initial
        return True
    if word.isdigit():  # "1." opens an item
        return not text[start : dot - len(word)].strip()
    return word.lower() in _ABBREVIATIONS
