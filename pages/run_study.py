"""Experiments: one question asked of many recipes, measured as a whole, watched, paused, resumed, and what it says."""

import streamlit as st

from app.ui import cards, recipe_strip
from app.ui.experiments import beginning, choice, curves, define, desk, failures, frontier, leaderboard, running

NAVIGATION = {"section": "Compare", "order": 10, "title": "Experiments", "icon": "science", "step": "compare", "press": True}
RESULTS = {"Leaderboard": leaderboard.draw, "Factors": curves.draw, "Frontier": frontier.draw, "Failures": failures.draw}
LIVE_S = 2.0  # between two looks at the trials of an experiment that runs


def page() -> None:
    name = choice.asked()
    question = "Which of many recipes is best, which are not significantly worse, and what does each setting do?"
    if not name:
        recipe_strip.page_title(NAVIGATION["title"], question)
        choice.missing()
        return beginning.draw()
    here = desk.on_desk(name)
    choice.head(here)
    works = running.panel(here)
    tabs(here, works)


def tabs(here: desk.StudyDesk, works: bool) -> None:
    """The plan, and what is measured so far, which grows while the experiment runs."""
    titles = ["Plan", *RESULTS]
    if "study_view" not in st.session_state and "study_view" not in st.query_params and here.trials:
        st.session_state.study_view = titles[1]
    # a key of its own: the tab open on the page from which a link leads here would be taken for this one's
    plan, *others = st.tabs(titles, key="study_view", on_change="rerun", bind="query-params")
    if plan.open:
        with plan, st.container(key="study_plan"), cards.calm():
            define.draw(here)
    for tab, draw in zip(others, RESULTS.values(), strict=True):
        if tab.open:
            with tab:
                st.fragment(live, run_every=LIVE_S if works else None)(here.id, draw)


def live(name: str, draw) -> None:
    with cards.calm(), st.container(key="study_live"):
        draw(desk.on_desk(name))


page()
