"""Sentences and paragraphs as positions in the text. Rules, no model: total on any Unicode, linear, offsets kept.

A sentence ends at a terminator that white space follows (the full stops of Chinese and Japanese need none), at a blank
line, and before a list item. It does not end after a known abbreviation, an initial, an item's number, or before a
small letter. What the rules get wrong costs a chunk of two sentences or half of one, never a character.

`claim_starts` is stricter, for people who judge sentence by sentence: there two claims in one unit cost a label.
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
_LETTERED = frozenset(
    """vitamin vitamins hepatitis type types group groups grade class stage figure table appendix plan option part
step section answer point case phase level zone column row question influenza immunoglobulin war chapter volume
node set event variable gene protein drug company country patient team room block item list model method""".split()
)
_MAY_END = frozenset("""u.s u.k u.n inc ltd co corp jr sr ph.d al jan feb mar apr jun jul aug sep sept oct nov dec""".split())
_OPENERS = frozenset(
    """the a an it its this that these those there here he she they we you i his her their our your my in on at as if
when while for from by but and or so however what which who how why where is are was to of with after before because although also then
thus both each some many most no not such do does did""".split()
)
_LISTED = re.compile(r"\b[A-Z],? (?:and|or)$")  # "A, B, and" before C
_INITIALS = re.compile(r"[A-Z]\.")
_WORD = re.compile(r"[^\W_]+")
_CITED = r"\[\d{1,3}(?:[ ]?[,;\u2013-][ ]?\d{1,3})*\]"
_CITED_END = re.compile(rf"(?<=[{_MARKS}])(?:{_CITED})++(?P<space>\s+)")
_CITATIONS = re.compile(rf"(?:{_CITED}\s*)++")
_LONGEST = 24  # characters before a mark that are looked at: longer than any abbreviation


def sentence_starts(text: str) -> list[int]:
    """Positions at which a sentence starts, the first one left out."""
    starts, start = [], 0
    for match in _BREAK.finditer(text):
        if match["space"] is None or not _goes_on(text, start, match):
            start = match.end()
            starts.append(start)
    return starts


def claim_starts(text: str) -> list[int]:
    """Positions at which a claim starts, the first one left out. A letter that names something ("vitamin C. It", "5 p.m. Buses")
    ends a sentence here, and a citation behind a full stop belongs to the sentence before it."""
    starts, start = [], 0
    cited = (match for match in _CITED_END.finditer(text))
    for match in sorted([*_BREAK.finditer(text), *cited], key=re.Match.start):
        after = match.end()
        if after <= start and start:
            continue
        if match["space"] is not None:
            if match.re is _CITED_END:
                on = after == len(text) or text[after].islower()
            else:
                on = _goes_on(text, start, match, claims=True)
                if "\n" not in match["space"] and (behind := _CITATIONS.match(text, after)):
                    after, on = behind.end(), on or behind.end() == len(text) or text[behind.end()].islower()
            if on:
                continue
        start = after
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


def _goes_on(text: str, start: int, match: re.Match, claims: bool = False) -> bool:
    """Whether the sentence goes on after this mark."""
    after = match.end()
    if after == len(text) or (len(match["space"]) > 1 and _PARAGRAPH.search(match["space"])):
        return False
    if text[after].islower():
        return True
    dot = match.start()
    if text[dot] != "." or match["more"]:
        return False
    words = text[max(start, dot - _LONGEST) : dot].rsplit(None, 1)  # what stands before, and the word
    word = words[-1].lstrip("([\"'\u201c\u2018") if words else ""
    if len(word) == 1 and word.isupper():
        return not claims or _initial(words[0] if len(words) > 1 else "", text, after)
    if word.isdigit():  # "1." opens an item
        return not text[start : dot - len(word)].strip()
    if claims and word.lower() in ("a.m", "p.m"):
        return text[after].isdigit()
    if claims and word.lower() in _MAY_END:
        return not _opens(text, after)
    return word.lower() in _ABBREVIATIONS or (claims and word.lower() == "no" and text[after].isdigit())


def _initial(before: str, text: str, after: int) -> bool:
    """Whether a capital and its full stop belong to a name, by the words around them."""
    words = before.split()
    if words and (words[-1].strip("([\"'\u201c\u2018,;:").lower() in _LETTERED or _LISTED.search(before)):
        return False
    lone = after + 1 < len(text) and text[after].isupper() and not text[after + 1].isalnum()
    return bool(_INITIALS.match(text, after)) or not (lone or _opens(text, after))


def _opens(text: str, at: int) -> bool:
    """Whether a word stands here that opens a sentence and is no part of a name."""
    word = _WORD.search(text, at, at + _LONGEST)
    return bool(word) and word.group().lower() in _OPENERS
