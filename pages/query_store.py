"""What do the stored trials say? Read-only SQL over everything measured, with the query in the address."""

import streamlit as st

from app.ui import cards, recipe_strip
from app.ui.store import query, rows, tables
from core.labs.store.query import Answered

NAVIGATION = {"section": "Compare", "order": 25, "title": "SQL", "icon": "database", "entry": "Trials and SQL"}


def page() -> None:
    recipe_strip.page_title(
        NAVIGATION["title"],
        "What can all stored trials, rankings and answers tell? Ask in SQL; nothing can be changed here.",
        recipe=False,
    )
    left, right = st.columns([2, 1], gap="medium")
    with right:
        query.example()
        # over the page: opened beside the query it would push the result down
        with st.popover("Tables and columns", icon=":material/table:", width="stretch"), st.container(height=420, border=False):
            tables.draw()
    with left:
        text = query.box()
        with st.container(horizontal=True, vertical_alignment="center"):
            query.run(text)
            query.limits()
    if not text.strip():
        return query.nothing_asked()
    if answered := query.answer_of(text):
        return answer(answered)
    return cards.empty("Not run yet", "This query came with the address. Read it, then press Run.")


def answer(answered: Answered) -> None:
    if answered.error:
        return cards.problem(answered.error)
    rows.behind(answered)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        rows.facts(answered)
        rows.download(answered)
    if answered.result.rows:
        rows.draw(answered)
    else:
        rows.none()


page()
