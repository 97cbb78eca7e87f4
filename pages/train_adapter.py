"""Train an adapter: small matrices beside the generator's frozen weights, taught on questions with their passages, or on preferences.
And heads of the bundled encoder.

Left: what is learnt from, and how. Right: the training that runs, with its curves, and what there is, each with what it was worth on
documents that it never saw.
"""

from pathlib import Path

import streamlit as st

from app import session
from app.ui import cards, recipe_strip
from app.ui.adapters import arguments, entries, heads, source, training
from core.config import TrialConfig
from core.labs.adapters import training as adapters

NAVIGATION = {"section": "Generate", "order": 40, "title": "Train an adapter", "icon": "model_training", "entry": "Adapters"}


def page() -> None:
    recipe_strip.page_title(
        NAVIGATION["title"],
        "What does the generator learn from questions with their passages, and does it answer held-out ones better?",
    )
    config = session.config()
    cards.tabs(TABS, "view", config)


def generator(config: TrialConfig) -> None:
    left, right = st.columns([1, 2], gap="medium")
    with left:
        lesson, file = source.choice()
        chosen = training.settings(lesson)
        arguments.draw(lesson, chosen)
    with right:
        st.caption(f"Base: {cards.plain(adapters.base_name(config))}, computed by torch.")
        running = training.under_way()
        if not running and file != Path():  # a file that is still to be given
            begin(config, chosen, lesson, file)
        entries.listed()


def begin(config: TrialConfig, chosen: dict, lesson: source.Lesson, file: Path | None) -> None:
    with st.container(border=True):
        source.card(config, chosen, lesson, file)
        training.start(config, chosen, lesson, file)


TABS = {"Adapters of the generator": generator, "Heads of the encoder": heads.heads}
page()
