"""Search, live: the recipe on the left, what it does to retrieval on the right, at once."""

import streamlit as st

from app import session
from app.ui import cards, forms, jobs, recipe_strip, tables
from app.ui.search import (
    ablation,
    answers,
    asked,
    depth_chart,
    latency_chart,
    looks,
    questions,
    rag,
    reranking,
    results,
    setting_chart,
    study,
)
from core.workbench import Evaluation


def page() -> None:
    recipe_strip.page_title("Search, live", "What does each retrieval setting do to ranking quality, and is the difference real?")
    workbench, config = session.workbench(), session.config()
    left, right = st.columns([1, 2], gap="medium")
    plan = workbench.plan(config)
    with left:
        forms.recipe_form(open_stage="fusion", costs=results.costs(config, plan) | reranking.costs(config))
    with right:
        if not plan.live:
            results.waiting(config, plan)
            return before(results.shown_before(config))
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
        main_chart(current, baseline)
        looks.draw(current, difference)
        row = questions.table(current, baseline)
    if row is not None:
        with tables.opened():
            questions.side_by_side(current, baseline, row)


def before(last: Evaluation | None) -> None:
    """The last result, greyed, while the recipe in use is not prepared."""
    if last is None:
        return
    with st.container(key="of_before"):
        st.caption(f"The last result: {cards.plain(forms.describe_recipe(last.config))}.")
        baseline = results.measured_baseline(last.run)
        results.metric_cards(last, baseline)
        depth_chart.draw(last, baseline)
        questions.table(last, baseline)


def main_chart(current: Evaluation, baseline: Evaluation | None) -> None:
    titles = ["Trade-off of a setting", "By depth", "Latency", "Ablation", "RAG ablation", "Study"]
    knob, depth, speed, ablated, rag_ablated, studied = st.tabs(titles, key="chart", on_change="rerun")
    if knob.open:
        with knob:
            setting_chart.draw(current.run)
    if depth.open:
        with depth:
            depth_chart.draw(current, baseline)
    if speed.open:
        with speed:
            latency_chart.draw(current.config)
    if ablated.open:
        with ablated, cards.calm():
            ablation.draw(current.run)
    if rag_ablated.open:
        with rag_ablated, cards.calm():
            rag.draw(current.run)
    if studied.open:
        with studied, cards.calm():
            study.draw(current.config)


page()
