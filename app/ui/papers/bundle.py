"""The bundle of a paper, made by a job: it is verified there on its own records, as a reader will."""

from datetime import datetime
from pathlib import Path

import streamlit as st

from app import session
from app.ui import cards, jobs
from core.labs.papers import bundle
from core.labs.papers import paper as papers
from core.workbench import one_phase


def draw(paper: papers.Paper) -> None:
    st.caption(
        "A zip of LaTeX, figures, tables, numbers, references, and the raw results behind them: rankings, gold spans and the text of "
        "the questions. Check that the licence of your corpus lets you publish its questions."
    )
    place = Path(bundle.place(session.workbench(), paper.id))
    takes = one_phase(f"{cards.count(len(paper.items), 'item')} drawn, packed and verified", units=max(1, len(paper.items)))
    arguments = ["export", paper.id, "--out", str(place)]
    jobs.start_button("Make the bundle", arguments, f"Bundle of {paper.id}", takes, icon=":material/inventory_2:")
    if place.is_file():
        st.download_button(
            "Download the last one", place.read_bytes, place.name, "application/zip", key="download_bundle", on_click="ignore"
        )
        st.caption(
            f"{cards.size(place.stat().st_size)}, made {datetime.fromtimestamp(place.stat().st_mtime):%-d %b, %H:%M}. Unzip it and run "
            "`make` to typeset main.pdf with pdflatex. Its README.md explains how others can verify the numbers."
        )
    st.code(f"python -m core paper export {paper.id}\npython -m core paper verify {paper.id}.zip", language="bash")
