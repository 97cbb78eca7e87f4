"""An experiment over what its points give to read: quality against the tokens of the first k chunks.

Larger chunks hold the evidence more often because they hold more of everything. Points above one another gave the same text.
"""

import streamlit as st

from app.ui import charts
from app.ui.experiments import words
from app.ui.experiments.shown import DIFFERENCE, Shown
from core.labs.experiments.results import PointResult

WIDE = 4.0  # so many times as much text is drawn over orders of magnitude
NAMED = len(charts.COLORS)  # points with a colour of their own, where nothing joins them
Tokens = dict[str, float | None]  # of each trial


def draw(shown: Shown, along: str, other: str, tokens: Tokens) -> None:
    """along: the setting of numbers whose points are joined, other: of which each value is a line; "" where there is none."""
    rows = [row for row in shown.results.rows if tokens[row.trial.id]]
    points = [row for row in rows if not row.beside]
    traces = joined(shown, points, along, other, tokens) if along else apart(shown, points, tokens)
    for row in rows:
        if row.beside:  # what is compared with has a context of its own
            traces += series(shown, [row], tokens, shown.base, charts.BASELINE)
            traces[-1]["marker"] |= {"symbol": "diamond", "size": 11}
    traces += shown.marked(points, lambda row: tokens[row.trial.id])
    ends = [tokens[row.trial.id] for row in rows]
    layout = {"xaxis": charts.log_axis(ends)} if max(ends) > WIDE * min(ends) else {}
    if shown.way == DIFFERENCE:
        layout |= charts.mark_line(0.0, shown.base)
    shown.show(
        charts.figure(traces, f"Context of the first {shown.results.k} chunks (tokens)", shown.title, height=400, **layout)
    )
    st.caption(
        "At the same context the higher point found more. A point further right gave more text, which holds more evidence by "
        "itself."
    )
    if left := len(shown.results.rows) - len(rows):
        st.caption(f"Not drawn, as their context was not measured: {left:,} points.")


def joined(shown: Shown, rows: list[PointResult], along: str, other: str, tokens: Tokens) -> list[dict]:
    """A line a value of the other setting, each point named by the value along it."""
    groups, recipe, traces = shown.by(rows, other), shown.experiment.recipe, []
    named = {0: "top center", len(groups) - 1: "bottom center"}  # of lines between them the names would lie on each other
    for place, ((title, members), color) in enumerate(zip(groups, charts.COLORS, strict=False)):
        members.sort(key=lambda row: tokens[row.trial.id])
        texts = [words.value_words(along, row.settings[along], recipe) if along in row.settings else "" for row in members]
        traces += series(shown, members, tokens, title, color, texts)
        traces[-1] |= {"mode": "lines+markers+text", "textposition": named[place]} if place in named else {}
    return traces


def apart(shown: Shown, rows: list[PointResult], tokens: Tokens) -> list[dict]:
    """Points that nothing joins: few have a colour each, many their names on hover."""
    names, few = words.coordinates(shown.experiment, [row.trial for row in rows]), len(rows) <= NAMED
    return [
        trace | {"showlegend": few}
        for place, row in enumerate(rows)
        for trace in series(shown, [row], tokens, names[row.trial.id], charts.COLORS[place if few else 0])
    ]


def series(
    shown: Shown, rows: list[PointResult], tokens: Tokens, name: str, color: str, texts: list[str] | None = None
) -> list[dict]:
    hover = "%{text}<br>" * bool(texts) + "%{x:,.0f} tokens: %{y:.3f}"
    traces = shown.line([tokens[row.trial.id] for row in rows], rows, name=name, color=color, hover=hover)
    if texts:
        traces[-1]["text"] = list(map(charts.safe, texts))
    return traces
