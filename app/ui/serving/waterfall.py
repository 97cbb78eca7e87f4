"""Traces as waterfalls: a row a span, from its start to its end; and the usual one of many requests, a row a stage.

All bars are one trace of plotly, built from arrays: ten thousand spans cost the server a fifth of a second.
"""

from collections.abc import Sequence
from itertools import repeat

import numpy as np

from app.ui import charts
from core.serving.conventions import KINDS
from core.serving.traces import StageBar, TreeRow, Waterfalls, critical_path, tree

# from dark to light in steps of ten of CIELAB's lightness: they tell apart in grey, too. None is of the palette: on dark ground
# `charts.DARK` turns the steps around, and the palette's blue is another there
SHADES = {
    "model": "#0A3161",
    "reranking": "#8E2A68",
    "retrieval": "#0071B0",
    "tool": "#D2691E",
    "other": "#A3A8AD",
    "embedding": "#86CDF2",
    "queue": "#F8E8B8",
}
CRITICAL, BELOW = charts.COLORS[5], 0.46  # below a bar, in rows from its middle
NAMED = 60  # rows, up to which each has its name beside it
ROW, LEAST, MOST = 24, 200, 760  # px: a row, and the least and most of all
LEAST_MS = 0.001  # where a logarithmic axis of time begins at most: a start at 0 has no logarithm
NAMED_ROOM = 0.3  # of the axis, for what is written behind the bars
LONGEST, LONGEST_TOLD = 40, 200  # characters of a name beside its row, and of what the mouse shows


def figure(falls: Waterfalls, trace: int = 0, *, logarithmic: bool = False) -> charts.Figure:
    """The spans of a trace in the order of its tree, with what the request waited for marked below them.

    logarithmic: of the time since the request began, for traces in which short spans stand beside long ones.
    """
    rows, total_ms = tree(falls, trace), float(falls.total[trace]) / 1e6
    row_of = np.full(len(falls.end), -1)
    row_of[[row.row for row in rows]] = np.arange(len(rows))
    start, ms = np.array([(row.start_ms, row.ms) for row in rows], np.float64).reshape(-1, 2).T
    names = [row.span.name for row in rows]
    least = _least(start) if logarithmic else 0.0
    bars = _bars(start, ms, [row.span.kind for row in rows], least)
    # a text each: of numbers beside the bars plotly copies every one by itself
    bars |= {"hovertext": [_hover(row) for row in rows], "hovertemplate": "%{hovertext}<extra></extra>"}
    if len(rows) <= NAMED:
        bars |= {"text": [_share(length, total_ms) for length in ms], "textposition": "outside", "cliponaxis": False}
    path = critical_path(falls, trace)
    there = row_of[path.row] >= 0
    line = {"color": CRITICAL, "width": 3}
    begin, end = (np.maximum(column[there] / 1e6, least).tolist() for column in (path.start, path.end))
    x = [place for piece in zip(begin, end, repeat(None)) for place in piece]  # a gap behind each
    y = np.repeat(row_of[path.row[there]] + BELOW, 3).tolist()
    waited = {"type": "scatter", "mode": "lines", "x": x, "y": y, "line": line, "name": "critical path", "hoverinfo": "skip"}
    return _figure([bars, waited], [row.span.kind for row in rows], names, total_ms, least)


def percentile_figure(stages: Sequence[StageBar], *, logarithmic: bool = False) -> charts.Figure:
    """The usual waterfall of many requests: a bar from the median start of a stage as long as its median, a whisker to the 95th
    percentile of its length."""
    start, median, p95 = np.array([(bar.start_ms, bar.median_ms, bar.p95_ms) for bar in stages], np.float64).reshape(-1, 3).T
    least = _least(start) if logarithmic else 0.0
    bars = _bars(start, median, [bar.kind for bar in stages], least)
    whiskers = {"type": "data", "symmetric": False, "array": (p95 - median).tolist(), "arrayminus": [0] * len(stages), "width": 3}
    template = "%{hovertext}<br>median %{customdata[0]:,.2f} ms, p95 %{customdata[1]:,.2f} ms, of %{customdata[2]:,} requests"
    bars |= {
        "error_x": {**whiskers, "color": charts.BASELINE, "thickness": 1.2},
        "meta": "whiskers: to the 95th percentile",
        "customdata": [[bar.median_ms, bar.p95_ms, bar.traces] for bar in stages],
        "hovertext": [charts.safe(bar.stage) for bar in stages],
        "hovertemplate": f"{template}<extra></extra>",
    }
    labels = [bar.stage.rpartition(" > ")[2] for bar in stages]
    return _figure([bars], [bar.kind for bar in stages], labels, float(np.max(start + p95, initial=0.0)), least)


def _bars(start: np.ndarray, ms: np.ndarray, kinds: Sequence[str], least: float) -> dict:
    """The trace of bars, a row each; their colours are numbers on a scale of steps, which ten thousand texts would not be."""
    numbers = {kind: number for number, kind in enumerate(SHADES)}
    base = np.maximum(start, least)
    return {
        "type": "bar",
        "orientation": "h",
        "base": base.tolist(),
        "x": (np.maximum(start + ms, least) - base).tolist(),
        "y": list(range(len(base))),
        "width": 0.8,
        "showlegend": False,
        "marker": {
            "color": [numbers[kind] for kind in kinds],
            "colorscale": [[number / (len(SHADES) - 1), color] for number, color in enumerate(SHADES.values())],
            "cmin": 0,
            "cmax": len(SHADES) - 1,
            "line": {"color": charts.BASELINE, "width": 0.6},  # what is too short to have a width is seen by its edge
        },
    }


def _figure(traces: list[dict], kinds: Sequence[str], labels: Sequence[str], total_ms: float, least: float) -> charts.Figure:
    there = [kind for kind in KINDS if kind in set(kinds)]
    samples = [charts.sample(kind, {"symbol": "square", "size": 12, "color": SHADES[kind]}) for kind in there]
    height = min(MOST, max(LEAST, 90 + ROW * len(labels)))
    rows, named = {"range": [len(labels) - 0.4, -0.6], "showgrid": False}, len(labels) <= NAMED
    if named:
        rows |= {"tickvals": list(range(len(labels))), "ticktext": [charts.safe(label[:LONGEST]) for label in labels]}
    else:
        rows |= {"showticklabels": False}
    room = 1 + NAMED_ROOM * named  # the longest bar has its length written behind it
    time = charts.log_axis([least, total_ms]) if least else {"range": [0, total_ms * room or 1]}
    if least:
        low, high = time["range"]
        time["range"] = [low, low + (high - low) * room]
    title = "ms since the request began" + ", logarithmic" * bool(least)
    return charts.figure(
        [*samples, *traces], title, height=height, legend=True, xaxis={**time, "showgrid": True, "tickformat": ","}, yaxis=rows
    )


def _least(start: np.ndarray) -> float:
    """Where a logarithmic axis of time begins, in ms: before the first start that is later than the request's."""
    return max(LEAST_MS, float(np.min(start[start > 0], initial=1.0)) / 2)


def _hover(row: TreeRow) -> str:
    told = f"{row.span.name}: {row.span.message}" if row.span.message else row.span.name
    times = f"{row.ms:,.3f} ms from {row.start_ms:,.3f} ms<br>own {row.own_ms:,.3f} ms, waited for {row.critical_ms:,.3f} ms"
    return f"{charts.safe(told[:LONGEST_TOLD])}<br>{times}"


def _share(ms: float, total_ms: float) -> str:
    """ "12.3 ms, 4%"; "1.4 s, 60%" """
    length = f"{ms / 1000:,.1f} s" if ms >= 1000 else f"{ms:,.{1 if ms < 100 else 0}f} ms"
    return f"{length}, {ms / total_ms if total_ms else 0:.0%}"
