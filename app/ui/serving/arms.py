"""Two recipes: the one that is served against a second, by thumbs or by a measure, and whether to stop."""

import streamlit as st

from app import session
from app.ui import cards, jobs, tables
from core.serving.arm_comparison import MARGIN, THUMBS, arms_table, compare_arms
from core.serving.quality import MEASURE, MOST, judge_cost
from core.statistics.stopping import ON

WHY = (
    "`python -m core serve --published NAME --against OTHER` lets a second recipe answer half of the questions. With "
    "`--shadow` it answers each question again after the reply. They are compared by thumbs once clients send any."
)


def draw(name: str) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        by = st.selectbox("Compared by", [MEASURE, THUMBS], format_func=str.capitalize, key="arms_by", width=200)
        margin = st.number_input("Smallest relevant difference", 0.0, 0.5, MARGIN, 0.01, key="arms_margin", width=220)
    told = compare_arms(session.workbench(), name, by, margin=margin)
    if not (told.waiting or any(row["answers"] for row in told.rows)):
        cards.empty("No second recipe", WHY)
        return
    (st.caption if told.stopping.verdict == ON else st.info)(cards.plain(told.sentence))
    tables.draw(arms_table(told))
    if told.waiting:
        arguments = ["serving", "compare-arms", name, "--by", by, "--judge", str(MOST)]
        takes, title = judge_cost(told.waiting), f"Judging answers of {name}"
        jobs.start_button("Judge answers", arguments, title, takes, icon=":material/gavel:", place="arms")
    st.caption(
        f"{'The same questions, answered twice' if told.paired else 'Answers of either, paired in the order in which they came'}: "
        "the interval of the difference is anytime-valid, so you may look as often as you like, and stop when it says "
        "so."
    )
