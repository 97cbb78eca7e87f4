"""Objectives: answers, and answers in time, with their error budgets and how fast they burn."""

import streamlit as st

from app import session
from app.ui import cards, tables
from core.serving.objectives import DAYS, SLO_MS, TARGET, objectives, objectives_table
from core.serving.served import PATHS


def draw(name: str) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        path = st.selectbox("Requests", ["", *PATHS], format_func=lambda path: path or "All", key="slo_path", width=200)
        target = st.number_input("Good, at least (%)", 50.0, 99.99, 100 * TARGET, 0.1, key="slo_target", width=170)
        slo_ms = st.number_input("In time: within (ms)", 1, 600_000, int(SLO_MS), key="slo_ms", width=170)
    rows = objectives(session.workbench(), name, path, target / 100, float(slo_ms))
    if not rows[0]["requests"]:
        cards.empty("No requests", "It had no requests in 30 days: start it on the tab Service, and ask it.")
        return
    burning = dict.fromkeys(f"{row['objective']} ({row['severity']})" for row in rows if row["burning"])
    if burning:
        st.error(f"The budget burns: {', '.join(burning)}.", icon=":material/local_fire_department:")
    tables.draw(objectives_table(rows, target / 100, float(slo_ms)))
    st.caption(
        f"An alert is raised if the budget of {DAYS:g} days burns this fast in both windows. Not counted: faulty requests, requests the "
        "client left, and those refused at the door."
    )
