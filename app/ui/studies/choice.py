"""Which study is on the desk, beginning another, and what the last click did."""

import streamlit as st

from app import session
from app.ui import cards, cells
from app.ui.studies.desk import Desk, drawings, on_desk
from core.annotation import draft, rounds, versions
from core.annotation.study import plain, systems_of


def begin() -> None:
    """Callback: a draft with everything filled in is recorded and opened."""
    workbench = session.workbench()
    drawn = draft.start(workbench, st.session_state.get("new_title", ""), session.config().corpus.dataset)
    drawings()[drawn.study.id] = drawn.drawing
    st.session_state.study = rounds.save(workbench, drawn.study).study.id
    st.session_state.new_title = ""


def new_study(primary: bool = False) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input("Title", key="new_title", placeholder="Faithfulness", width=320)
        look = "primary" if primary else "secondary"
        st.button("Start a study", key="start_study", icon=":material/add:", type=look, on_click=begin)


def studies() -> dict[str, versions.Frozen]:
    return {version.study.id: version for version in versions.studies(session.workbench())}


def choice(studies: dict[str, versions.Frozen]) -> Desk:
    """The study on the desk. It stands in the address, yet not bound to it: a link to another page could not name a study then."""
    state, asked = st.session_state, st.query_params.get("study")
    last = state.get("study_written")
    if asked in studies and (asked != last or "study" not in state):
        state.study = asked
    elif state.get("study") not in studies:
        state.study = last if last in studies else next(iter(studies))
    if asked and asked not in studies:
        state.study_missing = asked
    if missing := state.get("study_missing"):
        cards.not_there("study", missing, instead="Shown is another.")

    titles = {study_id: version.study.title or study_id for study_id, version in studies.items()}
    named = cells.with_ids(titles)

    with st.container(horizontal=True, vertical_alignment="center"):
        study_id = st.selectbox(
            "Study",
            list(studies),
            key="study",
            format_func=named.get,
            width=340,
            label_visibility="collapsed",
            on_change=lambda: state.pop("study_missing", None),
        )
        # its key changes with each study, so that it closes once one is begun
        with st.popover("New study", icon=":material/add:", key=f"new_study.{len(studies)}"):
            new_study()
        desk = on_desk(studies[study_id])
        strip(desk)
    state.study_written = st.query_params["study"] = study_id
    return desk


def strip(desk: Desk) -> None:
    frozen, study = desk.frozen, desk.study
    cards.status_strip(
        [
            cards.count(len(plain(study.items)), "item"),
            cards.count(len(systems_of(study)), "system"),
            f"rubric version {frozen.study.rubric.version}",
            f"frozen as {frozen.hash[:12]}" if frozen.hash else "a draft, not frozen",
            f"recorded {frozen.created[:16].replace('T', ' ')} UTC",
        ]
    )


def told() -> None:
    """What the last click did, or why it could not."""
    if note := st.session_state.pop("design_note", ""):
        st.success(cards.plain(note), icon=":material/check:")
    if problem := st.session_state.pop("design_problem", ""):
        st.warning(f"Not changed: {cards.plain(problem)}", icon=":material/error:")
