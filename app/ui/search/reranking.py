"""What the recipe's reranking is worth: a sentence with its test, and the questions that it lost."""

import streamlit as st

from app import session
from app.ui import cards, tables
from core.config import TrialConfig
from core.evaluation.metric import MAIN
from core.labs.reranking import effect as lab
from core.labs.trials.comparison import direction, label
from core.workbench import Evaluation

MEAN = st.column_config.NumberColumn(format="%.3f", width=80)


def effect(current: Evaluation) -> None:
    """Nothing where nothing is reranked."""
    made = lab.effect(session.workbench(), current, MAIN)
    if made is None:
        return
    told = made.paired.p is not None and made.paired.p < 1 - made.confidence
    hurts = told and made.paired.difference * direction(made.metric) < 0
    look = (st.warning, ":material/trending_down:") if hurts else (st.info, ":material/swap_vert:")
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
            st.code(session.workbench().command(current.config, "rerank-effect"), language="bash", wrap_lines=True)
    if made.lost:
        with st.expander(f"{cards.count(len(made.lost), 'question')} that reranking lost", key="rerank_lost"):
            name = label(made.metric, made.k)
            columns = {
                "Question": [question.text for question in made.lost],
                "Without": [question.before for question in made.lost],
                "With": [question.value for question in made.lost],
            }
            st.caption(f"{name} of each. Click one to see its passages below.")
            tables.choose_columns(columns, [question.id for question in made.lost], "lost", {"Without": MEAN, "With": MEAN})


def costs(config: TrialConfig) -> dict[str, str]:
    """Field -> what the step takes for a question, where this machine has run it."""
    workbench = session.workbench()
    seconds = {stage.field: lab.seconds_a_question(workbench, config, stage.field) for stage in lab.steps(config)}
    return {field: f"{cards.duration(time)} a question" for field, time in seconds.items() if time}
