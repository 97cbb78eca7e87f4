"""Who labels what: by the link that they were sent, or chosen at the door."""

import streamlit as st

from app import session
from app.ui import cards, ways
from core.annotation import tokens, versions
from core.annotation.versions import Frozen
from core.annotation.worklist import items_of
from core.labs.path.steps import how_far

ROUNDS = {"pilot": "pilot round", "main": "main round", "adjudication": "adjudication"}


def chosen() -> tuple[Frozen | None, str]:
    """The study and the annotator of the address, where they exist and the token fits."""
    workbench, address = session.workbench(), st.query_params
    frozen = next(
        (version for version in versions.studies(workbench) if version.hash and version.study.id == address.get("study")), None
    )
    name = address.get("annotator", "")
    return frozen, name if frozen and tokens.may_label(workbench, frozen, name, address.get("token", "")) else ""


def draw(frozen: Frozen | None) -> None:
    """Who labels what."""
    studies = [version for version in versions.studies(session.workbench()) if version.hash]
    asked = st.query_params.get("annotator", "")
    if why := refused(frozen, asked):
        st.container(width=560).warning(cards.plain(why), icon=":material/info:")
    if not studies:
        if cards.empty(
            "Answers to judge",
            "No study is open. The study's owner draws the answers, freezes the design and names the annotators on the page "
            "Study design.",
            "Design a study",
            icon=":material/design_services:",
        ):
            ways.go("design_study")
        return
    titles = {version.study.id: f"{version.study.title or version.study.id}, {ROUNDS[version.round]}" for version in studies}
    with st.container(width=560, gap="medium"):
        ids = list(titles)
        study = st.selectbox("Study", ids, ids.index(frozen.study.id) if frozen else 0, format_func=titles.get)
        frozen = next(version for version in studies if version.study.id == study)
        whole, told = how_far(session.workbench(), frozen)
        st.caption(f"{told.capitalize()}.{' The study is finished: labels can be looked at and changed.' * whole}")
        if whole:
            ways.link("measure_agreement", "Agreement", "handshake", study=frozen.study.id)
        people = frozen.study.at_work(frozen.round)
        name = st.selectbox("Your name", people, people.index(asked) if asked in people else None, placeholder="Choose your name")
        with st.form("label_door", border=False):  # outside a form a password left with Tab is never sent
            token, whence = "", "You were given it by the study's owner."
            if frozen.study.tokens:
                token = st.text_input("Your token", type="password", help=whence).strip()
            why = "" if name else "Choose your name to start."
            look = {
                "type": "secondary" if whole else "primary",
                "icon": ":material/edit_note:",
                "disabled": bool(why),
                "help": why or None,
            }
            started = st.form_submit_button("Look at the labels" if whole else "Start labelling", key="label_start", **look)
            if name:
                st.caption(f"{cards.count(len(items_of(frozen, name)), 'screen')} for you in this round.")
        if started and tokens.may_label(session.workbench(), frozen, name, token):
            st.query_params.update({"study": study, "annotator": name} | ({"token": token} if token else {}))
            st.rerun()
        if started:
            st.error("This token does not belong to this name. Ask the study's owner for a new one.")


def refused(frozen: Frozen | None, asked: str) -> str:
    """Why the address leads to no desk; "" where it names none."""
    study, round_title = st.query_params.get("study", ""), frozen and ROUNDS[frozen.round]
    if study and not frozen:
        return f"There is no open study “{study}”. Ask its owner for a new link."
    if frozen and asked and asked not in frozen.study.people(frozen.round):
        return f"“{asked}” is not an annotator of the {round_title} of this study. Ask its owner for a new link."
    if frozen and asked and asked not in frozen.study.at_work(frozen.round):
        return f"“{asked}” has left the {round_title} of this study, so no more labels can be given under this name."
    if frozen and asked and "token" in st.query_params:
        return f"The token in this link does not belong to “{asked}”. Ask the study's owner for a new one."
    return ""


def finished(frozen: Frozen, name: str) -> bool:
    """Whether this is an annotator of an earlier round, who has no part in the present one."""
    there = any(
        name in version.study.people(version.round)
        for version in versions.history(session.workbench(), frozen.study.id)
        if version.hash
    )
    return there and name not in frozen.study.people(frozen.round)
