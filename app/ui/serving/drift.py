"""Drift: whether questions, and the scores of their best passages, are still as at publication."""

import streamlit as st

from app import session
from app.ui import cards, jobs, tables
from core.serving.drift import drift, drift_table, farthest_table
from core.serving.publishing import Publication


def draw(publication: Publication) -> None:
    told = jobs.drain(drift(session.workbench(), publication), "Encoding its questions")
    look = st.warning if any(row["differ"] for row in told.tests) else st.caption
    look(cards.plain(told.sentence))
    if not told.questions:
        return
    tables.draw(drift_table(told))
    st.caption(
        "Kernel two-sample tests by permutation, valid for one look: daily looks give a p below 0.05 now and then without any drift."
    )
    tables.draw(farthest_table(told))
