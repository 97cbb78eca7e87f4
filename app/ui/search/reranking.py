"""What the recipe's reranking is worth: a sentence with its test, and the questions that it lost."""

import streamlit as st

from app import session
from app.ui import cards, tables
from core.config import TrialConfig
from core.evaluation.metric import MAIN
from core.labs.reranking import effect as lab
from core.labs.trials.comparison import direction, label
from core.report.table import MEAN, Column, Table
from core.workbench import Evaluation

LOST = (Column("text", "Question"), Column("before", "Without", MEAN), Column("value", "With", MEAN))


def effect(current: Evaluation) -> None:
    """Nothing where nothing is reranked."""
    made = lab.effect(session.workbench(), current, MAIN)
    if made is None:
        return
    told = made.paired.p is not None and made.paired.p < 1 - made.confidence
    hurts = told and made.paired.difference * direction(made.metric) < 0
    look = (st.warning, ":material/trending_down:") if hurts else (st.info, ":material/swap_vert:")
    command = session.workbench().command(current.config, "rerank-effect")
    look[0](cards.plain(made.sentence()), icon=look[1])
    for step in made.longer:
        st.caption(f":material/content_cut: {cards.plain(step.sentence())}")
    with st.container(horizontal=True, gap="small"):
        st.button(
            "Switch reranking off",
            key="rerank_off",
            icon=":material/toggle_off:",
            on_click=session.change,
            args=({stage.field: "none" for stage in lab.steps(current.config)},),
        )
        with st.popover("Its command", icon=":material/terminal:"):
            st.code(command, language="bash", wrap_lines=True)
    if made.lost:
        with st.expander(f"{cards.count(len(made.lost), 'question')} that reranking lost", key="rerank_lost"):
            each, rows = f"{label(made.metric, made.k)} of each", [question._asdict() for question in made.lost]
            st.caption(f"{each}. Click one to see its passages below.")
            table = Table("lost", LOST, rows, "Questions that reranking lost", each, command)
            tables.choose(table, [question.id for question in made.lost])


def costs(config: TrialConfig) -> dict[str, str]:
    """Field -> what the step takes for a question, where this machine has run it."""
    workbench = session.workbench()
    seconds = {stage.field: lab.seconds_a_question(workbench, config, stage.field) for stage in lab.steps(config)}
    return {field: f"{cards.duration(time)} a question" for field, time in seconds.items() if time}
