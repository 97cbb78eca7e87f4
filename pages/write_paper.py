"""Write a paper: which numbers, tables and figures go into it, does each still hold, and the bundle that anyone can recompute."""

from functools import partial

import streamlit as st

from app import session
from app.ui import cards, recipe_strip
from app.ui.papers import adding, bundle, desk, items
from core.labs.papers import paper as papers
from core.labs.papers import shelf

NAVIGATION = {"section": "Publish", "order": 10, "title": "Write a paper", "icon": "article", "step": "paper", "press": True}
OF_PAPER = {"Items": items.draw, "Add": adding.draw, "Bundle": bundle.draw}


def page() -> None:
    recipe_strip.page_title(
        NAVIGATION["title"], "Which numbers, tables and figures go into the paper, and does each still hold?", recipe=False
    )
    names = shelf.names(session.workbench())
    if not names:
        st.html(
            '<div class="gw">A paper is a list of figures, tables and numbers, each with the command and the trials behind it. Start one '
            "here, or from the export menu of any chart.</div>"
        )
        desk.create()
        with st.expander("Verify somebody else's bundle"):
            bundle.received()
        return
    paper = desk.choose(names)
    tabs(paper)


def tabs(paper: papers.Paper) -> None:
    """Only the open one computes. Who comes back finds the items, whatever was open when the page was left."""
    if session.entered() and "paper_view" not in st.query_params:
        st.session_state.pop("paper_view", None)
    of_paper = {title: partial(draw, paper) for title, draw in OF_PAPER.items()}
    cards.tabs(of_paper | {"Verify a bundle": bundle.received}, "paper_view")


page()
