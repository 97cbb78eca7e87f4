"""What a passage says, sentence by sentence, also where it is data: JSON, and what Python prints of such a value.

`{"hours": {"Monday": "11:0-21:0"}, "attributes": {"WiFi": "no", "HasTV": true, "Music": null}}` says "hours, Monday: 11:00 to 21:00
(11 AM to 9 PM).", "attributes: no wi fi." and "attributes: tv."; what is null says nothing. It is scanned, not parsed: what was cut
off in its middle, or stands behind a heading, is read as far as it goes.
"""

import re
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from core.judging.claims import WORD, Statement, by_marks
from core.judging.measure import remembered
from core.models.text import valid

TOKEN = re.compile(r"""(?P<text>"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?)|(?P<mark>[{}\[\]:,])|[^\s{}\[\]:,"']+""", re.DOTALL)
ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
HUMP = re.compile(r"_+|(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
TIMES = re.compile(r"([01]?\d|2[0-4]):([0-5]\d|\d(?=\s*[-–t]))(?:\s*(?:-|–|to)\s*([01]?\d|2[0-4]):([0-5]?\d))?")
THOUSANDS = re.compile(r"([1-9]\d{3,14})(\.\d+)?")
IS = re.compile("^(?:is|has) (?=.)")
SAYS = {"true": "yes", "false": "no", "null": "", "none": ""}
DEPTH = 6  # names before a value's own that are told
LEAST, SHARE = 2, 0.5  # so many values, in so much of the passage, make it data


class _Piece(NamedTuple):
    """names: on the way to a value, none around data. listed: where the list begins that the value is in."""

    start: int
    end: int
    text: str
    names: tuple[str, ...] = ()
    listed: int | None = None


@remembered(256)
def said(passage: str) -> tuple[Statement, ...]:
    """The sentences of a passage in their order."""
    return _of_data(passage) or tuple(by_marks(passage))


def readable(passage: str) -> str:
    """The passage as it would be read out: the very same where it is no data."""
    return " ".join(each.text for each in _of_data(passage)) or passage


@remembered(256)
def _of_data(passage: str) -> tuple[Statement, ...]:
    """Nothing where it is no data."""
    if "{" not in passage:
        return ()
    pieces: list[_Piece] = []
    opened: list[tuple[str, int | None]] = []  # the name of each bracket's value, and where it begins if it is a list
    key, held, begin, behind, covered = None, None, 0, 0, 0
    for token in TOKEN.finditer(passage):
        mark = token["mark"]
        if not opened and mark != "{":
            continue
        if not opened:
            begin = token.start()
            pieces += (_Piece(*each) for each in by_marks(passage, behind, begin))
        if not mark:
            held = token
        elif mark == ":" and held and held["text"]:
            key, held = held, None
        else:
            if held:
                pieces += _value(held, key, opened)
            if mark in "{[":
                opened.append((_name(key), token.start() if mark == "[" else None))
            elif mark in "}]":
                opened.pop()
                behind = token.end()
                covered += (behind - begin) * (not opened)
            key, held = None, None
    if opened:  # it was cut off
        pieces += _value(held, key, opened) if held else ()
        covered += len(passage) - begin
    else:
        pieces += (_Piece(*each) for each in by_marks(passage, behind))
    enough = sum(bool(each.names) for each in pieces) >= LEAST and covered >= SHARE * len(passage)
    return tuple(_told(pieces)) if enough else ()


def _value(token: re.Match, key: re.Match | None, opened: list[tuple[str, int | None]]) -> Iterator[_Piece]:
    """A value's sentences, of which only the first has the names before it."""
    names = tuple(name for name in (*(each for each, _ in opened[-DEPTH:]), _name(key)) if name)
    text, (start, end), listed = token.group(), token.span(), opened[-1][1]
    if not token["text"]:
        text = SAYS.get(text.lower(), text.removesuffix(".0"))
        if large := THOUSANDS.fullmatch(text):
            text = f"{text} ({int(large[1]):,}{large[2] or ''})"
        if text:
            yield _Piece(key.start() if key else start, end, text, names, listed)
        return
    closed = len(text) > 1 and text[-1] == text[0]
    parts = [each for each in by_marks(token.string, start + 1, end - closed) if WORD.search(each.text)]
    for i, (a, b, part) in enumerate(parts):
        b += closed and b == end - 1  # its quote
        yield _Piece(
            key.start() if key and not i else a, b, _clock(_plain(part)), names * (not i), listed if len(parts) == 1 else None
        )


def _name(key: re.Match | None) -> str:
    name = _plain(key.group()[1:-1]) if key else ""
    words = HUMP.sub(" ", name).strip()
    return words if words == name else words.lower()


def _plain(text: str) -> str:
    """Without escapes."""
    return valid(ESCAPED.sub(lambda match: chr(int(match[1], 16)) if match[1] else " " if match[2] in "nrt" else match[2], text))


def _clock(text: str) -> str:
    """A time of day, or two, with its minutes and by the clock of twelve hours too; any other text as it is."""
    match = TIMES.fullmatch(text)
    if not match:
        return text
    times = [(int(hour), int(minute)) for hour, minute in (match.group(1, 2), match.group(3, 4)) if hour]
    return f"{' to '.join(f'{hour}:{minute:02}' for hour, minute in times)} ({' to '.join(of_twelve(*time) for time in times)})"


def of_twelve(hour: int, minute: int = 0) -> str:
    """A time of 24 hours by the clock of twelve."""
    return f"{(hour - 1) % 12 + 1}{f':{minute:02}' if minute else ''} {'PM' if 12 <= hour < 24 else 'AM'}"


def _told(pieces: list[_Piece]) -> Iterator[Statement]:
    """As sentences; the short values of a list are one."""
    for _, some in groupby(pieces, lambda each: ~each.start if each.listed is None else each.listed):
        values = list(some)
        text, names = ", ".join(each.text for each in values), values[0].names
        if names and text.lower() in ("yes", "no"):
            text = f"{'no ' * (text.lower() == 'no')}{IS.sub('', names[-1])}"
            names = names[:-1]
        text = f"{', '.join(names)}: {text}" if names else text
        yield Statement(values[0].start, values[-1].end, text if text[-1] in ".!?:" else f"{text}.")
