"""The bundle of a paper, verified on its own records as a reader will, and somebody else's; both by a job."""

from datetime import datetime
from pathlib import Path

import streamlit as st

from app import session
from app.ui import cards, jobs
from app.ui.export import download
from app.ui.papers import items
from core.labs.papers import bundle, typesetting
from core.labs.papers import paper as papers
from core.labs.papers.checking import Checked
from core.labs.path.steps import paper_stands
from core.workbench import one_phase


def draw(paper: papers.Paper) -> None:
    st.caption(
        "A zip of LaTeX, figures, tables, numbers, references, and the raw results behind them: rankings, gold spans and the text of "
        "the questions. Check that the licence of your corpus lets you publish its questions."
    )
    place = Path(bundle.place(session.workbench(), paper.id))
    takes = one_phase(f"{cards.count(len(paper.items), 'item')} drawn, packed and verified", units=max(1, len(paper.items)))
    arguments, current = ["export", paper.id, "--out", str(place)], paper_stands(session.workbench(), paper.id)[0]
    make, take = ("secondary", "primary") if current else ("primary", "secondary")  # what comes next is blue
    jobs.start_button("Make the bundle", arguments, f"Bundle of {paper.id}", takes, icon=":material/inventory_2:", kind=make)
    if place.is_file():
        download("Download the last one", place.read_bytes, place.name, "download_bundle", icon=None, type=take)
        st.caption(
            f"{cards.size(place.stat().st_size)}, made {datetime.fromtimestamp(place.stat().st_mtime):%-d %b, %H:%M}. Its README.md "
            "explains how others can verify the numbers."
        )
        _pdf(paper, place)
    page = bundle.place(session.workbench(), paper.id, "html")
    takes = one_phase(f"{cards.count(len(paper.items), 'item')} drawn on one page", units=max(1, len(paper.items)))
    arguments = ["paper-report", paper.id, "--out", str(page)]
    jobs.start_button("Make the report", arguments, f"Report of {paper.id}", takes, icon=":material/html:", kind="secondary")
    if page.is_file():
        download("Download the report", page.read_bytes(), page.name, "download_report", icon=None)
        st.caption(
            "One page of HTML with everything in it, which loads nothing: texts, figures, tables and numbers in their order."
        )
    st.code(f"python -m core paper export {paper.id}\npython -m core paper verify {paper.id}.zip", language="bash")


def _pdf(paper: papers.Paper, packed: Path) -> None:
    """The PDF of the bundle that lies there, where a TeX can set it."""
    if not typesetting.able():
        st.caption(f"For a PDF unzip it and run `make`. That takes {typesetting.TEX}: `{typesetting.INSTALL}`")
        return
    pdf = Path(bundle.place(session.workbench(), paper.id, "pdf"))
    arguments, takes = ["paper-pdf", str(packed), "--out", str(pdf)], one_phase("three runs of pdflatex", units=3)
    jobs.start_button("Make the PDF", arguments, f"PDF of {paper.id}", takes, icon=":material/picture_as_pdf:", kind="secondary")
    if pdf.is_file() and pdf.stat().st_mtime >= packed.stat().st_mtime:  # else it is of an earlier bundle
        download("Download the PDF", pdf.read_bytes, pdf.name, "download_pdf", icon=None)


def received() -> None:
    sent = st.file_uploader("A bundle", type="zip", key="received", help="Nothing in it is run.")
    if sent is None:
        return
    arguments = ["verify-paper", bundle.receive(session.workbench(), sent.getvalue())]
    takes = one_phase(f"a bundle of {cards.size(sent.size)}, computed anew from its records", units=1)
    jobs.start_button("Verify", arguments, f"Verifying {sent.name}", takes, icon=":material/fact_check:")
    job = jobs.latest(arguments)
    if job and job.status == "done":
        items.results([Checked(*row) for row in job.result])
