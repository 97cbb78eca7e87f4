"""Name, tags and note of one trial, each kept as soon as it is typed."""

import streamlit as st

from app import session
from app.ui import cards
from core.errors import WorkbenchError
from core.labs.trials.comparison import MOST_CHARACTERS, Trial

PROBLEM = "trial_problem"


def draw(trial: Trial, tags: list[str]) -> None:
    """tags: of all trials, to choose from."""
    keys = {what: f"{what}/{trial.id}" for what in ("name", "tags", "note")}
    state = st.session_state
    for what, value in (("name", trial.name), ("tags", list(trial.tags)), ("note", trial.note)):
        if state.get(keys[what]) != value:
            state[keys[what]] = value
    # what is stored is the widgets' default too: what the session alone holds is lost where a run ends before it was sent,
    # and the browser would then send the empty default as if a person had cleared the field
    left, right = st.columns([1, 1])
    left.text_input(
        "Name",
        trial.name,
        key=keys["name"],
        placeholder=trial.made_name,
        max_chars=MOST_CHARACTERS["name"],
        on_change=_describe,
        args=(trial.id, "name", keys["name"]),
        help="Empty: it is called by what differs from the default recipe.",
    )
    right.multiselect(
        "Tags",
        sorted({*tags, *state[keys["tags"]]}),
        list(trial.tags),
        key=keys["tags"],
        accept_new_options=True,
        on_change=_describe,
        args=(trial.id, "tags", keys["tags"]),
        placeholder="Choose or type",
    )
    st.text_area(
        "Note",
        trial.note,
        key=keys["note"],
        height=68,
        max_chars=MOST_CHARACTERS["note"],
        on_change=_describe,
        args=(trial.id, "note", keys["note"]),
        placeholder="Why it was run, what it showed",
    )
    if problem := state.pop(PROBLEM, ""):
        st.warning(cards.plain(problem), icon=":material/error:")


def _describe(trial: str, what: str, key: str) -> None:
    try:
        session.workbench().describe(trial, **{what: st.session_state[key]})
    except WorkbenchError as error:
        st.session_state[PROBLEM] = f"{error.what} {error.todo}"
