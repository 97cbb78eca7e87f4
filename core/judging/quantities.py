"""Numbers and their units in running English text, read off by rules."""

import math
import re
from itertools import product
from typing import NamedTuple

RELATIVE = 1e-9  # what binary fractions round is no difference
_WORDS = "zero one two three four five six seven eight nine ten eleven twelve".split()
_TIMES = {"hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9, "bn": 1e9, "trillion": 1e12, "dozen": 12.0}
_SHORT = {"k": 1e3, "m": 1e6, "mn": 1e6, "b": 1e9, "bn": 1e9, "t": 1e12, "tn": 1e12}
# unit -> (what is measured and in what, how many of that); two are the same where both are
_UNITS: dict[str, tuple[str, float]] = {
    name: (measured, factor)
    for measured, names in {
        "%": {"%": 1.0, "percent": 1.0, "per cent": 1.0, "percentage points": 1.0, "percentage point": 1.0},
        "USD": {"$": 1.0, "us$": 1.0, "usd": 1.0, "dollar": 1.0, "dollars": 1.0},
        "EUR": {"€": 1.0, "eur": 1.0, "euro": 1.0, "euros": 1.0},
        "GBP": {"£": 1.0, "gbp": 1.0},
        "JPY": {"¥": 1.0, "yen": 1.0},
        "m": {
            **dict.fromkeys(("m", "metre", "metres", "meter", "meters"), 1.0),
            **dict.fromkeys(("km", "kilometre", "kilometres", "kilometer", "kilometers"), 1000.0),
            **dict.fromkeys(("cm", "centimetre", "centimetres", "centimeter", "centimeters"), 0.01),
            **dict.fromkeys(("mm", "millimetre", "millimetres", "millimeter", "millimeters"), 0.001),
            **dict.fromkeys(("mi", "mile", "miles"), 1609.344),
            **dict.fromkeys(("ft", "foot", "feet"), 0.3048),
            **dict.fromkeys(("inch", "inches"), 0.0254),
            **dict.fromkeys(("yd", "yard", "yards"), 0.9144),
        },
        "kg": {
            **dict.fromkeys(("kg", "kilogram", "kilograms"), 1.0),
            **dict.fromkeys(("g", "gram", "grams"), 0.001),
            **dict.fromkeys(("mg", "milligram", "milligrams"), 1e-6),
            **dict.fromkeys(("µg", "μg", "mcg", "microgram", "micrograms"), 1e-9),
            **dict.fromkeys(("t", "tonne", "tonnes"), 1000.0),
            **dict.fromkeys(("lb", "lbs"), 0.45359237),
        },
        "l": {
            **dict.fromkeys(("l", "litre", "litres", "liter", "liters"), 1.0),
            **dict.fromkeys(("ml", "millilitre", "millilitres", "milliliter", "milliliters"), 0.001),
        },
        "s": {
            **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
            **dict.fromkeys(("ms", "millisecond", "milliseconds"), 0.001),
            **dict.fromkeys(("min", "minute", "minutes"), 60.0),
            **dict.fromkeys(("h", "hr", "hour", "hours"), 3600.0),
            **dict.fromkeys(("day", "days"), 86400.0),
            **dict.fromkeys(("week", "weeks"), 604800.0),
        },
        "months": {**dict.fromkeys(("month", "months"), 1.0), **dict.fromkeys(("year", "years"), 12.0)},
        "B": {
            **dict.fromkeys(("byte", "bytes"), 1.0),
            **dict.fromkeys(("kb", "kilobyte", "kilobytes"), 1e3),
            **dict.fromkeys(("mb", "megabyte", "megabytes"), 1e6),
            **dict.fromkeys(("gb", "gigabyte", "gigabytes"), 1e9),
            **dict.fromkeys(("tb", "terabyte", "terabytes"), 1e12),
        },
        "°C": dict.fromkeys(("°c", "° c", "degrees celsius", "celsius"), 1.0),
        "°F": dict.fromkeys(("°f", "° f", "degrees fahrenheit", "fahrenheit"), 1.0),
        "m/s": {"m/s": 1.0, "km/h": 1 / 3.6, "kph": 1 / 3.6, "mph": 0.44704},
        "m2": {
            **dict.fromkeys(("m²", "square metres", "square meters"), 1.0),
            **dict.fromkeys(("km²", "square kilometres", "square kilometers"), 1e6),
        },
    }.items()
    for name, factor in names.items()
}
_SPACE = "\u00a0\u2009\u202f"
_FIGURES = rf"\d{{1,3}}(?:[,'’{_SPACE}]\d{{3}})+(?!\d)(?:\.\d+)?|\d{{1,3}}(?:\.\d{{3}}){{2,}}(?!\d)(?:,\d+)?|\d+(?:[.,]\d+)?"
_SAID = re.compile(
    rf"(?P<before>us\$|[$€£¥])?\s?(?:(?<![\w.,])(?P<sign>[-−–]))?(?:(?<![\w])(?P<figures>{_FIGURES})|\b(?P<word>{'|'.join(_WORDS)})\b)"
    # behind an amount of money each letter is a scale; without it those that are no unit, right behind the figures: 5m is a length
    r"(?P<short>(?(before)\s?(?:k|mn?|bn?|tn?)|(?<=\d)(?:k|mn|bn|tn|(?-i:[MB])))\b)?"
    rf"(?P<times>(?:[\s-]?(?:{'|'.join(_TIMES)})s?\b)*)(?P<ending>st\b|nd\b|rd\b|th\b|s\b)?"
    rf"(?:[\s-]?(?P<unit>{'|'.join(sorted(map(re.escape, _UNITS), key=len, reverse=True))})(?!\w))?",
    re.IGNORECASE,
)


class Quantity(NamedTuple):
    """A number of a text as it stands there, and in the unit that others of its kind are turned into; "": no unit."""

    text: str
    number: float
    unit: str = ""
    in_unit: float = math.nan


def quantities(text: str) -> list[Quantity]:
    """Each different one of a text, in its order."""
    read = [_read(match) for match in _SAID.finditer(text)]
    return list({(each.number, each.unit, each.in_unit): each for each in reversed(read)}.values())[::-1]


def _read(match: re.Match[str]) -> Quantity:
    number = _number(match["figures"]) if match["figures"] else float(_WORDS.index(match["word"].lower()))
    number *= math.prod(_TIMES[word.removesuffix("s")] for word in re.findall(r"[a-z]+", match["times"].lower()))
    number *= _SHORT[match["short"].strip().lower()] if match["short"] else 1.0
    number = -number if match["sign"] else number
    name = (match["before"] or match["unit"] or "").lower()
    if not name:
        return Quantity(match.group().strip(), number)
    unit, factor = _UNITS[name]
    return Quantity(match.group().strip(), number, unit, number * factor)


def _number(figures: str) -> float:
    """Commas, apostrophes and narrow spaces part thousands, as two and more full stops do; a comma before another number of
    figures than three is a decimal one."""
    if re.fullmatch(r"\d{1,3}(?:\.\d{3}){2,}(?:,\d+)?", figures):
        figures = figures.replace(".", "").replace(",", ".")
    elif re.fullmatch(r"\d+,(?:\d{1,2}|\d{4,})", figures):
        figures = figures.replace(",", ".")
    return float(re.sub(rf"[,'’{_SPACE}]", "", figures))


def same(a: Quantity, b: Quantity, tolerance: float = 0.0) -> bool:
    """Whether they are the same but for a relative difference; where a unit is left out, the number alone counts."""
    x, y = (a.in_unit, b.in_unit) if a.unit and b.unit else (a.number, b.number)
    return (not a.unit or not b.unit or a.unit == b.unit) and math.isclose(x, y, rel_tol=max(tolerance, RELATIVE), abs_tol=0.0)


def shared(said: list[Quantity], wanted: list[Quantity], tolerance: float = 0.0) -> list[tuple[int, int]]:
    """Places of what is the same in both, each used once: those that agree in the unit first."""
    pairs = [(i, j) for i, j in product(range(len(said)), range(len(wanted))) if same(said[i], wanted[j], tolerance)]
    taken: list[tuple[int, int]] = []
    for i, j in sorted(pairs, key=lambda pair: (said[pair[0]].unit != wanted[pair[1]].unit, pair)):
        if all(i != a and j != b for a, b in taken):
            taken.append((i, j))
    return taken
