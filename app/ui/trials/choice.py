"""A choice among trials, and how a chosen one looks in every chart."""

from typing import Any
from zlib import crc32

import streamlit as st

from app import session
from app.ui import charts
from core.labs.trials.comparison import Trial, ran, with_corpus


def choice_of(trials: list[Trial], title: str, key: str, place: Any = st, **options: Any) -> Trial:
    """One of these trials. It stands in the address by its id: a name may change."""
    by_id, state, held = {trial.id: trial for trial in trials}, st.session_state, f"{key}_id"
    titles = with_corpus(trials, [trial.title for trial in trials])
    names = {trial.id: f"{title} ({trial.short})" for trial, title in zip(trials, titles, strict=True)}
    asked = st.query_params.get(key, "")
    if asked and asked != state.get(f"{key}_written"):  # a shared address; older ones hold the name with the id's end
        state[held] = next((trial_id for trial_id in by_id if asked == trial_id or f"({trial_id[-6:]})" in asked), "")
    if state.get(held) not in by_id:
        state[held] = next(iter(by_id))
    # the browser knows an option by its words alone: where they change it is another box, with the same trial in it
    box = f"{key}/{crc32(chr(10).join(names.values()).encode()):x}"
    if state.get(box, state[held]) != state[held]:
        state[box] = state[held]
    place.selectbox(
        title,
        list(by_id),
        list(by_id).index(state[held]),
        format_func=names.get,
        key=box,
        on_change=lambda: state.update({held: state[box]}),
        **options,
    )
    state[f"{key}_written"] = st.query_params[key] = state[held]
    return by_id[state[held]]


def is_baseline(trial: Trial) -> bool:
    """Whether it is a trial of the pinned recipe, whatever questions it was asked."""
    pinned = session.baseline()
    return pinned is not None and ran(trial, pinned, session.VIEW_STAGES)


def reference_first(trials: list[Trial]) -> list[Trial]:
    """In the order in which a table of a paper names them: behind the reference that is chosen among these."""
    held = st.session_state.get("reference_pinned_id" if any(map(is_baseline, trials)) else "reference_id")
    return sorted(trials, key=lambda trial: trial.id != held)


def look(names: dict[str, str], trial: Trial) -> dict[str, str]:
    """Colour and marker of a chosen trial in every chart; the first, the reference unless another is chosen, is grey."""
    place, others = list(names).index(trial.id) - 1, charts.COLORS[1:]  # blue is for those that are not chosen
    if place < 0:
        return {"color": charts.BASELINE, "symbol": "circle"}
    return {"color": others[place % len(others)], "symbol": charts.SYMBOLS[place // len(others)]}
