"""Requests: how they ended, how long they took stage by stage, what they cost, and whether the queue's count agrees with the spans."""

import streamlit as st

from app import session
from app.ui import cards, tables
from core.serving.dashboard import dashboard, ends_table, paths_table, stages_table

WINDOWS = {1.0: "Last hour", 24.0: "Last day", 168.0: "Last week", 720.0: "Last 30 days"}


def draw(name: str) -> None:
    hours = st.selectbox("Of the", list(WINDOWS), index=1, format_func=WINDOWS.get, key="watch_hours", width=200)
    told = dashboard(session.workbench(), hours, name)
    if not told.requests:
        cards.empty("No requests", "It had no requests in this time: start it on the tab Service, and ask it.")
        return
    tables.draw(paths_table(told))
    st.caption("Percentiles of answers with status 200, with 95% intervals; empty where there are too few requests for one.")
    tables.draw(stages_table(told))
    tables.draw(ends_table(told))
    look = st.warning if told.law is not None and told.law.holds is False else st.caption
    look(cards.plain(told.law_sentence))
