"""The tables of the store and their columns, in words."""

from html import escape

import streamlit as st

from core.labs.store import query as store


def draw() -> None:
    st.html(described())


@st.cache_resource(show_spinner=False)
def described() -> str:
    """They do not change while the app runs."""
    parts = []
    for table in store.tables_described():
        columns = "".join(
            f"<dt><code>{escape(name)}</code><small>{escape(kind.lower())}</small></dt><dd>{escape(meaning)}</dd>"
            for name, kind, meaning in table.columns
        )
        parts.append(f"<h4>{escape(table.name)}</h4><p>{escape(table.comment)}</p><dl>{columns}</dl>")
    return f'<div class="gw gw-tables">{"".join(parts)}</div>'
