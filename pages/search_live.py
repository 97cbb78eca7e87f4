"""Search, live: the recipe as a line of chips, the knobs of one stage, and what they do to retrieval at once, in one screen."""

import streamlit as st

from app import session
from app.ui import cards, forms, jobs, recipe_strip
from app.ui.search import charts, live, reranking, results, setting_chart
from core.config import TrialConfig
from core.workbench import Evaluation, Plan

NAVIGATION = {"section": "Explore", "order": 50, "title": "Search, live", "icon": "tune", "step": "recipe"}


def page() -> None:
    question = "What does each retrieval setting do to ranking quality, and is the difference real?"
    recipe_strip.page_title(NAVIGATION["title"], question, aside=forms.presets)
    config = session.config()
    plan = session.workbench().plan(config)
    stage = forms.stage_chips(setting_chart.stage_first(config))
    left, right = st.columns([1, 2.6], gap="medium")
    span, current, baseline = None, None, None
    with right, cards.calm():
        current = measured(config, plan)
        if current:
            baseline = results.measured_baseline(current.run)
            span = answer(current, baseline)
    with left:
        costs = results.costs(config, plan) | reranking.costs(config)
        instead = {span.setting: lambda: live.slider(span)} if span else {}
        forms.stage_form(stage, baseline=session.baseline(), cost=costs.get(stage, ""), folded=False, instead=instead)
    if current:
        charts.tabs(current, baseline)


def measured(config: TrialConfig, plan: Plan) -> Evaluation | None:
    """The recipe in use; where it is still to be prepared, or the corpus has no questions, what stands there in its place, and None."""
    if not plan.live:
        results.waiting(config, plan)
        charts.before(results.shown_before(config))
        return None
    current = jobs.drain(session.workbench().evaluating(plan.run or config))
    if not current.corpus.measurable:
        results.without_questions(config)
        return None
    st.session_state.measured_last = config
    return current


def answer(current: Evaluation, baseline: Evaluation | None) -> live.Range | None:
    """Strip, cards and the chart of a setting, which say what the cards are where a knob moves."""
    session.workbench().count_looks(current, *([baseline] if baseline else []))
    row = results.row_of(current, baseline)
    place = st.container(gap="xsmall", key="search_results")
    cards.in_sight(row)
    span = setting_chart.draw(current, baseline, row)
    with place:
        if span:
            live.row(span)
        else:
            cards.row(row)
        results.hidden(current)
    results.strip(current)
    return span


page()
