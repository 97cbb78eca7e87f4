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
        "LaTeX that compiles, figures, tables, numbers, references, and the raw records that they rest on: rankings, gold spans "
        "and the words of the questions. Look whether you may publish the questions."
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
            f"{cards.size(place.stat().st_size)}, of {datetime.fromtimestamp(place.stat().st_mtime):%-d %b, %H:%M}. Unpacked, `make` in it "
            "sets main.pdf (by pdflatex); README.md there says how anyone verifies it."
        )
    st.code(f"python -m core export {paper.id}\npython -m core verify-paper {paper.id}.zip", language="bash")
