"""Ways to other pages, which are named by their files. address: what of it the page is opened with."""

from typing import Any

import streamlit as st
from streamlit.errors import StreamlitAPIException

from app import session


def link(page: str, label: str, icon: str, place: Any = st, about: str | None = None, **address: str) -> None:
    """icon: a name of Material's, "" for none. about: more on it, for who points at it."""
    place.page_link(_file(page), label=label, icon=f":material/{icon}:" if icon else None, help=about, query_params=address)


def go(page: str, **address: str) -> None:
    """Ends this run. Without an address of its own, a filter in that of this page would make the other one fail. To the same page it
    is called before that is drawn."""
    if not session.on_page(page):
        st.switch_page(_file(page), query_params=address)
    for key, value in address.items():
        try:
            st.query_params[key] = value
        except StreamlitAPIException:  # of a widget, whose value says it
            st.session_state[key] = value
    st.rerun()


def _file(page: str) -> str:
    return f"../pages/{page}.py"  # relative to app/main.py
