"""The one look of every chart, and its export menu.

Figures are plain plotly mappings: building and sending one costs about two milliseconds, which a slider can afford.
The app's theme colours text and grid, light and dark; systems bring their own colour and keep it everywhere. On dark ground
what would sink into it is drawn in a brighter colour of the same palette; files that leave the app are always the light ones.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from app.ui import export
from core.report import print_style
from core.report.colours import PALETTE as COLORS

BASELINE = "#767676"
GROUND = "#ffffff"  # of the page, below what is to be read where lines cross it
INK = "#202124"  # of what is to be read upon bars and beside them
# on dark ground: sky for blue, Okabe and Ito's yellow for sky, and a lighter grey
DARK = dict(zip((*COLORS, BASELINE), ("#56B4E9", *COLORS[1:4], "#F0E442", COLORS[5], "#A4A9B0"), strict=True))
DARK |= {GROUND: "#15181c", **dict.fromkeys((INK, print_style.INK), "#f1f3f4")}  # a paper's figures are shown on dark ground, too
# kinds of spans: what is darkest on a light ground is lightest there
DARK |= {
    "#0A3161": "#F2F8FD",
    "#8E2A68": "#D989B6",
    "#0071B0": "#7DC6F0",
    "#D2691E": "#D26A20",
    "#A3A8AD": "#676E75",
    "#86CDF2": "#1E5885",
    "#F8E8B8": "#F3D889",
}
VALUES = {"x", "y", "z", "text", "customdata", "hovertext", "name", "hovertemplate"}  # of a trace: never a colour
MUTED = "#5f6368"  # text of axes on a light ground; style.css has that of both themes
INTERVAL = "95% interval"
CURRENT = "current setting"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
HEIGHT = 300
GAP = 6  # px between a dashed line and its label
TENS = tuple(10**e for e in range(7))  # ticks of a logarithmic axis, written out
SYMBOLS = ("circle", "square", "diamond", "triangle-up")
LONG = 1_000  # numbers, from which a list is handed to plotly as an array
Figure = dict[str, Any]


def figure(
    traces: list[dict], x: str = "", y: str = "", *, height: int = HEIGHT, legend: bool | None = None, **layout: Any
) -> Figure:
    """A figure in the app's look. x, y: titles of the axes with their units."""
    traces = [*traces, *_samples(traces)]
    if legend is None:  # one name needs no legend, a band or a ring does
        legend = sum(t.get("showlegend", True) for t in traces) > 1 or any(t.get("meta") == "sample" for t in traces)
    # at the right the toolbar has a margin of its own, so that it covers nothing
    base = {
        "height": height,
        "margin": {"l": 62, "r": 36, "t": 30 if legend else 12, "b": 54},
        "showlegend": legend,
        "modebar": {"orientation": "v", "bgcolor": "rgba(0,0,0,0)"},
        "font": {"family": FONT, "size": 12},
        "hovermode": "closest",
        "dragmode": "zoom",
        "colorway": list(COLORS),
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1.02,
            "yanchor": "bottom",
            "font": {"size": 12},
            "bgcolor": "rgba(0,0,0,0)",  # where it reaches into the chart it hides nothing
            "title": {"text": ""},
        },
        "xaxis": _axis(x) | {"showgrid": False, "showline": True, "ticks": "outside", "ticklen": 4, "automargin": True},
        "yaxis": _axis(y, 12) | {"showgrid": True, "showline": False, "automargin": True},
    }
    for key, value in layout.items():
        base[key] = {**base[key], **value} if isinstance(value, dict) and isinstance(base.get(key), dict) else value
    return {"data": traces, "layout": base}


def line(
    x: Sequence[float],
    y: Sequence[float | None],
    *,
    name: str = "",
    low: Sequence[float | None] | None = None,
    high: Sequence[float | None] | None = None,
    current: float | None = None,
    color: str = COLORS[0],
    dash: str = "solid",
    hover: str = "",
    interval: str = INTERVAL,
) -> list[dict]:
    """Traces of one curve: its interval as a band and the point at x == `current` ringed. Join lists for more curves.

    y None: nothing was measured there; neither line nor band crosses the gap, and a point alone has whiskers. An interval of which an end
    is None is not drawn.
    interval: what the legend calls the band.  hover: a plotly template for a point, "%{x}: %{y:.3f}" by default.
    """
    x, y, name = list(x), list(y), safe(name)
    traces, joined = [], not any(isinstance(value, str) for value in x)  # nothing lies between two names
    spread = low is not None and high is not None
    closed = [None if None in (low[i], value, high[i]) else value for i, value in enumerate(y)] if spread else []
    for run in _runs(closed) if joined else ():
        if len(run) > 1:
            around = {
                "x": [x[i] for i in run] + [x[i] for i in run[::-1]],
                "y": [high[i] for i in run] + [low[i] for i in run[::-1]],
            }
            traces.append(
                {
                    "type": "scatter",
                    **around,
                    "mode": "lines",
                    "fill": "toself",
                    "line": {"width": 0},
                    "fillcolor": faint(color, 0.16),
                    "hoverinfo": "skip",
                    "showlegend": False,
                    "legendgroup": name,
                    "meta": "band",
                    "name": interval,
                }
            )
    traces.append(
        {
            "type": "scatter",
            "x": x,
            "y": y,
            "name": name,
            "mode": "markers" if not joined else "lines+markers" if len(x) <= 60 else "lines",
            "line": {"color": color, "width": 2, "dash": dash},
            "marker": {"size": 5, "color": color},
            "legendgroup": name,
            "showlegend": bool(name),
            "hovertemplate": (hover or "%{x}: %{y:.3f}") + f"<extra>{name}</extra>",
        }
    )
    alone = [i for run in _runs(closed) if len(run) == 1 or not joined for i in run]
    if alone:
        traces[-1]["meta"] = "whiskers" if interval == INTERVAL else f"whiskers: {interval}"
        traces[-1]["error_y"] = whiskers(y, [(low[i], high[i]) if i in alone else None for i in range(len(y))], color)
    if current is not None and current in x and y[x.index(current)] is not None:
        traces.append(_ring(current, y[x.index(current)], color, name) | {"meta": "ring", "name": CURRENT})
    return traces


def guide(x: Sequence[float], y: Sequence[float], color: str = BASELINE, width: float = 1.2, **line: Any) -> dict:
    """The trace of a line that measures nothing: without points, hover or a place in the legend."""
    drawn = {"color": color, "width": width, **line}
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "hoverinfo": "skip", "showlegend": False, "line": drawn}


def bars(
    labels: Sequence[str],
    groups: Mapping[str, Sequence[float | None]],
    *,
    errors: Mapping[str, Sequence] | None = None,
    colors: Mapping[str, str] | None = None,
    horizontal: bool = False,
    hover: str = "",
) -> list[dict]:
    """Grouped bars: one group a system, one bar a label. errors: (low, high) for each bar of a group, drawn as whiskers."""
    traces = []
    for i, (name, values) in enumerate(groups.items()):
        color, shown = (colors or {}).get(name) or COLORS[i % len(COLORS)], safe(name)
        along, across = ("x", "y") if horizontal else ("y", "x")
        trace = {
            "type": "bar",
            along: list(values),
            across: [str(label) for label in labels],
            "name": shown,
            "orientation": "h" if horizontal else "v",
            "marker": {"color": color},
            "hovertemplate": (hover or f"%{{{across}}}: %{{{along}:.3f}}") + f"<extra>{shown}</extra>",
        }
        if errors and name in errors:
            trace |= {"meta": "whiskers", f"error_{along}": whiskers(values, errors[name])}
        traces.append(trace)
    return traces


def histogram(
    values: Sequence[float], *, name: str = "", bins: int = 40, color: str = COLORS[0], span: tuple[float, float] | None = None
) -> list[dict]:
    """Counts in equal bins, computed here: the page sends forty bars, not every value. Share `span` to compare two."""
    import numpy as np

    name = safe(name)
    counts, edges = np.histogram(np.asarray(values, float), bins=bins, range=span)
    return [
        {
            "type": "bar",
            "x": ((edges[:-1] + edges[1:]) / 2).tolist(),
            "y": counts.tolist(),
            "name": name,
            "width": np.diff(edges).tolist(),
            "marker": {"color": color, "line": {"width": 0}},
            "showlegend": bool(name),
            "opacity": 0.75 if name else 1.0,
            "customdata": np.stack([edges[:-1], edges[1:]], 1).tolist(),
            "hovertemplate": "%{customdata[0]:.4g} to %{customdata[1]:.4g}: %{y:,}" + f"<extra>{name}</extra>",
        }
    ]


def scatter(
    x: Sequence[float],
    y: Sequence[float],
    *,
    ids: Sequence[str] | None = None,
    name: str = "",
    color: str = COLORS[0],
    faint: bool = False,
    current: int | None = None,
    hover: str = "",
    symbol: str = "circle",
) -> list[dict]:
    """Points with their ids on hover; the point at position `current` is ringed."""
    name = safe(name)
    ids = [str(i) for i in ids] if ids is not None else [str(i) for i in range(len(x))]
    traces = [
        {
            "type": "scatter",
            "x": list(x),
            "y": list(y),
            "name": name,
            "mode": "markers",
            "customdata": ids,
            "hovertext": [safe(i) for i in ids],  # plotly reads markup there
            "marker": {"size": 7, "color": color, "opacity": 0.3 if faint else 0.85, "symbol": symbol},
            "showlegend": bool(name),
            "hovertemplate": (hover or "%{hovertext}<br>%{x:.4g}, %{y:.3f}") + f"<extra>{name}</extra>",
        }
    ]
    if current is not None:
        traces.append(_ring(x[current], y[current], color, name))
    return traces


def frontier(x: Sequence[float], y: Sequence[float], x_direction: int = -1) -> list[int]:
    """Positions of the points that are not dominated, from the best x on (-1: smaller is better)."""
    order = sorted(range(len(x)), key=lambda i: (-x_direction * x[i], -y[i]))
    best, points = None, []
    for i in order:
        if best is None or y[i] > best:
            best = y[i]
            points.append(i)
    return points


def look(place: int) -> tuple[str, str]:
    """(colour, marker) of the system at this place; none is like another before the 24th."""
    return COLORS[place % len(COLORS)], SYMBOLS[place // len(COLORS) % len(SYMBOLS)]


def whiskers(
    values: Sequence[float | None],
    ends: Sequence[tuple[float | None, float | None] | None],
    color: str = BASELINE,
    thickness: float = 1.2,
    width: int = 3,
) -> dict[str, Any]:
    """The error bars of a trace with these values, from its (low, high) each; None: nothing on that side."""
    bounds = [(None, None) if value is None or end is None else end for value, end in zip(values, ends, strict=True)]
    return {
        "type": "data",
        "symmetric": False,
        "thickness": thickness,
        "width": width,
        "color": color,
        "array": [None if high is None else high - value for value, (_, high) in zip(values, bounds, strict=True)],
        "arrayminus": [None if low is None else value - low for value, (low, _) in zip(values, bounds, strict=True)],
    }


def log_axis(values: Sequence[float | None]) -> dict[str, Any]:
    """A logarithmic axis over these values, with ticks at 1, 2 and 5 times powers of ten, written out."""
    some = [v for v in values if v is not None and v > 0]
    if not some:
        return {}
    low, high = math.log10(min(some)) - 0.15, math.log10(max(some)) + 0.15
    ticks = [m * 10.0**e for e in range(-6, 13) for m in (1, 2, 5) if low <= math.log10(m * 10.0**e) <= high]
    ticks = ticks if len(ticks) < 9 else [t for t in ticks if f"{t:e}"[0] == "1"]
    texts = [f"{t:,.0f}" if t >= 1 else f"{t:g}" for t in ticks]
    return {"type": "log", "tickvals": ticks, "ticktext": texts, "range": [low, high]}


def mark_line(at: float, text: str, *, vertical: bool = False) -> dict:
    """Layout additions that draw a dashed reference line: figure(..., **mark_line(0.9, "baseline"))."""
    along, across = ("y", "x") if vertical else ("x", "y")
    shape = {
        "type": "line",
        f"{across}0": at,
        f"{across}1": at,
        f"{along}0": 0,
        f"{along}1": 1,
        f"{along}ref": "paper",
        "line": {"color": BASELINE, "width": 1.2, "dash": "dash"},
    }
    note = {
        "text": safe(text),
        across: at,
        along: 1,
        f"{along}ref": "paper",
        "showarrow": False,
        "xanchor": "left" if vertical else "right",
        "xshift": GAP if vertical else 0,
        "yanchor": "top" if vertical else "bottom",
        "font": {"size": 11, "color": BASELINE},
    }
    return {"shapes": [shape], "annotations": [note]}


def show(
    chart: Figure,
    name: str,
    *,
    command: str,
    data: Sequence[Mapping] | Any = None,
    config: Any = None,
    title: str = "",
    caption: str = "",
    method: str = "",
    key: str = "",
    on_select: Any = "ignore",
    judged: str = "",
    head: Any = st,
    instead: Callable[[], Any] | None = None,
) -> Any:
    """Draws a chart under its title, with the export menu in the upper right corner.

    name: file name of what is exported.  command: prints the chart's numbers; several stand on a line each.  data: rows
    (mappings or a DataFrame) behind the chart, for CSV.  config: the recipe that reproduces it.  method: how its intervals were
    made, for the caption of the exported figure; judged: how its values were judged, where the depth k does not say it.
    on_select="rerun": returns what was selected.  head: the place of title and menu.  instead: draws it on the page; the figure is
    then what is exported.
    """
    key = key or name
    heading, menu = head.columns([1, 0.12], vertical_alignment="center", gap=None, wrap=False)
    heading.html(f'<div class="gw gw-title"><span>{safe(title or name)}</span><small>{safe(caption)}</small></div>')
    with menu.container(horizontal_alignment="right"):
        export.menu(
            chart,
            name,
            data=data,
            config=config,
            command=command,
            title=title or name,
            shown=caption,
            method=method,
            key=key,
            judged=judged,
        )
    if instead:
        return instead()
    import pandas  # noqa: F401 - plotly asks the half of it that is there while another session imports it

    return st.plotly_chart(
        in_arrays(shaded(chart) if st.context.theme.type == "dark" else chart),
        key=f"chart/{key}",
        on_select=on_select,
        theme="streamlit",
        alt=title or name,
        config={
            "displaylogo": False,
            "displayModeBar": "hover",
            "toImageButtonOptions": {"format": "svg", "filename": name},
            "modeBarButtonsToRemove": ["select2d", "lasso2d", "zoomIn2d", "zoomOut2d", "autoScale2d"],
        },
    )


def in_arrays(chart: Figure) -> Figure:
    """With its long lists of numbers as arrays, which plotly takes whole; of a list it checks and copies each number."""
    return chart | {"data": [_in_arrays(trace) for trace in chart["data"]]}


def _in_arrays(value: Any) -> Any:
    import numpy as np

    if isinstance(value, dict):
        return {name: _in_arrays(inner) for name, inner in value.items()}
    if isinstance(value, list) and len(value) > LONG and {type(each) for each in value} <= {int, float, type(None)}:
        return np.array(value, np.float64)  # of None NaN: a gap
    return value


def shade(color: str) -> str:
    """A colour of the palette, as it is drawn on the ground that the reader has."""
    return DARK.get(color, color) if st.context.theme.type == "dark" else color


def shaded(part: Any) -> Any:
    """A chart, or a part of it, in the colours for dark ground."""
    if isinstance(part, dict):
        return {key: value if key in VALUES else shaded(value) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [shaded(inner) for inner in part]
    if isinstance(part, str):
        head, comma, alpha = part.rpartition(",")
        return DARK.get(part) or f"{_DARK_FAINT.get(head, head)}{comma}{alpha}"
    return part


def second_row(title: str) -> Figure:
    """Layout additions for a low second row under the chart, on the same x axis and over orders of magnitude: its traces
    say `yaxis="y2"`."""
    row = _axis(title, 18) | {
        "showgrid": True,
        "showline": False,
        "automargin": True,
        "domain": [0, 0.22],
        "type": "log",
        "tickvals": TENS,
        "ticktext": [f"{ten:,}" for ten in TENS],
    }
    return {"yaxis": {"domain": [0.34, 1]}, "yaxis2": row, "xaxis": {"anchor": "y2"}}


def _runs(y: Sequence[float | None]) -> list[list[int]]:
    """Positions of neighbouring measured values."""
    runs, open_ = [], False
    for i, value in enumerate(y):
        if value is not None:
            runs = [*runs[:-1], [*runs[-1], i]] if open_ else [*runs, [i]]
        open_ = value is not None
    return runs


def _axis(title: str, standoff: int = 14) -> dict:
    return {
        "title": {"text": safe(title), "standoff": standoff, "font": {"size": 12, "color": MUTED}},
        "zeroline": False,
        "separatethousands": True,  # of four digits, too
        "tickfont": {"size": 12, "color": MUTED},
    }


def _samples(traces: list[dict]) -> list[dict]:
    """What the legend shows of bands, whiskers and rings: each once, in grey where several systems have one.

    Traces say which of them they have in `meta`; "whiskers: quartiles" where these are not the usual interval.
    """
    samples = []
    for kind in ("band", "whiskers", "ring"):
        some = [trace for trace in traces if str(trace.get("meta")).partition(": ")[0] == kind]
        if not some or kind == "whiskers" and samples:  # points alone beside a band say the same
            continue
        own = [trace.get("fillcolor") or trace["marker"].get("color") for trace in some]
        color = own[0] if isinstance(own[0], str) and len(set(map(str, own))) == 1 else BASELINE
        across = "ew" if "error_x" in some[0] else "ns"
        marker = {
            "band": {
                "symbol": "square",
                "size": 13,
                "color": color if kind == "band" and color != BASELINE else faint(BASELINE, 0.3),
            },
            "whiskers": {"symbol": f"line-{across}", "size": 12, "line": {"width": 1.4, "color": BASELINE}},
            "ring": {"symbol": "circle-open", "size": 11, "color": color, "line": {"width": 2, "color": color}},
        }[kind]
        name = (some[0]["meta"].partition(": ")[2] or INTERVAL) if kind == "whiskers" else some[0]["name"]
        samples.append(sample(name, marker))
    return samples


def sample(name: str, marker: dict[str, Any]) -> dict[str, Any]:
    """A mark that stands in the legend alone."""
    shown = {"name": name, "marker": marker, "showlegend": True, "meta": "sample"}
    return {"type": "scatter", "mode": "markers", "x": [None], "y": [None], "hoverinfo": "skip"} | shown


def _ring(x: float, y: float, color: str, group: str) -> dict:
    return {
        "type": "scatter",
        "x": [x],
        "y": [y],
        "mode": "markers",
        "showlegend": False,
        "hoverinfo": "skip",
        "legendgroup": group,
        "marker": {"symbol": "circle-open", "size": 15, "color": color, "line": {"width": 2.5, "color": color}},
    }


def faint(color: str, alpha: float) -> str:
    """A colour of the palette, so much of it."""
    r, g, b = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({r},{g},{b},{alpha})"


# the beginnings of what `faint` makes
_DARK_FAINT = {faint(light, 1).rpartition(",")[0]: faint(dark, 1).rpartition(",")[0] for light, dark in DARK.items()}


def safe(text: str) -> str:
    """plotly reads a little HTML in texts: names of corpora and questions are not markup."""
    return str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
