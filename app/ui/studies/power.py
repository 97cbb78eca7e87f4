"""The tab Power: from assumed values or the pilot's to items and annotators."""

import streamlit as st

from app import session
from app.ui import cards
from app.ui.studies.desk import Desk, now
from app.ui.studies.drawing import drawn
from app.ui.studies.goals import VALUES, answers_each, noun, planned_test, usual_goal
from app.ui.studies.power_curves import power_curves
from core.annotation import draft, latest
from core.annotation.pilot import Pilot, from_pilot
from core.annotation.power import ASSUMED, GOALS, check_values, fitted
from core.annotation.study import altered, plain


def draw(desk: Desk) -> None:
    """From assumed values or the pilot's to items and annotators."""
    study, labels = desk.study, latest.labels(session.workbench(), desk.study.id, "pilot")
    pilot = from_pilot(desk.frozen.study, labels) if labels else None
    head = st.container()
    left, right = st.columns([1, 2], gap="large")
    with left:
        usual = list(GOALS).index(usual_goal(study))
        goal = st.selectbox("Goal", list(GOALS), usual, key="goal", format_func=GOALS.get, bind="query-params")
        head.caption(cards.plain(planned_test(study, goal, pilot)))
        values = _values(f"{study.id}/power", goal, pilot)
        first, second = st.columns(2)
        each = answers_each(study, goal)
        drawn = len(plain(study.items, "main") or plain(study.items))
        usual = max(drawn // each, 5) if drawn else 100
        items = first.number_input(noun(goal).capitalize(), 5, 20_000, usual, key=f"{desk.study.id}/power.{goal}.items")
        fewest = 2 if goal == "alpha" else 1
        annotators = second.number_input(
            "Annotators an item", fewest, 15, max(desk.study.per_item, fewest), key=f"{desk.study.id}/power.{goal}.k"
        )
        if not desk.fixed:
            about = f"Draws {items * each:,} main items, as far as there are answers."
            cards.press("Use for the main round", "check", "use_design", _use, desk, items * each, annotators, help=about)
    with right:
        check_values(goal, values)
        power_curves(goal, values, items, annotators, each)
        if goal in ("difference", "means") and study.kind == "rating" and study.items and not draft.paired(study):
            st.warning(
                "The items are not drawn in pairs: few questions have answers of every system, so the real power is lower. "
                "Spread them over the same questions on the tab Items.",
                icon=":material/info:",
            )


def _use(desk: Desk, items: int, annotators: int) -> None:
    desk = now(desk)
    study = desk.study
    if annotators > len(study.annotators):
        more = [name for n in range(1, 99) if (name := f"Annotator {n}") not in study.annotators]
        study = altered(study, {"annotators": (*study.annotators, *more[: annotators - len(study.annotators)])})
    wider = desk._replace(study=altered(study, {"per_item": annotators}))
    got = len(plain(drawn(wider, main=items).items, "main"))
    short = (
        f" There are answers for no more than these; {items:,} are wanted: see More answers on the tab Items."
        if got < items
        else ""
    )
    st.session_state.design_note = f"The main round has {got:,} items with {annotators} annotators each.{short}"


def _values(place: str, goal: str, pilot: Pilot | None) -> dict[str, float]:
    """place: begins the keys, of this study alone: those of another study's pilot say nothing of it."""
    if pilot and goal in pilot.values:
        if not any(f"{place}.{goal}.{name}?" in st.session_state for name in VALUES[goal]):
            _from_pilot(place, goal, pilot.values[goal])
        cards.press("Take from the pilot", "science", "from_pilot", _from_pilot, place, goal, pilot.values[goal])
        if st.session_state.get(f"{place}.{goal}.source"):
            st.caption(f"From {cards.plain(pilot.why[goal])}. A small pilot gives rough values: look at neighbouring ones too.")
    else:
        st.caption("Assumed values. After a pilot they can be taken from its labels.")
    values, pair = {}, st.columns(2)
    for number, (name, (label, tip, bounds)) in enumerate(VALUES[goal].items()):
        key = f"{place}.{goal}.{name}"
        if key not in st.session_state:  # kept in a key of its own: a widget that is not drawn forgets
            st.session_state[key] = st.session_state.get(f"{key}?", ASSUMED[goal][name])
        bounds = {bound: float(value) if bound != "format" else value for bound, value in bounds.items()}
        st.session_state[key] = min(max(float(st.session_state[key]), bounds["min_value"]), bounds["max_value"])
        values[name] = pair[number % 2].number_input(label, key=key, help=tip or None, **bounds)
        st.session_state[f"{key}?"] = values[name]
    return values


def _from_pilot(place: str, goal: str, values: dict[str, float]) -> None:
    wanted = st.session_state.get(f"{place}.difference.difference", ASSUMED["difference"]["difference"])
    for name, value in fitted(goal, values, wanted).items():
        st.session_state[f"{place}.{goal}.{name}"] = st.session_state[f"{place}.{goal}.{name}?"] = value
    st.session_state[f"{place}.{goal}.source"] = True
