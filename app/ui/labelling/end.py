"""After the last screen: what comes next in the study, and where."""

import streamlit as st

from app import session
from app.ui import cards, ways
from app.ui.labelling.desk import Desk, do, look
from core.annotation import latest, standing
from core.annotation.disputes import disputed


def draw(desk: Desk) -> None:
    """Nothing is left to do here: what comes next in the study, and where."""
    waits = {
        row.annotator: row.assigned - row.done
        for row in standing.progress(session.workbench(), desk.frozen)
        if row.done < row.assigned
    }
    st.html('<div class="lab-heard" role="alert">That was your last screen.</div>')
    cards.empty(
        "All screens are labelled",
        f"Every one of your {len(desk.mine):,} screens has a label, and all are saved. "
        f"Thank you for your care. {_afterwards(desk, waits)}",
    )
    with st.container(horizontal=True, horizontal_alignment="center", vertical_alignment="center", key="lab_next"):
        cards.press("Look through your labels", "visibility", "label_look", do, desk, look)
        if desk.study.tokens:  # sent to people who do not run the study: its pages say which system wrote what
            return
        study, round_name = desk.study.id, {"adjudication": "main"}.get(desk.frozen.round, desk.frozen.round)
        ways.link("design_study", "Study design", "design_services", study=study)
        if not waits:  # who can still change their labels does not look at the others'
            ways.link("measure_agreement", "Agreement", "handshake", source=study, of_round=round_name)


def _afterwards(desk: Desk, waits: dict[str, int]) -> str:
    """What comes next in the study. waits: annotator -> items still open."""
    study, round_name = desk.study, desk.frozen.round
    if waits:
        first, *more = (f"{name} still has {cards.count(number, 'screen')} to label" for name, number in waits.items())
        others = f", as {'has one other' if len(more) == 1 else f'have {len(more):,} others'}" if more else ""
        return f"{first}{others}. After that the study continues on the page Study design."
    if round_name == "pilot":
        return (
            "The pilot is labelled. Next: read how far you agree, then revise the rubric where you differ and freeze the main round "
            "on the page Study design."
        )
    differ = disputed(study, latest.labels(session.workbench(), study.id, "main")) if round_name == "main" else ()
    if differ:
        return f"The main round is labelled. Next: have {cards.count(len(differ), 'disputed item')} decided on the page Study design."
    return "The study is labelled. Next: read the agreement, then export the labels on the page Study design."
