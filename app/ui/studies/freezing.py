"""The dialog in which a round is frozen: the exact list and the hash, shown before they hold."""

import re

import streamlit as st

from app import session
from app.ui import cards, tables
from app.ui.studies.desk import Desk
from app.ui.studies.items import parts, table
from app.ui.studies.next_box import confirm
from app.ui.studies.repeating import repeating
from app.ui.studies.rubric_text import outdated
from core.annotation import rounds
from core.annotation.study import plain, study_hash
from core.errors import WorkbenchError


@st.dialog("Freeze this round", width="large")
def freeze(desk: Desk, round_name: str) -> None:
    """The exact list and the hash, shown before they hold."""
    study = desk.study
    st.write(
        "Freezing fixes question, hypothesis, measure, test, stop rule, rubric and this list under a hash, so that anybody "
        "can check later that nothing was changed. Then the round can be labelled."
        + (" After the pilot, rubric and plan can still be changed." if round_name == "pilot" else "")
    )
    names = ", ".join(study.annotators[:6]) + (" …" if len(study.annotators) > 6 else "")
    cards.facts(
        [
            ("Question", study.question),
            ("Hypothesis", study.hypothesis or "none"),
            ("Measure", study.measure),
            ("Test", study.test or "none"),
            ("Annotators", f"{names}; {study.per_item} an item"),
            ("Rubric", f"version {study.rubric.version}"),
            ("Hash", study_hash(study, round_name)),
        ]
    )
    if any(re.fullmatch(r"Annotator \d+", name) for name in study.annotators):
        st.warning(
            "Names such as Annotator 1 are placeholders. Enter the real names on the tab People; they cannot be changed once "
            "a round is frozen.",
            icon=":material/info:",
        )
    if not (desk.piloted and desk.revision):
        outdated(desk, "freeze")
    repeating(desk, round_name, "freeze")
    items = len(plain(study.items, round_name))
    st.caption(f"{round_name.capitalize()} round: {parts(study, round_name)}")
    made = table(study, round_name, room=1.9)
    tables.draw(made, "freeze_list", rows=6, offered=False)
    confirm(f"Freeze {cards.count(items, 'item')}", "lock", "freeze_now", _freeze_now, desk, round_name)


def _freeze_now(desk: Desk, round_name: str) -> None:
    try:
        rounds.freeze(session.workbench(), desk.study, round_name)
    except WorkbenchError as error:
        st.session_state.design_problem = f"{error.what} {error.todo}"
        return
    st.session_state.design_note = f"The {round_name} round is frozen and can be labelled."
