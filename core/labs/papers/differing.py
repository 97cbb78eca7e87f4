"""Where two plain values differ, in words."""

import math
from collections.abc import Iterator
from typing import Any

SAME = 1e-9  # other builds of numpy differ in the last digits


def differences(told: Any, now: Any, place: str = "") -> Iterator[str]:
    """Where two plain values differ, in words; numbers that agree to nine digits are the same."""
    at = f"{place}: " if place else ""
    if isinstance(told, dict) and isinstance(now, dict):
        for name in dict.fromkeys([*told, *now]):
            if name not in told or name not in now:
                yield f"{at}{str(name)[:60]} is {'gone' if name in told else 'new'}"
            else:
                yield from differences(told[name], now[name], f"{place}.{name}".strip(".")[:120])
    elif isinstance(told, list) and isinstance(now, list):
        if len(told) != len(now):
            yield f"{at}{len(told)} rows told, {len(now)} computed"
            return
        for row, (before, after) in enumerate(zip(told, now, strict=True)):
            yield from differences(before, after, f"{place}.{row}".strip(".")[:120])
    elif not _same(told, now):
        yield f"{at}{str(told)[:80]} told, {str(now)[:80]} computed"


def _same(told: Any, now: Any) -> bool:
    if isinstance(told, bool) or isinstance(now, bool) or not all(isinstance(value, int | float) for value in (told, now)):
        return type(told) is type(now) and told == now
    try:
        return math.isclose(told, now, rel_tol=SAME, abs_tol=1e-12)
    except OverflowError:  # a whole number beyond all floats
        return told == now
