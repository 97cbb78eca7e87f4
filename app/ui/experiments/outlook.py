"""What an experiment is going to be, in more than the panel's line: each stage's distinct work, and points that are no recipe."""

from typing import Any

import streamlit as st

from app import session
from app.ui import cards, tables
from app.ui.experiments import words
from app.ui.experiments.desk import StudyDesk
from core.labs.experiments import designs
from core.labs.experiments.estimate import WITHIN, Outlook, StageWork, estimate
from core.workbench import UNTIMED

TOLD = 5  # points that are left out


def of(here: StudyDesk) -> Outlook | None:
    """Estimated once for a plan and what is stored of it; None: the plan is not valid."""
    about = here.draft.experiment, len(here.trials)
    if about[0] is None:
        return None
    if "study_outlook" not in st.session_state or st.session_state.study_outlook[0] != about:
        st.session_state.study_outlook = about, estimate(session.workbench(), about[0])
    return st.session_state.study_outlook[1]


def draw(here: StudyDesk) -> None:
    if not (outlook := of(here)):
        return
    with st.expander("What it takes", icon=":material/timer:", key="study_work"):
        if timed := [stage_row(stage) for stage in outlook.stages if stage.stage not in WITHIN]:
            tables.wrapped_table(timed)
        if outlook.context_tokens:
            low, high = outlook.context_tokens
            span = f"{low:,.0f} to {high:,.0f}" if low < high else f"{low:,.0f}"
            st.caption(
                f"Context of the first k chunks: {span} tokens. Times are of one worker, by what was measured on this machine; other "
                "stages take a small part of these."
            )
    if outlook.left_out:
        left_out(here)


def stage_row(stage: StageWork) -> dict[str, Any]:
    time = stage.seconds.words if stage.seconds else UNTIMED
    return {"Stage": stage.title, "To compute": stage.missing, "Time": time if stage.missing else "at hand"}


def left_out(here: StudyDesk) -> None:
    experiment = here.draft.experiment
    told = designs.points(experiment).left_out
    recipe = experiment.recipe
    with st.expander(f"{cards.count(len(told), 'point')} left out", icon=":material/block:", key="study_left_out"):
        for settings, why in told[:TOLD]:
            point = " · ".join(words.with_name(name, value, recipe) for name, value in settings.items())
            st.caption(cards.plain(f"{point}: {why}."))
        if len(told) > TOLD:
            st.caption(f"and {len(told) - TOLD:,} more")
