"""Questions of the corpus answered and stored, as a job."""

from typing import Any

import streamlit as st

from app import session
from app.ui import cards, forms, jobs, ways
from app.ui.answers import engines
from core.annotation import system_names
from core.errors import WorkbenchError
from core.labs.answers.answering import alike_answers, answers_phase
from core.workbench import Forecast


def answering() -> None:
    """Questions of the corpus are answered and stored, as a job. Says before the click by which model, how good and how long."""
    config, key = session.config(), "answer_count"
    most, recipe = {"all": 2000}.get(config.corpus.questions, 1000), system_names.recipe_name(config)
    if key not in st.session_state:  # not drawn for a while, as beside a job: the number of the last run
        last = next((job.arguments for job in session.workbench().jobs.list() if job.arguments[0] == "answer-questions"), ())
        st.session_state[key] = st.session_state.get(f"{key}?", int(last[2]) if last else 40)
    st.session_state[key] = min(st.session_state[key], most)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        count = st.session_state[f"{key}?"] = st.number_input("Questions", 1, most, key=key, width=130)
        arguments = ["answer-questions", "--ask", str(count), *session.workbench().arguments(config)]
        title = f"Answering {cards.count(count, 'question')} of {config.corpus.dataset}: {recipe}"
        takes = Forecast((answers_phase(session.workbench(), config, count),), units=count, like=alike_answers(config))
        jobs.start_button("Answer the questions", arguments, title, takes)
    bundled = config.generation.model == "bundled"
    cards.facts([("Questions of", config.corpus.dataset), ("Answered by", _model(config.generation)), ("Recipe", recipe)])
    if bundled:
        st.caption(
            "This model is for trying things out: many of its answers are wrong, and some repeat one sentence. For a real "
            "study choose a larger model first."
        )
    st.caption(
        "The questions are drawn at random once, the same on every page and for every recipe. Another recipe's answers are "
        "another system to compare."
    )
    ways.link("ask_model", "Change the recipe", "tune")


def _model(made: Any) -> str:
    """A generator's model in words."""
    name = made.model or forms.describe(made)
    if name != "bundled":
        return engines.named(name)
    try:
        size = f" and {cards.size(made.path().stat().st_size)}"
    except (AttributeError, OSError, WorkbenchError):
        size = ""
    return f"{engines.named(name)}, 135 million parameters{size}"
