"""Encoders: which one finds the evidence, what a transform makes of its vectors, and what those look like."""

from collections.abc import Sequence

import streamlit as st

from app import session
from app.ui import cards, recipe_strip, tables
from app.ui.encoders.choice import controls, looked_at
from app.ui.encoders.geometry import geometry
from app.ui.encoders.leaderboard import results
from app.ui.encoders.map import corpus_map
from app.ui.encoders.questions import by_question, side_by_side
from app.ui.encoders.separation import separation
from app.ui.encoders.study import study
from app.ui.encoders.trade_off import curve
from app.ui.encoders.training import train
from core.config import TrialConfig
from core.labs.encoders import comparison
from core.labs.encoders.comparison import EncoderResult, Offer

NAVIGATION = {
    "section": "Explore",
    "order": 30,
    "title": "Encoders",
    "icon": "scatter_plot",
    "entry": "Chunks to index",
    "step": "recipe",
    "press": True,
}
TABS = {"Dimension and bytes": curve, "Geometry": geometry, "Gold against random": separation, "Map": corpus_map}


def page() -> None:
    recipe_strip.page_title(
        NAVIGATION["title"],
        "Which encoder, and which treatment of its vectors, finds the evidence, and what do its vectors look like?",
    )
    config, picked = session.config(), None
    offers = comparison.offers(config)
    left, right = st.columns([1, 2.6], gap="medium")
    with left:
        chosen = controls(config, offers)
    with right:
        if not chosen:
            cards.empty("A table of encoders", "Choose at least one encoder on the left.")
            return
        own = comparison.own(offers, config)
        reference, metric = own if own in chosen else chosen[0], st.session_state["metric"]
        rows = results(config, chosen, reference, metric)
        row = closer_look(config, rows, reference, metric)
        base = next((result for result in rows if result.evaluation and result.offer == reference), None)
        if row:
            picked = by_question(row, None if base is row else base, metric)
    if picked is not None:
        with tables.opened():
            side_by_side(row, None if base is row else base, picked)


def closer_look(config: TrialConfig, rows: Sequence[EncoderResult], reference: Offer, metric: str) -> EncoderResult | None:
    """The tabs, of the encoder chosen here; returns it where its questions are measured and belong under the tab."""
    ready = [row for row in rows if row.evaluation]
    row = looked_at(ready, reference, metric) if ready else None
    *drawn, studied, training = st.tabs([*TABS, "Experiment", "Train"], key="view", on_change="rerun", bind="query-params")
    for tab, draw in zip(drawn, TABS.values(), strict=True):
        if tab.open:
            with tab, cards.calm():
                draw(row, ready, metric) if row else st.caption("Prepare an encoder first.")
    if studied.open:
        with studied, cards.calm():
            study(config, [result.offer for result in rows])
    if training.open:
        with training, cards.calm():
            train(config)
    return row if row and row.intervals[metric].n and not (studied.open or training.open) else None


page()
