"""The tab Plan: what the study is to find out; all of it is stamped when a round is frozen."""

import streamlit as st

from app import session
from app.ui import cards, forms
from app.ui.studies.desk import Desk, change, drawings, field, now, put
from app.ui.studies.drawing import AB, FIRST, drawing_of_desk
from core.annotation import draft, system_names
from core.annotation import stored_answers as answers
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
        field(desk, st.text_area, "question", "Question", height=80, help="What the study is to find out.")
        about = "What you expect, written down before anyone sees a label."
        field(desk, st.text_area, "hypothesis", "Hypothesis", height=80, help=about)
        field(desk, st.text_input, "measure", "Primary measure", help="The one number that decides. All others are exploratory.")
        field(desk, st.text_area, "test", "Test and its level", height=80, help="How the number is tested once it is known.")
    with right:
        field(desk, st.text_input, "title", "Title")
        alone = study.kind == "rating" and len(system_names.systems(answers.candidates(session.workbench(), study))) < 2
        look = {"options": (list(KINDS),), "format_func": KINDS.get, "disabled": desk.piloted or alone}
        forms.field(st.radio, "On a screen", f"{study.id}/kind", study.kind, _kind, desk, **look)
        if alone and not desk.piloted:
            st.caption(f"{AB} For that {FIRST}.")
        for name, text in ASKS.items() if study.kind == "rating" else ():
            shown_before = desk.piloted and name == "sentences" and any(item.attention for item in study.items)
            forms.field(st.checkbox, text, f"{study.id}/ask.{name}", name in study.ask, _ask, desk, disabled=shown_before)
        _stop_rule(desk)


def _kind(desk: Desk, key: str) -> None:
    desk, kind = now(desk), st.session_state[key]
    candidates = answers.candidates(session.workbench(), desk.study)
    before = st.session_state.setdefault(f"{desk.study.id}/drawings", {})  # kind -> as it was drawn last
    before[desk.study.kind] = drawing_of_desk(desk, candidates)
    drawn = draft.of_kind(candidates, desk.study, before.get(kind, before[desk.study.kind]), kind)
    drawings()[desk.study.id] = drawn.drawing
    put(desk, drawn.study)


def _ask(desk: Desk, _: str) -> None:
    desk = now(desk)
    asked = [name for name in ASKS if st.session_state[f"{desk.study.id}/ask.{name}"]]
    items = desk.study.items if "sentences" in asked else [item for item in desk.study.items if not item.attention]
    change(desk, ask=asked or desk.study.ask, items=items)


def _stop_rule(desk: Desk) -> None:
    stop, key = desk.study.stop, f"{desk.study.id}/stop"
    about = "Chosen before the labels are seen: stopping when a result looks good biases it."
    look = {"options": (list(STOPS),), "format_func": STOPS.get, "help": about}
    forms.field(st.selectbox, "Labelling ends when", key, stop.kind, _stop, desk, **look)
    if stop.kind != "all_labelled":
        label = "Alpha to reach" if stop.kind == "alpha" else "Half-width to reach"
        forms.field(st.number_input, label, f"{key}/value", stop.value, _stop_value, desk, options=(0.01, 1.0), step=0.01)


def _stop(desk: Desk, key: str) -> None:
    kind = st.session_state[key]
    change(desk, stop=StopRule(kind=kind, value={"alpha": 0.8, "half_width": 0.1}.get(kind, 0.0)))


def _stop_value(desk: Desk, key: str) -> None:
    change(desk, stop=StopRule(kind=st.session_state[f"{desk.study.id}/stop"], value=st.session_state[key]))
