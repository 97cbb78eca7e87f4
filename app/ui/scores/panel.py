"""Who judges: engines a line each, how often, how freely; as arguments of a command."""

import streamlit as st

from app import session
from app.ui import cards
from core.errors import WorkbenchError
from core.labs.scores.judges import judge_of, named, panel_cost
from core.workbench import Forecast


def asked(place: str) -> list[str]:
    """place: tells the panels of a page apart."""
    generation = session.config().generation
    left, middle, right = st.columns([4, 1, 1], gap="small", vertical_alignment="bottom")
    text = left.text_area(
        "Judges, a line each",
        key=f"{place}/judges",
        height=80,
        placeholder=f"empty: {named(generation)}, the recipe's\nopenai_compatible base_url=http://127.0.0.1:8000/v1 model=…",
        help="ENGINE KNOB=VALUE, as `list generator` names them; several are a panel. Answers and passages are sent to each.",
    )
    runs = middle.number_input("Runs", 1, 20, 3, key=f"{place}/runs", help="A single run does not show the judge's own noise.")
    heat = right.number_input(
        "Temperature", 0.0, 2.0, 0.3, 0.1, key=f"{place}/heat", help="At 0 a local judge always repeats its verdict."
    )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines and generation.local and generation.model == type(generation)().model:
        st.caption(cards.plain("The bundled model is too small to judge: use its ratings only to try this page."))
    return [*(word for line in lines for word in ("--judge", line)), "--runs", str(runs), "--temperature", f"{heat:g}"]


def takes(number: int, noun: str, place: str) -> Forecast | None:
    """What the panel is asked: each of so many things by each judge, in each run. None: a line is no engine, and the page says so."""
    lines = [line for line in st.session_state[f"{place}/judges"].splitlines() if line.strip()]
    try:
        judges = list(map(judge_of, lines)) or [session.config().generation]
    except WorkbenchError as error:
        return cards.problem(error)
    return panel_cost(session.workbench(), judges, number, noun, st.session_state[f"{place}/runs"])
