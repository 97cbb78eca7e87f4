"""Left on the page Index: presets, query settings, build settings, the other stages; and what is still to be prepared."""

from typing import Any

import streamlit as st

from app import session
from app.ui import cards, forms, jobs
from app.ui.index import forecast
from core import registry
from core.config import TrialConfig
from core.labs.index import glance
from core.workbench import LIVE_INDEXED, Plan


def waiting(config: TrialConfig, plan: Plan) -> None:
    """More than a moment: a job does it, which outlives this page."""
    cards.empty(
        "Recall, speed and memory of this index", "This recipe has to be prepared once. After that every setting answers at once."
    )
    jobs.prepare_button(glance.to_prepare(config), plan)
    forecast.before(plan)


def recipe(config: TrialConfig, live: bool) -> Any:
    """Presets, query settings (at once), build settings (with what a rebuild takes), the other stages behind a button. Returns the
    place under the form for what is wrong with it."""
    workbench, part = session.workbench(), config.index
    forms.show_value("index/preset", part.preset or None)
    st.segmented_control(
        "Preset",
        list(presets()),
        default=st.session_state["index/preset"],
        key="index/preset",
        label_visibility="collapsed",
        on_change=choose,
    )
    for name in part.query_settings:
        query_widget(part, name)
    said = st.container()
    seconds = chunks = None
    if live:
        run = workbench.resolve(config)
        seconds = workbench.build_seconds(run)
        chunks = len(jobs.drain(workbench.cut_chunks(run)))
    build = tuple(knob.name for knob in forms.knobs(type(part)) if knob.name not in part.query_settings)
    took = "" if part.part == "exact" else f"rebuilds, {cards.duration(seconds)}" if seconds else "rebuilds"
    forms.stage_form("index", apply=(chunks or 0) > LIVE_INDEXED, baseline=session.baseline(), cost=took, only=build)
    with st.popover("Other settings", icon=":material/tune:", key="other_settings"):
        forms.recipe_form(("embedding", "transform", "retrieval", "fusion", "evaluation"), show_presets=False)
    return said


def presets() -> dict[str, str]:
    """Button -> part."""
    return {cls.preset: name for name, cls in registry.parts("index").items() if cls.preset}


def choose() -> None:
    if title := st.session_state["index/preset"]:
        session.change({"index.part": presets()[title]})


def query_widget(part: Any, name: str) -> None:
    """A query setting, a number in steps of about a half; moving it searches again and builds nothing."""
    knob = next(knob for knob in forms.knobs(type(part)) if knob.name == name)
    knob = knob._replace(help=f"{knob.help} Applies at once: nothing is rebuilt.")
    key, now = f"query/{part.part}.{name}", getattr(part, name)
    forms.show_value(key, now)
    if knob.low is None:  # a switch, or one of a few words
        return forms.widget(knob, key, on_change=slide, args=(name, key))
    steps = {m * 2**e for e in range(13) for m in (2, 3)} | {1, knob.low, now}
    return st.select_slider(
        f"{knob.label} ({knob.unit})" if knob.unit else knob.label,
        sorted(s for s in steps if knob.low <= s <= knob.high),
        now,
        key=key,
        help=knob.help,
        on_change=slide,
        args=(name, key),
    )


def slide(name: str, key: str) -> None:
    session.change({f"index.{name}": st.session_state[key]})
