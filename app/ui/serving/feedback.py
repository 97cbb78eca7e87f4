"""Feedback: what people said of answers, and the press that makes a study of them."""

import streamlit as st

from app import session
from app.ui import cards, tables, ways
from core.serving.feedback import feedback, feedback_table
from core.serving.judged_by_people import study_of_feedback

HOURS = 30 * 24.0
WHY = "Clients send a thumb, and the correct answer if they know it, to `POST /feedback` with the answer's trace."


def draw(name: str) -> None:
    told = feedback(session.workbench(), HOURS, name)
    if not told:
        cards.empty("No feedback", WHY)
        return
    down, corrected = sum(each.thumb == "down" for each in told), sum(bool(each.correction.strip()) for each in told)
    st.caption(f"{cards.count(len(told), 'answer')} of 30 days: {down:,} thumbs down, {corrected:,} with a correction.")
    tables.draw(feedback_table(told))
    if st.button("Make a study of these answers", key="feedback_study", icon=":material/group:"):
        ways.go("design_study", study=study_of_feedback(session.workbench(), HOURS, name).study.id)
    st.caption("People judge them like any answers; a correction is stored with its item, and hidden from annotators.")
