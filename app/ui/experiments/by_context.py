"""A study over what its points give to read: quality against the tokens of the first k chunks.

Larger chunks hold the evidence more often because they hold more of everything. Points above one another gave the same text.
"""

import streamlit as st

from app.ui import charts
from app.ui.experiments import words
from app.ui.experiments.shown import DIFFERENCE, marked, read, show, y_title
from core.labs.experiments.experiment import Experiment
from core.labs.experiments.results import PointResult, StudyResults

WIDE = 4.0  # so many times as much text is drawn over orders of magnitude
NAMED = len(charts.COLORS)  # points with a colour of their own, where nothing joins them


def draw(experiment: Experiment, shown: StudyResults, along: str, other: str, way: str, tokens: dict[str, float | None]) -> None:
    """along: the setting of numbers whose points are joined, other: of which each value is a line; "" where there is none."""
    rows = [row for row in shown.rows if tokens[row.trial.id]]
    points = [row for row in rows if not row.beside]
    traces = (
        joined(experiment, shown, points, along, other, way, tokens) if along else apart(experiment, shown, points, way, tokens)
    )
    for row in rows:
        if row.beside:  # what is compared with has a context of its own
            traces += series([row], shown, way, tokens, f"the {shown.reference}", charts.BASELINE)
            traces[-1]["marker"] |= {"symbol": "diamond", "size": 11}
    traces += marked(points, shown, way, lambda row: tokens[row.trial.id])
    ends = [tokens[row.trial.id] for row in rows]
    layout = {"xaxis": charts.log_axis(ends)} if max(ends) > WIDE * min(ends) else {}
    if way == DIFFERENCE:
        layout |= charts.mark_line(0.0, f"the {shown.reference}")
    title = f"Context of the first {shown.k} chunks (tokens)"
    show(experiment, shown, charts.figure(traces, title, y_title(shown, way), height=400, **layout), way)
    st.caption(
        "Of points above one another the higher one found more in the same text. A point further right gave more text, which holds "
        "more evidence by itself."
    )
    if left := len(shown.rows) - len(rows):
        st.caption(f"Context unmeasured, and not drawn: {left:,} points.")


def joined(
    experiment: Experiment,
    shown: StudyResults,
    rows: list[PointResult],
    along: str,
    other: str,
    way: str,
    tokens: dict[str, float | None],
) -> list[dict]:
    """A line a value of the other setting, each point named by the value along it."""
    recipe, groups = experiment.recipe, {}
    for row in rows:
        groups.setdefault(words.value_words(other, row.settings.get(other), recipe) if other else "", []).append(row)
    traces = []
    named = {0: "top center", len(groups) - 1: "bottom center"}  # of lines between them the names would lie on each other
    for place, (members, color) in enumerate(zip(groups.values(), charts.COLORS, strict=False)):
        members.sort(key=lambda row: tokens[row.trial.id])
        title = words.with_name(other, members[0].settings.get(other), recipe) if other else ""
        texts = [words.value_words(along, row.settings[along], recipe) if along in row.settings else "" for row in members]
        traces += series(members, shown, way, tokens, title, color, texts)
        traces[-1] |= {"mode": "lines+markers+text", "textposition": named[place]} if place in named else {}
    return traces


def apart(
    experiment: Experiment, shown: StudyResults, rows: list[PointResult], way: str, tokens: dict[str, float | None]
) -> list[dict]:
    """Points that nothing joins: few have a colour each, many their names on hover."""
    names = words.coordinates(experiment, [row.trial for row in rows])
    traces = []
    for place, row in enumerate(rows):
        few = len(rows) <= NAMED
        name, color = names[row.trial.id], charts.COLORS[place if few else 0]
        traces += [trace | {"showlegend": few} for trace in series([row], shown, way, tokens, name, color)]
    return traces


def series(
    rows: list[PointResult],
    shown: StudyResults,
    way: str,
    tokens: dict[str, float | None],
    name: str,
    color: str,
    texts: list[str] | None = None,
) -> list[dict]:
    values = [read(row, shown, way) for row in rows]
    traces = charts.line(
        [tokens[row.trial.id] for row in rows],
        [mean for mean, *_ in values],
        low=[mean if low is None else low for mean, low, _ in values],
        high=[mean if high is None else high for mean, _, high in values],
        name=name,
        color=color,
        hover="%{text}<br>%{x:,.0f} tokens: %{y:.3f}" if texts else "%{x:,.0f} tokens: %{y:.3f}",
    )
    if texts:
        traces[-1]["text"] = list(map(charts.safe, texts))
    return traces
