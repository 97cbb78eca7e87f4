"""Which paper is worked on, and a new one."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from app import session
from app.ui import cards
from core.errors import WorkbenchError
from core.labs.papers import paper as papers
from core.labs.papers import shelf


def choose(names: list[str]) -> papers.Paper:
    """The paper of the address, or the one that was changed last."""
    last = shelf.last(session.workbench())
    if (asked := st.query_params.get("paper", last)) not in names:  # which the box below takes out of the address
        cards.not_there("paper", asked, instead="Below stands the one that was changed last.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Paper", names, names.index(last), key="paper", bind="query-params") or last
        paper = papers.load(session.workbench(), name)
        with st.popover("Title and authors", icon=":material/title:", key="paper_head"):
            st.text_input("Title", paper.title, key=f"title/{name}", on_change=_changed, args=(name, "title"))
            st.text_input("Authors", paper.authors, key=f"authors/{name}", on_change=_changed, args=(name, "authors"))
            st.toggle("Type with serifs", paper.serif, key=f"serif/{name}", on_change=_changed, args=(name, "serif"))
        with st.popover("New", icon=":material/add:"):
            create()
    st.subheader(cards.plain(paper.title or name), anchor=False)
    if problem := st.session_state.pop("paper_problem", None):
        cards.problem(problem)
    return paper


def create() -> None:
    with st.form("new_paper", border=False):
        title = st.text_input("Title of a new paper")
        if st.form_submit_button("Create", type="primary") and title.strip():
            try:
                made = papers.create(session.workbench(), title.strip())
            except WorkbenchError as error:
                cards.problem(error)
            else:
                st.query_params["paper"] = made.id
                st.session_state.pop("paper", None)
                st.rerun()


def _changed(name: str, field: str) -> None:
    said(lambda: papers.change(session.workbench(), name, **{field: st.session_state[f"{field}/{name}"]}))


def said(change: Callable[[], Any]) -> None:
    """In a callback: what is wrong with a change is said on the page, where it then stands as it was."""
    st.session_state.pop("paper_problem", None)
    try:
        change()
    except WorkbenchError as error:
        st.session_state.paper_problem = error
