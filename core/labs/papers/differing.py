"""Where two plain values differ, in words."""

import math
from collections.abc import Iterator
from typing import Any

SAME = 1e-9  # other builds of numpy differ in the last digits
HOLDERS = ("rows", "cells", "leaderboard")  # which say nothing of a place that their rows and columns do not


def differences(recorded: Any, now: Any, place: str = "") -> Iterator[str]:
    """Where two plain values differ, in words; numbers that agree to nine digits are the same."""
    at = f"{place}: " if place else ""
    if isinstance(recorded, dict) and isinstance(now, dict):
        for name in dict.fromkeys([*recorded, *now]):
            if name not in recorded or name not in now:
                yield f"{at}{str(name)[:60]} is {'gone' if name in recorded else 'new'}"
            else:
                yield from differences(recorded[name], now[name], _within(place, "" if name in HOLDERS else str(name)))
    elif isinstance(recorded, list) and isinstance(now, list):
        if len(recorded) != len(now):
            yield f"{at}{len(recorded)} rows recorded, {len(now)} recomputed"
            return
        for row, (before, after) in enumerate(zip(recorded, now, strict=True), 1):
            yield from differences(before, after, _within(place, f"row {row}"))
    elif not _same(recorded, now):
        yield f"{at}{_said(recorded, now)} recorded, {_said(now, recorded)} recomputed"


def _within(place: str, name: str) -> str:
    return ", ".join(filter(None, (place, name)))[:120]


def _said(value: Any, other: Any) -> str:
    """A value in so few digits that it is told from the other."""
    if isinstance(value, float) and isinstance(other, float):
        return next((short for digits in (4, 8) if (short := f"{value:.{digits}g}") != f"{other:.{digits}g}"), str(value))
    return str(value)[:80]


def _same(recorded: Any, now: Any) -> bool:
    if (
        isinstance(recorded, bool)
        or isinstance(now, bool)
        or not all(isinstance(value, int | float) for value in (recorded, now))
    ):
        return type(recorded) is type(now) and recorded == now
    try:
        return math.isclose(recorded, now, rel_tol=SAME, abs_tol=1e-12)
    except OverflowError:  # a whole number beyond all floats
        return recorded == now
