"""Requests: how they ended, how long they took stage by stage, what they cost, and whether the queue's count agrees with the spans."""

import streamlit as st

from app import session
from app.ui import cards, charts, tables
from core.serving.dashboard import Dashboard, dashboard, ends_table, paths_table, stages_table
from core.serving.load import SHARES
from core.workbench import command_line

WINDOWS = {1.0: "Last hour", 24.0: "Last day", 168.0: "Last week", 720.0: "Last 30 days"}


def draw(name: str) -> None:
    hours = st.selectbox("Time", list(WINDOWS), index=1, format_func=WINDOWS.get, key="watch_hours", width=200)
    told = dashboard(session.workbench(), hours, name)
    if not told.requests:
        cards.empty("No requests", "It had no requests in this time: start it on the tab Service, and ask it.")
        return
    tables.draw(paths_table(told))
    st.caption("Percentiles of answers with status 200, with 95% intervals; empty where there are too few requests for one.")
    if told.stages:
        stage_chart(told, name)
    tables.draw(stages_table(told))
    tables.draw(ends_table(told))
    look = st.warning if told.law is not None and told.law.holds is False else st.caption
    look(cards.plain(told.law_sentence))


def stage_chart(told: Dashboard, name: str) -> None:
    """Where the time of an answer goes: the percentiles of each stage, the slowest on top."""
    rows = sorted(told.stages, key=lambda row: row["p50_ms"])
    stages, traces, every = [row["stage"] for row in rows], [], []
    for place, share in enumerate(SHARES):
        color, symbol = charts.COLORS[place], charts.SYMBOLS[place]
        values = [row[f"{share}_ms"] for row in rows]
        traces += charts.scatter(values, stages, name=share, color=color, symbol=symbol, hover="%{y}: %{x:,.1f} ms")
        traces[-1]["error_x"] = charts.whiskers(values, [(row[f"{share}_low"], row[f"{share}_high"]) for row in rows], color)
        every += [value for value in values if value is not None]
    charts.show(
        charts.figure(traces, "Milliseconds", height=130 + 40 * len(rows), xaxis=charts.log_axis(every)),
        "stages",
        command=command_line("serving", "dashboard", name, "--hours", f"{told.hours:g}"),
        data=rows,
        title="Latency by stage",
        caption=f"last {told.hours:g} hours; whiskers: 95% intervals",
    )
