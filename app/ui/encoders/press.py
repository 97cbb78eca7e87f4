"""Long work that a press asked for, until it is taken back."""

from collections.abc import Generator
from typing import Any

import streamlit as st

from app.ui import jobs
from core.config import TrialConfig


def keep(name: str, value: Any) -> None:
    st.session_state[name] = value


def cancellable(work: Generator, pressed: str) -> Any:
    """Drains work that `pressed` in the session asked for, under a button that takes the press back."""
    stop = st.empty()
    stop.button("Cancel", key=f"stop/{pressed}", icon=":material/close:", on_click=keep, args=(pressed, None))
    result = jobs.drain(work)
    stop.empty()
    return result


def everything_asked(config: TrialConfig) -> list[str]:
    """The option of a command where all questions of a large corpus were asked for, not a draw."""
    return ["--everything"] if st.session_state.get("all_questions") == config else []
