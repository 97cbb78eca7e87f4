"""Quality: the budget of unfaithful answers, judged by a measure and corrected by people's labels of a sample."""

import streamlit as st

from app import session
from app.ui import cards, jobs, tables, ways
from core.serving.judged_by_people import sample_for_people
from core.serving.quality import HOURS, MOST, TARGET, judge_cost, quality, quality_table


def draw(name: str) -> None:
    target = st.number_input("Faithful, at least (%)", 50.0, 99.99, 100 * TARGET, 0.5, key="quality_target", width=200)
    told = quality(session.workbench(), name, target=target / 100)
    if not told.answers:
        cards.empty("No answers", "It gave no answers in 30 days: start it on the tab Service, and ask it.")
        return
    cards.facts(
        [
            (
                "Answers of 30 days",
                f"{told.answers:,}: {told.judged:,} judged, {told.unmeasured:,} claim nothing, {told.waiting:,} wait",
            ),
            (
                "Given to people",
                f"{told.drawn:,} drawn for the study {told.study}, {told.labelled:,} wordings judged" if told.study else "",
            ),
        ]
    )
    if told.judged or told.labelled:
        used_up = any(row["used"] is not None and row["used"] >= 1 for row in told.rows)
        (st.warning if used_up else st.info)(cards.plain(told.sentence))
        tables.draw(quality_table(told))
    if told.waiting:
        arguments, takes = ["serving", "quality", name, "--judge", str(MOST)], judge_cost(told.waiting)
        jobs.start_button(
            "Judge answers", arguments, f"Judging answers of {name}", takes, icon=":material/gavel:", place="quality"
        )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        share = st.number_input("Share of its answers (%)", 0.1, 100.0, 10.0, key="sample_share", width=200)
        if st.button("Give a sample to people", key="sample", icon=":material/group:"):
            ways.go("design_study", study=sample_for_people(session.workbench(), name, share / 100, HOURS).study.id)
    st.caption("The measure makes errors; labels of randomly drawn answers show how many, and its share is corrected by that.")
