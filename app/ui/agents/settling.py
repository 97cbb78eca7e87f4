"""Calls that write of which nobody knows whether they were made: shown above a run, and asked."""

import streamlit as st

from app import session
from app.ui import cards
from core.labs.agents import settling


def draw() -> None:
    for effect in settling.effects(session.workbench()):
        if effect["state"] != "not known":
            break
        with st.container(border=True):
            said = f"An agent was interrupted while it called {effect['tool']}: {effect['arguments']}."
            st.warning(f"{cards.plain(said)} Was it done? It is not repeated until you answer.", icon=":material/help:")
            with st.container(horizontal=True):
                for label, done in (("It was done", True), ("It was not", False)):
                    if st.button(label, key=f"settle/{effect['key']}/{done}"):
                        settling.settle(session.workbench(), effect["key"], done)
                        st.rerun()
