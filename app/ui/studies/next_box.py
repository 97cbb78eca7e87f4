"""The box of the next step: what to do and why, with the buttons that do it."""

from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, ways
from app.ui.studies.desk import Desk, drawings, now, put
from core.annotation import rounds
from core.annotation.study import plain
from core.errors import WorkbenchError


def confirm(label: str, icon: str, key: str, what: Any, *arguments: Any) -> None:
    """The foot of a dialog: do it, or not; both close it."""
    with st.container(horizontal=True, gap="small"):
        done = st.button(label, type="primary", icon=f":material/{icon}:", key=key, on_click=what, args=arguments)
        if st.button("Cancel", type="tertiary", key=f"{key}/cancel") or done:
            st.rerun()


@contextmanager
def next_box(title: str, text: str) -> Iterator[None]:
    """What to do and why; the buttons that do it come inside, the blue one first: it stands at the right."""
    with st.container(key="next_head"):
        left, right = st.columns(2, vertical_alignment="center")
        left.html(
            f'<div class="gw"><div class="gw-strong">Next: {escape(title)}</div><div class="gw-small">{escape(text)}</div></div>'
        )
        with right, st.container(horizontal=True, vertical_alignment="center", gap="small", key="next_buttons"):
            yield


def missing(desk: Desk, round_name: str) -> list[str]:
    """What a study needs before this round can be frozen."""
    study = desk.study
    return [
        text
        for text, wanted in [
            ("items: draw them on the tab Items", not plain(study.items, round_name)),
            ("a question: enter it on the tab Plan", not study.question.strip()),
            ("a primary measure: enter it on the tab Plan", not study.measure.strip()),
            ("different names for all annotators: on the tab People", f"{study.id}/annotators?" in st.session_state),
            (f"{study.per_item} annotators: name them on the tab People", len(study.annotators) < study.per_item),
            (
                "a decision on the changed rubric: put it in force or discard it, on the tab Rubric",
                desk.piloted and desk.revision,
            ),
        ]
        if wanted
    ]


def keep(desk: Desk) -> None:
    """A draft's changes are recorded when asked for."""
    if not desk.changed:
        return
    if desk.frozen.round == "draft":
        cards.press("Save draft", "save", "save_draft", _save, desk)
    cards.press("Discard", "", "discard", _discard, desk, type="tertiary", help="Back to what is recorded.")


def _save(desk: Desk) -> None:
    try:
        rounds.save(session.workbench(), now(desk).study)
    except WorkbenchError as error:
        st.session_state.design_problem = error.what


def _discard(desk: Desk) -> None:
    put(desk, desk.frozen.study)
    drawings().pop(desk.study.id, None)


def see_agreement(desk: Desk, label: str = "Agreement so far", **more: Any) -> None:
    """A way to the agreement page, once there is something on it."""
    round_name = {"adjudication": "main"}.get(desk.frozen.round, desk.frozen.round)
    if desk.standing.agreement is not None and st.button(label, icon=":material/handshake:", key="agreement", **more):
        st.session_state.setdefault("analysed", set()).add((desk.study.id, round_name))
        ways.go("measure_agreement", source=desk.study.id, of_round=round_name)


def open_tab(tab: str) -> None:
    st.session_state.section = tab


def change_round(what: Any, desk: Desk, *arguments: str) -> None:
    """Callback: a new version of the round in use."""
    try:
        frozen = what(session.workbench(), desk.study.id, *arguments)
    except WorkbenchError as error:
        st.session_state.design_problem = f"{error.what} {error.todo}"
        return
    st.session_state.design_note = f"Recorded as version {frozen.version}, frozen as {frozen.hash[:12]}."
