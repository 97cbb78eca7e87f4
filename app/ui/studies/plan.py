"""The tab Plan: what the study is to find out; all of it is stamped when a round is frozen."""

from typing import Any

import streamlit as st

from app import session
from app.ui import cards, forms
from app.ui.studies.desk import Desk, change, drawings, now, put, take
from app.ui.studies.drawing import AB, FIRST, drawing_of_desk
from core.annotation import answers, draft, system_names
from core.annotation.study import StopRule

KINDS = {"rating": "One answer a screen", "pairs": "Two answers side by side (A/B)"}
ASKS = {"sentences": "Is each sentence supported?", "helpful": "How helpful is it, 1 to 5?"}
STOPS = {
    "all_labelled": "All items are labelled",
    "alpha": "Alpha reaches a value",
    "half_width": "The interval of alpha is narrow enough",
}


def draw(desk: Desk) -> None:
    """What the study is to find out; all of it is stamped when a round is frozen."""
    study = desk.study
    if desk.fixed:
        stop = STOPS[study.stop.kind] + ("" if study.stop.kind == "all_labelled" else f": {study.stop.value:g}")
        asked = "Which answer is better?" if study.kind == "pairs" else " ".join(ASKS[name] for name in ASKS if name in study.ask)
        return cards.facts(
            [
                ("Question", study.question),
                ("Hypothesis", study.hypothesis or "none"),
                ("Primary measure", study.measure),
                ("Test and its level", study.test or "none"),
                ("On a screen", KINDS[study.kind]),
                ("Asked", asked),
                ("Labelling ends when", stop[0].lower() + stop[1:]),
            ]
        )
    left, right = st.columns([3, 2], gap="large")
    with left:
        _field(desk, "question", "Question", height=80, help="What the study is to find out.")
        _field(desk, "hypothesis", "Hypothesis", height=80, help="What you expect, written down before any label is seen.")
        _field(desk, "measure", "Primary measure", height=None, help="The one number that decides. Others are exploration.")
        _field(desk, "test", "Test and its level", height=80, help="How the number is judged once it is there.")
    with right:
        _field(desk, "title", "Title", height=None)
        key = f"{study.id}/kind"
        forms.show_value(key, study.kind)
        alone = study.kind == "rating" and len(system_names.systems(answers.candidates(session.workbench(), study))) < 2
        st.radio(
            "On a screen",
            list(KINDS),
            key=key,
            format_func=KINDS.get,
            disabled=desk.piloted or alone,
            on_change=_kind,
            args=(desk, key),
        )
        if alone and not desk.piloted:
            st.caption(f"{AB} For that {FIRST}.")
        if study.kind == "rating":
            for name, text in ASKS.items():
                key = f"{study.id}/ask.{name}"
                forms.show_value(key, name in study.ask)
                shown_before = desk.piloted and name == "sentences" and any(item.attention for item in study.items)
                st.checkbox(text, key=key, on_change=_ask, args=(desk,), disabled=desk.fixed or shown_before)
        _stop_rule(desk)


def _field(desk: Desk, name: str, label: str, *, height: int | None = 96, fixed: bool = False, **more: Any) -> None:
    """A text of the study."""
    key = f"{desk.study.id}/{name}"
    forms.show_value(key, getattr(desk.study, name))
    make = st.text_input if height is None else st.text_area
    size = {} if height is None else {"height": height}
    make(label, key=key, on_change=take, args=(desk, name, key), disabled=fixed or desk.fixed, **size, **more)


def _kind(desk: Desk, key: str) -> None:
    desk, kind = now(desk), st.session_state[key]
    candidates = answers.candidates(session.workbench(), desk.study)
    before = st.session_state.setdefault(f"{desk.study.id}/drawings", {})  # kind -> as it was drawn last
    before[desk.study.kind] = drawing_of_desk(desk, candidates)
    drawn = draft.of_kind(candidates, desk.study, before.get(kind, before[desk.study.kind]), kind)
    drawings()[desk.study.id] = drawn.drawing
    put(desk, drawn.study)


def _ask(desk: Desk) -> None:
    desk = now(desk)
    asked = [name for name in ASKS if st.session_state[f"{desk.study.id}/ask.{name}"]]
    items = desk.study.items if "sentences" in asked else [item for item in desk.study.items if not item.attention]
    change(desk, ask=asked or desk.study.ask, items=items)


def _stop_rule(desk: Desk) -> None:
    stop, key = desk.study.stop, f"{desk.study.id}/stop"
    forms.show_value(key, stop.kind)
    st.selectbox(
        "Labelling ends when",
        list(STOPS),
        key=key,
        format_func=STOPS.get,
        disabled=desk.fixed,
        on_change=_stop,
        args=(desk, key, ""),
        help="Chosen before the labels are seen: stopping when a result looks good flatters it.",
    )
    if stop.kind != "all_labelled":
        number = f"{key}/value"
        forms.show_value(number, stop.value)
        st.number_input(
            "Alpha to reach" if stop.kind == "alpha" else "Half-width to reach",
            0.01,
            1.0,
            step=0.01,
            key=number,
            on_change=_stop,
            args=(desk, key, number),
            disabled=desk.fixed,
        )


def _stop(desk: Desk, key: str, number: str) -> None:
    kind = st.session_state[key]
    value = st.session_state[number] if number else {"alpha": 0.8, "half_width": 0.1}.get(kind, 0.0)
    change(desk, stop=StopRule(kind=kind, value=value))
