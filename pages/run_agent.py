"""Agents: what does a model find that may search again, compute and look things up, and is that worth what it takes?"""

import streamlit as st

from app.ui import recipe_strip
from app.ui.agents import comparing, running

NAVIGATION = {"section": "Generate", "order": 15, "title": "Agents", "icon": "smart_toy"}
VIEWS = {"Run": running.draw, "Compare": comparing.draw}


def page() -> None:
    recipe_strip.page_title(
        NAVIGATION["title"],
        "What does a model answer that calls tools until it knows, which step mattered, and is it worth what it takes?",
    )
    first = next(iter(VIEWS))
    view = st.segmented_control("View", list(VIEWS), default=first, key="view", bind="query-params", required=True) or first
    VIEWS[view]()


page()
