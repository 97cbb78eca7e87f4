"""Label answers: which sentences are supported by their evidence, as a person judges?"""

import re
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, labelling
from core import annotation_lab as lab

ROUNDS = {"pilot": "pilot round", "main": "main round", "adjudication": "adjudication"}
DESIGN = "../pages/design_study.py"


def page() -> None:
    frozen, annotator = chosen()
    if frozen and annotator:
        desk(frozen, annotator)
    else:
        cards.page_title(
            "Label answers", "Which sentences of an answer are supported by their evidence, as a person judges?"
        )
        door(frozen)


def chosen() -> tuple[Any, str]:
    """The study and the annotator of the address, where they exist and the token fits."""
    workbench, address = session.workbench(), st.query_params
    found = next((one for one in lab.studies(workbench) if one.hash and one.study.id == address.get("study")), None)
    name = address.get("annotator", "")
    token = st.session_state.get("label_token") or address.get("token", "")
    return found, name if found and lab.may_label(workbench, found, name, token) else ""


def door(frozen: Any) -> None:
    """Who labels what."""
    open_ = [one for one in lab.studies(session.workbench()) if one.hash]
    if not open_:
        if cards.empty("Answers to judge", "No study is open. Whoever runs it draws the answers, freezes the design, and names "
                       "the annotators on the page Study design.", "Design a study", icon=":material/design_services:"):  # fmt: skip
            st.switch_page(DESIGN)
        return
    titles = {one.study.id: f"{one.study.title or one.study.id}, {ROUNDS[one.round]}" for one in open_}
    with st.container(width=560, gap="medium"):
        ids = list(titles)
        study = st.selectbox("Study", ids, ids.index(frozen.study.id) if frozen else 0, format_func=titles.get)
        frozen = next(one for one in open_ if one.study.id == study)
        people = frozen.study.people(frozen.round)
        asked = st.query_params.get("annotator", "")
        name = st.selectbox("Your name", people, people.index(asked) if asked in people else None,
                            placeholder="Choose your name")  # fmt: skip
        token = ""
        if frozen.study.tokens:
            token = st.text_input("Your token", type="password", help="Whoever runs the study gave it to you.")
        if st.button(
            "Start labelling", key="label_start", type="primary", icon=":material/edit_note:", disabled=not name
        ):
            if lab.may_label(session.workbench(), frozen, name, token):
                st.session_state["label_token"] = token
                st.query_params.update({"study": study, "annotator": name})
                st.rerun()
            st.error("This token does not belong to this name. Ask whoever runs the study for a new one.")


def desk(frozen: Any, annotator: str) -> None:
    """The item, under one line that says whose desk it is."""
    state, who = st.session_state, (frozen.id, annotator)
    if state.get("label_who") != who:
        state["label_settings"] = labelling.settings(frozen.study.rubric, annotator)
        state["label_desk"], state["label_who"] = labelling.Desk(frozen, annotator), who
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="label_head"):
        title = frozen.study.title or frozen.study.id
        st.html(f'<h1 class="gw gw-strong" style="margin:0;padding:0">{cards.escape(title)} '
                f'<span class="gw-small">{ROUNDS[frozen.round]} · {cards.escape(annotator)}</span></h1>')  # fmt: skip
        with (
            st.container(key="label_guidelines", width="content"),
            st.popover("Guidelines", icon=":material/menu_book:"),
        ):
            guidelines(frozen.study.rubric)
        with st.popover("Keys", icon=":material/keyboard:"):
            keys(frozen.study.rubric, annotator)
        st.button("Leave", key="label_leave", icon=":material/logout:", type="tertiary", on_click=leave)
    labelling.draw(state["label_desk"])


def leave() -> None:
    for name in ("label_who", "label_token", "label_desk"):
        st.session_state.pop(name, None)
    for name in ("annotator", "token"):
        st.query_params.pop(name, None)


def guidelines(rubric: Any) -> None:
    """What the labels mean, examples, and the guidelines of the rubric in use."""
    changed = f": {rubric.changed}" if rubric.changed else ""
    st.caption(cards.plain(f"Rubric, version {rubric.version}{changed}"))
    cards.facts((one.title, one.meaning) for one in rubric.labels)
    titles = {one.name: one.title for one in rubric.labels}
    for one in rubric.examples:
        with st.expander(cards.plain(f"{titles[one.label]}: {one.sentence}")):
            cards.facts(
                [("Question", one.question), ("Evidence", one.passage), ("Sentence", one.sentence), ("Why", one.why)]
            )
    text = re.sub(r"(?m)^#+ ", "#### ", rubric.guidelines)  # headings of a panel, not of a page
    st.markdown(text.replace("![", "["))  # no picture is loaded from elsewhere


def keys(rubric: Any, annotator: str) -> None:
    """The annotator's own keys; kept under their name."""
    now = st.session_state["label_settings"]
    with st.form("label_keys", border=False):
        row = {f"answer{n}": f"{n}. {one.title}" for n, one in enumerate(rubric.labels, 1)}
        columns = st.columns(2)
        half = (len(now["keys"]) + 1) // 2
        fresh = {name: columns[place >= half].text_input(row.get(name) or labelling.key_title(name), key, max_chars=5).strip().lower()
                 for place, (name, key) in enumerate(now["keys"].items())}  # fmt: skip
        go_on = st.toggle("Go to the next item by itself once all is answered", now["go_on"])
        saved = st.form_submit_button("Keep", type="primary")
    usual = st.button("The usual keys", type="tertiary", icon=":material/restart_alt:")
    if usual:
        fresh, go_on = labelling.default_keys(rubric), True
    if saved or usual:
        if problem := labelling.key_problem(fresh):
            return st.error(cards.plain(problem), icon=":material/error:")
        st.session_state["label_settings"] = {"keys": fresh, "go_on": go_on}
        labelling.keep_settings(annotator, st.session_state["label_settings"])
        st.rerun()


page()
