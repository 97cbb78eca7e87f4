"""Agreement: how far can labels be trusted, what do they say of the systems, and can a machine stand in for people?"""

import streamlit as st

from app.ui import cards, recipe_strip
from app.ui.agreement import annotators, choice, coefficients, consensus, growth, items, machines, planned, reading

NAVIGATION = {
    "section": "Judge",
    "order": 40,
    "title": "Agreement",
    "icon": "handshake",
    "entry": "Human studies",
    "step": "people",
    "press": True,
}
TABS = {
    "Agreement": coefficients.draw,
    "By annotator": annotators.draw,
    "By item": items.draw,
    "As labels come in": growth.draw,
    "Consensus": consensus.draw,
    "People against machines": machines.draw,
}


def page() -> None:
    question = "How far do annotators agree, what is their consensus, and can a machine replace them?"
    recipe_strip.page_title(NAVIGATION["title"], question, recipe=False)
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
    if (source := choice.choose(row)) is None:
        return
    round_name = choice.chosen_round(row, source)
    choice.link_to_study(row)
    if source.study is not None and not source.rounds:
        return choice.nothing_labelled()
    planned.planned(source, round_name)
    numbers_first = st.container()  # what was judged, and how it is read, is chosen below
    if (view := reading.read(source, round_name)) is None:
        return
    with numbers_first:
        coefficients.headline_cards(view)
    planned.careless(view)
    cards.tabs(TABS, "view", view)


page()
