"""Watch: what a service did, whether it keeps its objectives, what its answers are worth, and whether questions and passages changed."""

from collections.abc import Callable
from functools import partial

import streamlit as st

from app import session
from app.ui import cards
from app.ui.serving import arms, canaries, drift, feedback, objectives, quality, requests
from core.serving.publishing import Publication, publications
from core.serving.served import names_served

DAYS_30 = 30 * 24.0
WHAT = "Nothing is published or served yet"
WHY = "Publish a recipe on the tab Service and start it: its requests are shown here, and its canary questions reveal a loss."


def draw() -> None:
    published = {each.name: each for each in reversed(publications(session.workbench()))}
    names = list(dict.fromkeys([*names_served(session.workbench(), DAYS_30), *reversed(published)]))
    if not names:
        cards.empty(WHAT, WHY)
        return
    name = st.selectbox("Service", names, key="watch_name", width=320)
    views = {
        "Requests": partial(requests.draw, name),
        "Objectives": partial(objectives.draw, name),
        "Quality": partial(quality.draw, name),
        "Drift": partial(of_published, drift.draw, published.get(name)),
        "Feedback": partial(feedback.draw, name),
        "Two recipes": partial(arms.draw, name),
        "Canaries": partial(of_published, canaries.draw, published.get(name)),
    }
    cards.tabs(views, "watch_view")


def of_published(view: Callable[[Publication], None], publication: Publication | None) -> None:
    if publication is None:
        cards.empty(
            "It is not published", "Publish its recipe on the tab Service: later results are compared with what it found then."
        )
    else:
        view(publication)
