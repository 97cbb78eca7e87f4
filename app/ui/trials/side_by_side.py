"""The tab Side by side: two to five ticked trials on shared questions."""

from typing import Any

import streamlit as st

from app import session
from app.ui import cards, charts, tables
from app.ui.tables import TALL
from app.ui.trials.choice import look
from app.ui.trials.scope import Scope
from core.labs.trials import side_by_side as lab
from core.labs.trials.side_by_side import FEWEST, MOST, SideBySide
from core.report.table import MEAN, Column, Table
from core.workbench import command_line

OUTCOMES = {"Won": charts.COLORS[0], "Tied": charts.faint(charts.BASELINE, 0.4), "Lost": charts.COLORS[1]}


def draw(scope: Scope, names: dict[str, str]) -> None:
    if not FEWEST <= len(scope.chosen) <= MOST:
        return st.info(
            f"Tick {FEWEST} to {MOST} trials on the same questions in the table above; {len(scope.chosen)} are ticked.",
            icon=":material/view_column:",
        )
    result = lab.side_by_side(session.workbench(), scope.chosen, scope.metric)
    words = ["side-by-side", *(trial.id for trial in result.trials), "--metric", scope.metric]
    result = lab.lettered(result)
    if result.settings:
        st.markdown("**Settings that differ**")
        settings = [{"Setting": name, **dict(zip(result.names, own, strict=True))} for name, own in result.settings.items()]
        _show(settings, "sides_settings", [Column("Setting"), *(Column(name, name) for name in result.names)], pinned=True)
    won_and_lost(scope, result, command_line(*words))
    trace(result, names, command_line(*words))
    st.markdown("**By question**")
    rows = lab.by_question(result)
    columns = [Column("question", width=400), *(Column(name, name, MEAN, width=150) for name in result.names)]
    _show(rows, "sides_questions", columns, height=300 if len(rows) > TALL else "content")
    st.caption(f"{scope.head} of {len(rows):,} questions that all measured, the widest apart first.")


def won_and_lost(scope: Scope, result: SideBySide, command: str) -> None:
    pairs = lab.pairs(result)
    labels = [row["pair"] for row in pairs]
    groups = {outcome: [row[outcome.lower()] for row in pairs] for outcome in OUTCOMES}
    traces = charts.bars(labels, groups, colors=OUTCOMES, horizontal=True, hover="%{x:,} questions")
    shape = charts.figure(
        traces,
        "Questions",
        height=170 + 30 * len(pairs),
        barmode="stack",
        yaxis={"autorange": "reversed", "showgrid": False, "type": "category"},
        xaxis={"showgrid": True},
    )
    shape["layout"]["legend"]["traceorder"] = "normal"
    charts.show(
        shape,
        "won-and-lost",
        data=pairs,
        command=command,
        title="Questions won and lost",
        caption=f"{scope.head}, n {result.values.shape[1]:,}; the first of each pair",
    )
    st.caption(cards.plain("; ".join(result.names)))


def trace(result: SideBySide, names: dict[str, str], command: str) -> None:
    """Time of each stage in each trial's own run."""
    rows = lab.traces(result)
    if not rows:
        return st.caption("No times were stored with these trials.")
    groups: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in result.names}
    colors = {name: look(names, t)["color"] for name, t in zip(result.names, result.trials, strict=True)}
    traces = charts.bars([row["stage"] for row in rows], groups, colors=colors, hover="%{x}: %{y:,.1f} ms")
    charts.show(
        charts.figure(traces, "", "Time (ms)", height=320, barmode="group", xaxis={"type": "category"}),
        "trace",
        data=rows,
        command=command,
        title="Trace",
        caption="time of each stage in the trial's own run; a cached stage took no time there",
    )
    cached = {row["stage"]: row["from the cache"] for row in rows if row["from the cache"]}
    if cached:
        said = "; ".join(f"{stage}: {who}" for stage, who in cached.items())
        st.caption(cards.plain(f"From the cache: {said}."))


def _show(rows: list[dict[str, Any]], name: str, columns: list[Column], **options: Any) -> None:
    tables.draw(Table(name, columns, rows), rows=None, placeholder=None, **options)
