"""Index: what each setting of an index trades, and whether the ranking notices."""

import time
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, jobs, recipe_strip, tables
from app.ui.halves import no_questions
from app.ui.index import life
from app.ui.index.fallback import fallback
from app.ui.index.filters import filters
from app.ui.index.forecast import forecast
from app.ui.index.frontier import frontier
from app.ui.index.glance import impossible, metric_cards, strip, verdict
from app.ui.index.inside import inside
from app.ui.index.questions import question_table, side_by_side
from app.ui.index.ranking_cost import ranking_cost
from app.ui.index.recipe import recipe, waiting
from app.ui.index.stores import stores
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.index import glance
from core.records import Corpus

NAVIGATION = {
    "section": "Explore",
    "order": 40,
    "title": "Index",
    "icon": "account_tree",
    "entry": "Chunks to index",
    "step": "recipe",
    "press": True,
}
TABS = {
    "Frontier": frontier,
    "Cost to the ranking": ranking_cost,
    "Structure": inside,
    "Filters": filters,
    "Exact fallback": fallback,
    "Updates": life.draw,
    "Forecast": forecast,
    "Vector stores": stores,
}


def page() -> None:
    recipe_strip.page_title(
        NAVIGATION["title"], "How much recall, speed and memory does each index setting trade, and does the ranking notice?"
    )
    workbench, config = session.workbench(), session.config()
    left, right = st.columns([1, 2.6], gap="medium")
    plan = workbench.plan(glance.to_prepare(config))
    with left:
        said = recipe(config, plan.live)
    with right:
        if not plan.live:
            return waiting(config, plan)
        corpus = workbench.corpus(config)
        if not corpus.queries:
            return no_questions(config, " to search with")
        index = workbench.index_plan(config)
        if not index.live:
            return waiting(config, index)
        row = results(config, corpus, said)
    if row is not None:
        with tables.opened():
            side_by_side(config, corpus, row)


def results(config: TrialConfig, corpus: Corpus, said: Any) -> int | None:
    """Everything measured; returns the row of the question chosen in the table."""
    margin, started = float(st.session_state.get("margin", 1.0)), time.perf_counter()
    try:
        seen = {"ndcg_linear", st.session_state.get("index_metric", "ndcg_linear")}
        here = jobs.drain(glance.glance(session.workbench(), config, margin, sorted(seen)))
    except (WorkbenchError, RuntimeError, ValueError) as error:  # engines raise the latter two
        return impossible(error, said)
    strip(here, corpus, time.perf_counter() - started)
    metric_cards(here)
    if config.index.part != "exact":
        verdict(here)
    cards.tabs(TABS, "view", here, corpus)
    return question_table(here, corpus)


page()
