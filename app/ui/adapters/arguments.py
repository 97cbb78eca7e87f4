"""The arguments of a training as a whole: saved under a name, as a file, and back into the form."""

from typing import Any

import streamlit as st

from app import session
from app.ui import cards
from app.ui.adapters import training
from app.ui.adapters.source import LESSONS, Lesson
from app.ui.export import download
from core.errors import WorkbenchError
from core.labs.adapters import arguments as lab

PROBLEM = "adapter/arguments!"  # what went wrong in the last press


def draw(lesson: Lesson, chosen: dict[str, Any]) -> None:
    with st.popover("Saved settings", icon=":material/folder_open:", key="adapter/arguments"):
        try:
            now = lab.arguments_of(chosen, lesson.of_pairs)
        except WorkbenchError as error:
            cards.problem(error)
        else:
            _save(now)
        st.divider()
        _load()
        if problem := st.session_state.pop(PROBLEM, None):
            cards.problem(problem)


def _save(now: lab.Arguments) -> None:
    st.caption("The settings that differ from the defaults. `adapters train NAME --arguments FILE` takes the file.")
    st.code(now.text(), language="yaml")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.text_input("Name of the settings", key="adapter/arguments/name").strip()
        st.button(
            "Save", key="adapter/arguments/save", icon=":material/save:", disabled=not name, on_click=_saved, args=(name, now)
        )
    download("As a file", now.text(), "arguments.yaml")


def _load() -> None:
    names = lab.saved_arguments(session.workbench())
    name = st.selectbox("Saved settings", names, index=None, key="adapter/arguments/of", placeholder=f"{len(names):,} saved")
    st.button("Load", key="adapter/arguments/load", icon=":material/input:", disabled=not name, on_click=_loaded, args=(name,))
    upload = st.file_uploader("Or a file of settings", type=["yaml", "yml"], key="adapter/arguments/file")
    if upload is not None:
        text = upload.getvalue().decode("utf-8", "replace")
        st.button("Load the file", key="adapter/arguments/take", icon=":material/input:", on_click=_taken, args=(text,))


def _saved(name: str, now: lab.Arguments) -> None:
    _told(lambda: lab.save_arguments(session.workbench(), name, now))


def _loaded(name: str) -> None:
    _told(lambda: _fill(lab.stored_arguments(session.workbench(), name)))


def _taken(text: str) -> None:
    _told(lambda: _fill(lab.parsed(text, "the file")))


def _fill(read: lab.Arguments) -> None:
    """The form, and what is learnt from: a file of examples is given anew."""
    source, state = read.settings.get("source", lab.KINDS[read.verb]().source), st.session_state
    now = LESSONS.get(state.get("learn_from", ""))
    if now is None or (now.source, now.of_pairs) not in ((source, read.of_pairs), ("", read.of_pairs)):
        state.learn_from = next(name for name, of in LESSONS.items() if (of.source, of.of_pairs) == (source, read.of_pairs))
    training.fill(read.settings, read.of_pairs)


def _told(act: Any) -> None:
    try:
        act()
    except WorkbenchError as error:
        st.session_state[PROBLEM] = error
