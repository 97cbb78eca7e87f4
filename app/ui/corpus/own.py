"""Own documents: what is added, and what became of the files of each collection."""

from collections.abc import Sequence

import streamlit as st

from app import session
from app.ui import cards, jobs, tables
from app.ui.cells import cut
from core.corpus.cards import Status
from core.corpus.own import FileStatus
from core.labs.corpus import contents as lab
from core.report.table import COUNT, Column, Table
from core.workbench import one_phase

VERB = "ingest-received"  # of the job that reads them
TAKES = one_phase("each file read, and questions matched with the documents", units=1)
NAMES = 200  # characters of the names of files that were read
STARTED = "own_job"  # the job that reads what was sent last in this session


def draw() -> None:
    own = [status for status in session.workbench().datasets() if status.kind == "own"]
    st.text(
        "PDF, Markdown, HTML, DOCX, text or JSONL. They stay on this machine. Metrics need a questions file (CSV, JSONL, SQuAD)."
    )
    add(own[0].name if len(own) == 1 else "")
    reading()
    if not own:
        cards.empty("No own documents yet", "Each collection becomes a corpus of its own, beside the built-in ones.")
    for status in own:
        with st.container(border=True):
            collection(status)


def add(name: str) -> None:
    """The form; name: the collection it is filled in with."""
    turn = st.session_state.setdefault("own_turn", 0)  # a new key empties the form once its files are in
    with st.form(f"own/{turn}"):
        name = st.text_input("Name of the corpus", placeholder="my-papers", value=name)
        files = st.file_uploader("Documents", accept_multiple_files=True)
        asked = st.file_uploader("Questions, optional")
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            sent = st.form_submit_button("Add", type="primary", icon=":material/add:")
            jobs.price(VERB, TAKES)
    if sent and not (name.strip() and (files or asked)):
        st.warning("Give the corpus a name and at least one file.")
    elif sent:
        with cards.calm():
            _start(name, [(file.name, file.getvalue()) for file in files], (asked.name, asked.getvalue()) if asked else None)


def _start(name: str, files: list[tuple[str, bytes]], questions: tuple[str, bytes] | None) -> None:
    """The files are read by a job: the page answers meanwhile, and finds it again after a reload."""
    state = st.session_state
    arguments = lab.receive(session.workbench(), name, files, questions)
    sent = cards.count(len(files) + (questions is not None), "file")
    state[STARTED] = jobs.start(arguments, f"Reading {sent} into {name.strip()}", TAKES)
    state["own_turn"] += 1
    st.rerun()


def reading() -> None:
    """Files that are being read, those whose reading was stopped last, and what became of those that were read."""
    every = [job for job in session.workbench().jobs.list() if job.arguments[0] == VERB]
    for place, job in enumerate(every):
        if job.active or (place == 0 and job.status != "done"):
            jobs.watch(job.id)
        elif job.id == st.session_state.get(STARTED):
            told(job.result or ())


def told(files: Sequence[dict]) -> None:
    """Files of which nothing is to be said share a line."""
    rest = [file for file in files if file["status"] != "ok" or file["message"]]
    if names := [file["name"] for file in files if file not in rest]:
        st.success(cards.plain(f"{cards.count(len(names), 'file')} read: {cut(', '.join(names), NAMES)}"))
    for file in rest:
        line = f"{file['name']}: {file['status']}, {file['message']}"
        (st.success if file["status"] == "ok" and "not found" not in line else st.warning)(cards.plain(line))


def collection(status: Status) -> None:
    files = lab.files(session.workbench(), status.name) if status.present else []
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader(cards.plain(status.name), anchor=False)
        with st.container(horizontal=True, horizontal_alignment="right"):
            if status.present:
                use(status)
            removal(status.name, files)
    if status.note:
        st.text(status.note)
    if status.present:
        table(status.name, files)


def use(status: Status) -> None:
    idle = session.config().corpus.dataset == status.name or not status.documents
    cards.press("Use this corpus", "", f"use/{status.name}", session.change, {"corpus.dataset": status.name}, disabled=idle)


def removal(name: str, files: list[FileStatus]) -> None:
    with st.popover("Remove", icon=":material/delete:", key=f"remove/{name}"):
        file = st.selectbox(
            "What", [file.name for file in files], index=None, placeholder="The whole collection", key=f"which/{name}"
        )
        cards.press("Remove it", "", f"sure/{name}", _remove, name, file, type="primary")


def _remove(name: str, file: str | None) -> None:
    lab.remove(session.workbench(), name, file or "")
    st.session_state.pop(STARTED, None)
    if not file and session.config().corpus.dataset == name:
        session.change({"corpus.dataset": session.defaults().corpus.dataset})


def table(name: str, files: list[FileStatus]) -> None:
    columns = (
        Column("name", "File"),
        Column("status"),
        Column("pages", "", COUNT),
        Column("characters", "", COUNT),
        Column("message", width=400),
    )
    made = Table("files", columns, [file._asdict() | {"pages": file.pages or None} for file in files])
    tables.draw(made, f"files/{name}", offered=False)
