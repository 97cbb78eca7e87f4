"""Search, live: the recipe on the left, what it does to retrieval on the right, at once."""

import streamlit as st

from app import session
from app.ui import forms, jobs, recipe_strip, tables
from app.ui.search import answers, asked, charts, looks, questions, reranking, results

NAVIGATION = {"section": "Explore", "order": 50, "title": "Search, live", "icon": "tune", "step": "recipe"}


def page() -> None:
    recipe_strip.page_title(
        NAVIGATION["title"], "What does each retrieval setting do to ranking quality, and is the difference real?"
    )
    workbench, config = session.workbench(), session.config()
    left, right = st.columns([1, 2], gap="medium")
    plan = workbench.plan(config)
    with left:
        forms.recipe_form(open_stage="fusion", costs=results.costs(config, plan) | reranking.costs(config))
    with right:
        if not plan.live:
            results.waiting(config, plan)
            return charts.before(results.shown_before(config))
        current = jobs.drain(workbench.evaluating(plan.run or config))
        if not any(query.gold for query in current.corpus.queries):
            return results.without_questions(config)
        st.session_state.measured_last = config
        baseline = results.measured_baseline(current.run)
        results.strip(current)
        difference = results.metric_cards(current, baseline)
        answers.draw(current, baseline)
        asked.draw(current)
        reranking.effect(current)
        charts.main_chart(current, baseline)
        looks.draw(current, difference)
        row = questions.table(current, baseline)
    if row is not None:
        with tables.opened():
            questions.side_by_side(current, baseline, row)


page()
