"""How far the estimates beside the buttons were off: of the jobs that are still listed."""

import streamlit as st

from app import session
from app.ui import cards, tables
from core.labs.store.estimates import estimates


def draw() -> None:
    """Nothing where no finished job had an estimate."""
    told = estimates(session.workbench())
    if told.rows:
        with st.expander("Estimates of jobs, and what they took", icon=":material/timer:"):
            st.caption(f"{cards.plain(told.note)}.")
            tables.draw(told)
