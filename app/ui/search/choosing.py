"""Choose on dev: the setting of a curve is put where it is best on the dev questions, and told what that is worth on test."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, jobs
from core.errors import WorkbenchError
from core.labs.trials import on_dev
from core.labs.trials.curve import recipe_without
from core.workbench import Forecast

HELP = (
    "Sets the value that is best on the dev questions, and reports it on the test questions, which had no part in the choice; "
    "this counts as a look at them. What to choose first: docs/where_to_begin.md."
)


def button(setting: str, metric: str, budget: int, values: Sequence[Any], takes: Forecast) -> None:
    press = jobs.Press("choose-on-dev", takes)
    jobs.press_button(
        "Choose on dev",
        press,
        key="choose_on_dev",
        icon=":material/target:",
        help=HELP,
        on_click=choose,
        args=(setting, metric, budget, list(values), press),
    )


def choose(setting: str, metric: str, budget: int, values: list[Any], press: jobs.Press) -> None:
    """The callback of the button."""
    config = session.config()
    about = setting, recipe_without(config, setting)
    try:
        made = jobs.drain(on_dev.choose(session.workbench(), config, setting, values, metric, budget), "Choosing on dev", press)
        session.change({setting: made.value})
        st.session_state["chosen_on_dev"] = (*about, made.value, made.sentence())
    except WorkbenchError as error:
        st.session_state["chosen_on_dev"] = (*about, None, str(error))


def told(setting: str) -> None:
    """What was chosen, as long as it is in use."""
    config = session.config()
    *about, value, words = st.session_state.get("chosen_on_dev", ("", "", None, ""))
    stage, _, field = setting.partition(".")
    if about == [setting, recipe_without(config, setting)] and value in (None, getattr(getattr(config, stage), field)):
        st.caption(f":material/{'info' if value is None else 'check'}: {cards.plain(words)}")
