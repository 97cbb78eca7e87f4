"""Own documents: what is added, and what became of the files of each collection."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, export, jobs, tables
from app.ui.cells import cut
from app.ui.jobs import Press
from core.corpus.cards import Status
from core.corpus.own import FileStatus, safe_name
from core.corpus.questions import FORMATS
from core.errors import WorkbenchError
from core.labs.corpus import contents as lab
from core.report.table import COUNT, Column, Table
from core.workbench import one_phase

VERB = "ingest-received"  # of the job that reads them
TAKES = one_phase("each file read, and questions matched with the documents", units=1)
NAMES = 200  # characters of the names of files that were read
STARTED = "own_job"  # the job that reads what was sent last in this session
BEFORE = "own_before"  # the corpus that was in use then, until that job is done
TEMPLATE = """question,document,answer
Where does the Danube rise?,rivers.txt,in the Black Forest
Which rivers cross Vienna?,rivers.txt,
"""


def draw() -> None:
    workbench = session.workbench()
    own = {status.name: status for status in workbench.datasets() if status.kind == "own"}
    every = [job for job in workbench.jobs.list() if job.arguments[0] == VERB]
    reading(every, own)
    add("A new name, or one of those below to add to it" if own else "my-papers", own)
    if not own and not any(job.active for job in every):
        cards.empty("No own documents yet", "Each collection becomes a corpus of its own, beside the built-in ones.")
    for status in own.values():
        with st.container(border=True):
            collection(status)


def add(example: str, own: Mapping[str, Status]) -> None:
    """What is to be read, and the button that begins it. example: of a name."""
    turn = st.session_state.setdefault("own_turn", 0)  # new keys empty the fields once their files are in
    with st.container(border=True):
        name = st.text_input("Name of the corpus", placeholder=example, key=f"own_name/{turn}")
        left, right = st.columns(2, gap="medium")
        with left:
            files = documents(turn)
        with right:
            asked = questions(turn)
            with suppress(WorkbenchError):  # no name yet
                there = own.get(safe_name(name))
                if asked and there and there.questions:
                    st.warning(f"They replace {cards.count(there.questions, 'question')} of {cards.plain(there.name)}.")
        if not jobs.press_button("Add", Press(VERB, TAKES), key="own_add", type="primary", icon=":material/add:"):
            return
    if name.strip() and (files or asked):
        with cards.calm():
            _start(name, [(file.name, file.getvalue()) for file in files], (asked.name, asked.getvalue()) if asked else None)
    else:
        st.warning("Give the corpus a name and at least one file.")


def documents(turn: int) -> list[Any]:
    files = st.file_uploader("Documents", accept_multiple_files=True, key=f"own_files/{turn}")
    chosen = f"**{cards.count(len(files), 'file')} chosen, {cards.size(sum(file.size for file in files))}.** " if files else ""
    st.caption(f"{chosen}PDF, Markdown, HTML, DOCX, text or JSONL. They stay on this machine.")
    return files


def questions(turn: int) -> Any:
    """The questions file, and what stands in one."""
    asked = st.file_uploader("Questions, optional", type=list(FORMATS), key=f"own_questions/{turn}")
    st.caption(
        "Needed for metrics; searching and asking work without. Columns: `question`, `document` (name of the file with the answer), "
        "optionally `answer` (the passage, word for word)."
    )
    export.download("Template", TEMPLATE, "questions.csv", key="own_template", type="tertiary")
    return asked


def _start(name: str, files: list[tuple[str, bytes]], questions: tuple[str, bytes] | None) -> None:
    """The files are read by a job: the page answers meanwhile, and finds it again after a reload."""
    state = st.session_state
    arguments = lab.receive(session.workbench(), name, files, questions)
    sent = " and ".join([cards.count(len(files), "file")] * bool(files) + ["the questions"] * bool(questions))
    state[STARTED] = jobs.start(arguments, f"Reading {sent} into {name.strip()}", TAKES)
    state[BEFORE] = session.config().corpus.dataset
    state["own_turn"] += 1
    st.rerun()


def reading(every: Sequence[Any], own: Mapping[str, Status]) -> None:
    """Files that are being read, those whose reading was stopped last, and what became of those that were read."""
    for place, job in enumerate(every):
        if job.alive or (place == 0 and job.status != "done"):
            jobs.watch(job.id)
        elif job.id == st.session_state.get(STARTED) and (status := own.get(safe_name(job.arguments[1]))):
            take(status)
            told(status, job.result or ())


def take(status: Status) -> None:
    """What was added here comes into use once it is read, unless another corpus was chosen meanwhile."""
    before = st.session_state.pop(BEFORE, None)
    if before == session.config().corpus.dataset != status.name and status.documents:
        session.change({"corpus.dataset": status.name})
        st.rerun()  # the bars above, drawn before, show it too


def told(status: Status, files: Sequence[dict]) -> None:
    """Files of which nothing is to be said share a line."""
    using = " is in use" if session.config().corpus.dataset == status.name else ""
    of = f"{cards.count(status.documents or 0, 'document')}, {cards.count(status.questions or 0, 'question')}"
    good, bad = [f"**{cards.plain(status.name)}{using}**: {of}."], []
    if not status.questions:
        good.append("Metrics need questions: add a questions file under the same name.")
    rest = [file for file in files if file["status"] != "ok" or file["message"]]
    if names := [file["name"] for file in files if file not in rest]:
        good.append(cards.plain(f"{cards.count(len(names), 'file')} read: {cut(', '.join(names), NAMES)}"))
    for file in rest:
        line = f"{file['name']}: {file['status']}, {file['message']}"
        (good if file["status"] == "ok" and "not found" not in line else bad).append(cards.plain(line))
    st.success("  \n".join(good))
    for line in bad:
        st.warning(line)


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
