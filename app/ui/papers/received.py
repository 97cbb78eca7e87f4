"""Somebody else's bundle, recomputed from its records by a job."""

import streamlit as st

from app import session
from app.ui import cards, jobs
from app.ui.papers import items
from core.labs.papers import bundle
from core.labs.papers.checking import Checked
from core.workbench import one_phase


def draw() -> None:
    sent = st.file_uploader("A bundle", type="zip", key="received", help="Nothing in it is run.")
    if sent is None:
        return
    arguments = ["verify-paper", bundle.receive(session.workbench(), sent.getvalue())]
    takes = one_phase(f"a bundle of {cards.size(sent.size)}, computed anew from its records", units=1)
    jobs.start_button("Verify", arguments, f"Verifying {sent.name}", takes, icon=":material/fact_check:")
    job = jobs.latest(arguments)
    if job and job.status == "done":
        items.results([Checked(*row) for row in job.result])
