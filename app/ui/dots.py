"""Dot and whisker: values with their intervals, one a line, with names at the left. Made for differences and shares of systems."""

from collections.abc import Sequence
from typing import NamedTuple

from app.ui import charts
from core.comparison.comparison import Difference

CUT = 36  # characters of a name on an axis
LINE = 40  # of each line of one that stands in two


class Mark(NamedTuple):
    """A value with its interval on a line of its own. None: undefined, the line stays empty."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    color: str = charts.COLORS[0]
    symbol: str = "circle"


def shade(change: Difference | None, level: float) -> str:
    """The colour of a value: blue where it is significantly different from what it is compared with."""
    return charts.COLORS[0] if change and change.significant(level) else charts.BASELINE


def difference(name: str, change: Difference, level: float) -> Mark:
    """A paired difference with its interval."""
    return Mark(name, *change.paired[:3], shade(change, level))


def marks(
    rows: Sequence[Mark],
    title: str,
    *,
    lines: Sequence[tuple[float, str]] = (),
    span: tuple[float, float] | None = None,
    digits: int = 3,
) -> charts.Figure:
    """One line each, names at the left: points with whiskers, and dashed lines for what they are held against."""
    measured = [row for row in rows if row.value is not None]
    names = broken([row.name for row in rows])
    two = any("<br>" in name for name in names.values())
    whisker = [(row.value if row.low is None else row.low, row.value if row.high is None else row.high) for row in measured]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "showlegend": False,
        "x": [row.value for row in measured],
        "y": [names[row.name] for row in measured],
        "marker": {"size": 9, "color": [row.color for row in measured], "symbol": [row.symbol for row in measured]},
        "customdata": [[between(row, digits)] for row in measured],
        "error_x": charts.whiskers([row.value for row in measured], whisker, thickness=1.4, width=4),
        "hovertemplate": f"%{{y}}<br>%{{x:.{digits}f}} (%{{customdata[0]}})<extra></extra>",
    }
    if any(row.low is not None or row.high is not None for row in measured):
        trace["meta"] = "whiskers"
    shape = charts.figure(
        [trace],
        title,
        height=104 + (38 if two else 30 if len(rows) <= 12 else 18) * max(len(rows), 1),
        xaxis={"showgrid": True, **({"range": list(span)} if span else {})},
        yaxis={
            "showgrid": False,
            **({"tickfont": {"size": 11, "color": charts.MUTED}} if two else {}),
            "type": "category",
            "categoryorder": "array",
            "categoryarray": [names[row.name] for row in rows][::-1],
            "range": [-0.6, len(rows) - 0.4],
        },
        meta={"whole": {names[row.name]: row.name for row in rows}},  # a figure of a paper has room for them
    )
    return with_lines(shape, lines)


def between(row: Mark, digits: int) -> str:
    """The interval in words; it may be open."""
    if row.low is None or row.high is None:
        sides = [
            f"{word} {bound:.{digits}f}" for word, bound in (("at least", row.low), ("at most", row.high)) if bound is not None
        ]
        return sides[0] if sides else "no interval"
    return f"{row.low:.{digits}f} to {row.high:.{digits}f}"


def with_lines(shape: charts.Figure, lines: Sequence[tuple[float, str]]) -> charts.Figure:
    """Dashed reference lines with their names."""
    drawn = [charts.mark_line(at, text, vertical=True) for at, text in lines]
    for name in ("shapes", "annotations"):
        shape["layout"][name] = [mark for drawing in drawn for mark in drawing[name]]
    if lines:
        layout = shape["layout"]
        layout["margin"] = {**layout["margin"], "t": 30}
        if layout["showlegend"] and any(text for _, text in lines):  # their names stand between the legend and the chart
            layout["legend"] = {**layout["legend"], "y": 1 + 22 / max(layout["height"] - 100, 40)}
        for note in shape["layout"]["annotations"]:
            note["yanchor"] = "bottom"
            note["xanchor"] = "center"
    return shape


def broken(names: Sequence[str]) -> dict[str, str]:
    """Long names in two lines, where one of their parts ends; without their middles where a line is too long even so."""
    halves = {name: _halves(name) for name in names}
    cut_ones = cuts([name for name in names if halves[name] is None])
    return {name: "<br>".join(halves[name]) if halves[name] else cut_ones[name] for name in names}


def _halves(name: str) -> tuple[str, str] | None:
    """The two lines of a long name; None: it stands in one, or its parts are too long."""
    if len(name) <= CUT:
        return None
    for between_parts in (" · ", " × ", ": ", ", "):
        parts = name.split(between_parts)
        ways = [(between_parts.join(parts[:at]), between_parts.join(parts[at:])) for at in range(1, len(parts))]
        if between_parts != " · ":  # what joins the parts stays in sight
            ways = [(first + between_parts.rstrip(), last) for first, last in ways]
        fits = [way for way in ways if max(map(len, way)) <= LINE]
        if fits:
            return min(fits, key=lambda way: max(map(len, way)))
    return None


def cut(name: str, limit: int = CUT) -> str:
    """A long name without its middle: systems differ at the end."""
    tail = limit // 3
    return name if len(name) <= limit else f"{name[: limit - tail - 1].rstrip()}…{name[-tail:].lstrip()}"


def cuts(names: Sequence[str]) -> dict[str, str]:
    """Long names without their middles, yet so long that no two look alike."""
    limit, different = CUT, set(names)
    while len({cut(name, limit) for name in different}) < len(different):
        limit += 6
    return {name: cut(name, limit) for name in names}
