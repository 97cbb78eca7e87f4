"""Ways to other pages, which are named by their files. address: what of it the page is opened with."""

from typing import Any

import streamlit as st


def link(page: str, label: str, icon: str, place: Any = st, about: str | None = None, **address: str) -> None:
    """icon: a name of Material's, "" for none. about: more on it, for who points at it."""
    place.page_link(_file(page), label=label, icon=f":material/{icon}:" if icon else None, help=about, query_params=address)


def go(page: str, **address: str) -> None:
    """Ends this run. Without an address of its own, a filter in that of this page would make the other one fail."""
    st.switch_page(_file(page), query_params=address)


def _file(page: str) -> str:
    return f"../pages/{page}.py"  # relative to app/main.py
