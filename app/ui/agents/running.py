"""The view Run: a question, the agent's answer, and every step on the way to it."""

from typing import Any

import streamlit as st

from app import session
from app.ui import cards, jobs
from app.ui.agents import replays, settings, settling, steps
from app.ui.answers import asking, engines, origins, preparing, results, streaming
from core.config import TrialConfig
from core.labs.agents.replaying import steps_of
from core.records import Corpus

STEPS = (
    "The answer, with every step to it",
    "The model thinks, calls a tool and reads its result, step by step, until it answers. Each step can be replayed with another result. "
    "The bundled model is too small to choose tools well: it mostly answers from the passages that it began with.",
)
RUN = "agent_run"  # in the session: the question, and what came of it


def draw() -> None:
    recipe, right = settings.chosen()
    with right:
        plan = session.workbench().plan(recipe, answering=True)
        if not plan.live:
            return preparing.draw(recipe, plan)
        settling.draw()
        corpus = jobs.drain(session.workbench().read_corpus(recipe), "Reading the corpus")
        priced = asking.box(corpus, [recipe])
        engines.sent_to([recipe])
        place = st.empty()
        if question := st.session_state.pop("ask_now", "").strip():
            with place.container():
                streaming.answer([recipe], question, RUN)
            place.empty()
            asking.price(priced, [recipe])
        if asked := st.session_state.get(RUN):
            shown(corpus, recipe, **asked)
        else:
            asking.examples(corpus, STEPS)
    return None


def shown(corpus: Corpus, recipe: TrialConfig, question: str, runs: list[dict[str, Any]]) -> None:
    [run] = runs
    cards.question_title(question)
    with st.container(border=True):
        results.one_answer(corpus, question, run, 0, False)
    results.ask_again(question, runs, [recipe])
    answer = run["answer"]
    if answer is None or not steps_of(answer):
        return
    query = next((query for query in corpus.queries if query.text == question), None)
    command = session.workbench().command(run["recipe"], "agents", "run", question)
    views = {
        "Steps": lambda: steps.tab(answer, corpus, query),
        "Time": lambda: origins.times(answer),
        "Replay": lambda: replays.draw(answer),
        "Reproduce": lambda: st.code(command, language="bash", wrap_lines=True),
    }
    cards.tabs(views, "agent_tab")
