"""Sampling: what each step of the chain does to the next token, token by token through an answer, and over questions."""

import streamlit as st

from app import session
from app.ui import cards, jobs, recipe_strip
from app.ui.sampling.chain import current_chain, recipe
from app.ui.sampling.prompt import waiting
from app.ui.sampling.tabs import answer_tab, next_token_tab, results, searches_tab, sides_tab, study_tab

NAVIGATION = {"section": "Generate", "order": 20, "title": "Sampling", "icon": "casino"}
TABS = {
    "Next token": next_token_tab,
    "The answer": answer_tab,
    "Searches": searches_tab,
    "Side by side": sides_tab,
    "Experiment": study_tab,
}


def page() -> None:
    recipe_strip.page_title(
        NAVIGATION["title"], "What does each sampling step do to the next token, to the answer, and to its quality?"
    )
    workbench, config = session.workbench(), session.config()
    steps = current_chain()
    left, right = st.columns([1, 2], gap="medium")
    with left:
        recipe(config, steps)
    with right, cards.calm():
        plan = workbench.plan(config, answering=True)
        if not plan.live:
            return waiting(config, plan)
        corpus = jobs.drain(workbench.read_corpus(config), "Reading the corpus")
        results(config.model_copy(update={"generation": config.generation.usable()}), corpus, steps, TABS)


page()
