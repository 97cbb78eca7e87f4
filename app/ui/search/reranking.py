"""What the recipe's reranking is worth: a sentence with its test, and the questions that it lost."""

import streamlit as st

from app import session
from app.ui import cards
from app.ui.search.parts import LOST_BY_RERANKING, Part, show
from core.config import TrialConfig
from core.evaluation.metric import MAIN
from core.labs.reranking import effect as lab
from core.labs.trials.comparison import direction
from core.workbench import Evaluation


def reranks(current: Evaluation) -> bool:
    return bool(lab.steps(current.config))


def lost(current: Evaluation) -> Part:
    """The questions that reranking lost, the largest loss first."""
    made = lab.effect(session.workbench(), current, MAIN)
    place = {query.id: row for row, query in enumerate(current.corpus.queries)}
    those = made.lost if made else []
    return Part([place[question.id] for question in those], {"Without reranking": [question.before for question in those]})


def effect(current: Evaluation) -> None:
    """The tab; nothing where no question is measured."""
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
        off = {stage.field: "none" for stage in lab.steps(current.config)}
        cards.press("Switch reranking off", "toggle_off", "rerank_off", session.change, off)
        if made.lost:
            number = cards.count(len(made.lost), "question")
            cards.press(f"Show the {number} lost", "filter_list", "rerank_lost", show, LOST_BY_RERANKING)
        with st.popover("Its command", icon=":material/terminal:"):
            st.code(command, language="bash", wrap_lines=True)


def costs(config: TrialConfig) -> dict[str, str]:
    """Field -> what the step takes for a question, where this machine has run it."""
    workbench = session.workbench()
    seconds = {stage.field: lab.seconds_a_question(workbench, config, stage.field) for stage in lab.steps(config)}
    return {field: f"{cards.duration(time)} a question" for field, time in seconds.items() if time}
