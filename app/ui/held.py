"""What was computed on a page stays on it: results are kept in the session by what they depend on."""

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

import streamlit as st

from app.ui import jobs


class Held(NamedTuple):
    about: Any  # what the value depends on
    value: Any


def kept(
    name: str, about: Any, action: str, on_button: bool, work: Callable[[], Generator], why: str = "", key: str = "",
    show_old: bool = False,
) -> Any:  # fmt: skip
    """What `work` returns for these settings; on a button where it takes long. None: not yet.

    key: tells apart results that stand in the same place, such as the curves of different settings.  show_old: where
    other settings were measured last, their value is returned and said to be theirs, instead of None.
    """
    store = st.session_state.setdefault("held", {})
    known = store.get((name, key))
    if known and known.about == about:
        return known.value
    box = st.empty()
    if on_button:
        old = known is not None and show_old
        with box.container(horizontal=True, vertical_alignment="center"):
            if old:
                st.caption(":material/history: Shown is what was measured with the recipe before.", width="stretch")
            elif why or known:
                st.caption(f"{why} {'Other settings were measured last.' if known else ''}".strip(), width="stretch")
            pressed = st.button(action, key=f"do/{name}", icon=":material/play_arrow:")
        if not pressed:
            return known.value if old else None
        # any click ends this run, and the work with it
        box.button("Cancel", key=f"stop/{name}", icon=":material/close:")
    found = jobs.drain(work())
    box.empty()
    store[name, key] = Held(about, found)
    return found
