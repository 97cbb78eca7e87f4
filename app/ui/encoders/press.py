"""Long work that a press asked for, until it is taken back."""

from collections.abc import Generator
from typing import Any

import streamlit as st

from app.ui import jobs
from core.config import TrialConfig


def keep(name: str, value: Any) -> None:
    st.session_state[name] = value


def button(label: str, press: jobs.Press, key: str, name: str, value: Any, about: str | None = None) -> None:
    """Asks for long work, which the next run does: `name` in the session holds the value from then on."""
    jobs.press_button(label, press, key=key, icon=":material/play_arrow:", on_click=keep, args=(name, value), help=about)


def cancellable(work: Generator, pressed: str, press: jobs.Press) -> Any:
    """Drains work that `pressed` in the session asked for, under a button that takes the press back."""
    stop = st.empty()
    stop.button("Cancel", key=f"stop/{pressed}", icon=":material/close:", on_click=keep, args=(pressed, None))
    result = jobs.drain(work, press=press)
    stop.empty()
    return result


def everything_asked(config: TrialConfig) -> list[str]:
    """The option of a command where all questions of a large corpus were asked for, not a draw."""
    return ["--everything"] if st.session_state.get("all_questions") == config else []
