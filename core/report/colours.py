"""Colours of a figure: the same one for a system everywhere, and which lines a reader cannot tell apart.

Colour blindness is simulated after Machado, Oliveira and Fernandes 2009, "A physiologically-based model for simulation of
color vision deficiency", table 1, severity 1.0, on linear RGB; what looks alike is a distance in CIELAB (CIE 15:2004, D65).
"""

import re
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")  # Okabe and Ito's, in this order everywhere
MACHADO = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)  # sRGB, D65
APART = 10.0  # of CIELAB, and of its lightness alone in grey: thin lines and small points need more than patches side by side
NO_SYSTEM = ("band", "ring", "sample")  # marks of traces that belong to another, or explain it


class Alike(NamedTuple):
    """Two systems whose lines look the same under one way of seeing."""

    first: str
    second: str
    seen: str  # protanopia, deuteranopia or grey
    distance: float


def simulated(colour: str, seen: str) -> np.ndarray:
    """Linear RGB [3] of a colour as it is seen."""
    values = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return np.clip(np.array(MACHADO[seen]) @ linear, 0, 1) if seen in MACHADO else linear


def lab(linear: np.ndarray) -> np.ndarray:
    """CIELAB [3] of linear RGB."""
    ratio = TO_XYZ @ linear / TO_XYZ.sum(axis=1)
    bent = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * bent[1] - 16, 500 * (bent[0] - bent[1]), 200 * (bent[1] - bent[2])])


def distance(first: str, second: str, seen: str) -> float:
    """How far two colours are from each other: in grey by lightness alone."""
    a, b = lab(simulated(first, seen)), lab(simulated(second, seen))
    return float(abs(a[0] - b[0])) if seen == "grey" else float(np.linalg.norm(a - b))


def alike(figure: Mapping[str, Any]) -> list[Alike]:
    """Pairs of systems that cannot be told apart; those that differ in dash or marker can."""
    looks = {name: (colour, form) for name, colour, form in _looks(figure)}
    return [
        Alike(first, second, seen, round(apart, 1))
        for (first, (a, form)), (second, (b, other)) in combinations(looks.items(), 2)
        if form == other
        for seen in (*MACHADO, "grey")
        if (apart := distance(a, b, seen)) < APART
    ]


def systems(figure: Mapping[str, Any]) -> dict[str, str]:
    """System -> its colour in this figure, in their order."""
    return {name: colour for name, colour, _ in _looks(figure)}


def recoloured(figure: Mapping[str, Any], colours: Mapping[str, str]) -> dict[str, Any]:
    """The figure with each system in its colour: line, points, whiskers and band."""
    own = systems(figure)

    def trace(mapping: Mapping[str, Any]) -> dict[str, Any]:
        system = next((mapping.get(key) for key in ("legendgroup", "name") if mapping.get(key) in colours), None)
        if system is None or system not in own:
            return dict(mapping)
        return _replaced(mapping, _rgb(own[system]), _rgb(colours[system]))

    return {**figure, "data": [trace(mapping) for mapping in figure["data"]]}


def with_new(colours: Mapping[str, str], figure: Mapping[str, Any]) -> dict[str, str]:
    """The colours of a paper with those of the figure's systems that have none yet: its own where it is free, else the next."""
    result = dict(colours)
    for system, colour in systems(figure).items():
        if system not in result:
            free = [other for other in (colour, *PALETTE) if other not in result.values()]
            result[system] = (free or [colour])[0]
    return result


def _looks(figure: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """(system, colour, form) of each trace that stands for a system by its name."""
    for trace in figure.get("data", ()):
        line, marker = trace.get("line") or {}, trace.get("marker") or {}
        colour = next((c for c in (line.get("color"), marker.get("color")) if isinstance(c, str) and _rgb(c)), None)
        if trace.get("name") and colour and trace.get("meta") not in NO_SYSTEM and trace.get("showlegend", True):
            form = (line.get("dash", "solid"), marker.get("symbol", "circle"), (marker.get("pattern") or {}).get("shape", ""))
            yield trace["name"], _hex(_rgb(colour)), form


def _rgb(colour: str) -> tuple[int, int, int] | None:
    if match := re.fullmatch(r"#([0-9a-fA-F]{6})", colour):
        return tuple(bytes.fromhex(match[1]))
    if match := re.fullmatch(r"rgba?\((\d+), ?(\d+), ?(\d+)(?:, ?[\d.]+)?\)", colour):
        return tuple(min(int(part), 255) for part in match.groups())
    return None


def _hex(rgb: tuple[int, int, int]) -> str:
    return "#" + bytes(rgb).hex().upper()


def _replaced(value: Any, old: tuple | None, new: tuple | None) -> Any:
    """The same values with one colour for another; how much of it shines through stays."""
    if isinstance(value, Mapping):
        return {key: _replaced(inner, old, new) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_replaced(inner, old, new) for inner in value]
    if isinstance(value, str) and _rgb(value) == old:
        alpha = re.search(r", ?([\d.]+)\)$", value) if value.startswith("rgba") else None
        return f"rgba({new[0]}, {new[1]}, {new[2]}, {alpha[1]})" if alpha else _hex(new)
    return value
