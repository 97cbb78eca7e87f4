"""The corpora on this machine, and those that could be downloaded."""

import streamlit as st

from app import session
from app.ui import tables, ways
from app.ui.cells import cut
from core.corpus.cards import Status
from core.report.table import COUNT, Column, Table

FROM = {"built-in": "built in", "downloadable": "downloaded", "local": "own data folder", "own": "own documents"}


def draw() -> None:
    """Those on this machine; what could be downloaded opens on a click."""
    current, every = session.config().corpus.dataset, session.workbench().datasets()
    here = [status for status in every if status.present or status.kind != "downloadable"]
    absent = [status for status in every if status not in here]
    rows = [{**sizes(status), "From": origin(status), "In use": "✓" if status.name == current else ""} for status in here]
    table(rows, [Column("From", width=136), Column("In use")], "corpora", "content" if len(rows) <= 12 else 460)
    if absent:
        with st.expander(f"{len(absent)} public data sets to download", icon=":material/download:"):
            rows = [{**sizes(status), "Title": cut(status.title, 60)} for status in absent]
            table(rows, [Column("Title", width=206)], "absent_corpora", "content")
            ways.link("browse_corpus", "Download on the page Corpus", "menu_book")


def sizes(status: Status) -> dict:
    return {"Corpus": cut(status.name, 30), "Documents": status.documents, "Questions": status.questions}


def origin(status: Status) -> str:
    if not status.present:
        return status.note
    return "made on first use" if status.kind == "built-in" and status.documents is None else FROM[status.kind]


def table(rows: list[dict], last: list[Column], key: str, height: int | str) -> None:
    made = Table(key, (Column("Corpus", width=132), Column("Documents", "", COUNT), Column("Questions", "", COUNT), *last), rows)
    tables.draw(made, height=height, offered=False)
