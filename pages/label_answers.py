"""Label answers: which sentences are supported by their evidence, as a person judges?"""

import re
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, labelling
from core.annotation import tokens, versions

ROUNDS = {"pilot": "pilot round", "main": "main round", "adjudication": "adjudication"}
DESIGN = "../pages/design_study.py"


def page() -> None:
    frozen, annotator = chosen()
    if frozen and annotator:
        desk(frozen, annotator)
    elif frozen and finished(frozen, st.query_params.get("annotator", "")):
        st.html(labelling.HERE / "labelling.css")  # the other pages say which system wrote what
        cards.empty(
            "Your labels are complete, thank you",
            "The rounds in which you labelled are closed, and everything you said is "
            "kept. There is nothing more to do; you can close this window.",
        )
    else:
        cards.page_title(
            "Label answers", "Which sentences of an answer are supported by their evidence, as a person judges?", recipe=False
        )
        door(frozen)


def chosen() -> tuple[Any, str]:
    """The study and the annotator of the address, where they exist and the token fits."""
    workbench, address = session.workbench(), st.query_params
    found = next((one for one in versions.studies(workbench) if one.hash and one.study.id == address.get("study")), None)
    name = address.get("annotator", "")
    return found, name if found and tokens.may_label(workbench, found, name, address.get("token", "")) else ""


def door(frozen: Any) -> None:
    """Who labels what."""
    open_ = [one for one in versions.studies(session.workbench()) if one.hash]
    if not open_:
        if cards.empty(
            "Answers to judge",
            "No study is open. Whoever runs it draws the answers, freezes the design, and names "
            "the annotators on the page Study design.",
            "Design a study",
            icon=":material/design_services:",
        ):
            st.switch_page(DESIGN)
        return
    titles = {one.study.id: f"{one.study.title or one.study.id}, {ROUNDS[one.round]}" for one in open_}
    asked = st.query_params.get("annotator", "")
    with st.container(width=560, gap="medium"):
        if why := refused(frozen, asked):
            st.warning(cards.plain(why), icon=":material/info:")
        ids = list(titles)
        study = st.selectbox("Study", ids, ids.index(frozen.study.id) if frozen else 0, format_func=titles.get)
        frozen = next(one for one in open_ if one.study.id == study)
        people = frozen.study.at_work(frozen.round)
        name = st.selectbox("Your name", people, people.index(asked) if asked in people else None, placeholder="Choose your name")
        with st.form("label_door", border=False):  # outside a form a password left with Tab is never sent
            token, whence = "", "Whoever runs the study gave it to you."
            if frozen.study.tokens:
                token = st.text_input("Your token", type="password", help=whence).strip()
            started = st.form_submit_button(
                "Start labelling", key="label_start", type="primary", icon=":material/edit_note:", disabled=not name
            )
        if started and tokens.may_label(session.workbench(), frozen, name, token):
            st.query_params.update({"study": study, "annotator": name} | ({"token": token} if token else {}))
            st.rerun()
        if started:
            st.error("This token does not belong to this name. Ask whoever runs the study for a new one.")


def refused(frozen: Any, asked: str) -> str:
    """Why the address leads to no desk; "" where it names none."""
    study, round = st.query_params.get("study", ""), frozen and ROUNDS[frozen.round]
    if study and not frozen:
        return f"There is no open study “{study}”. Ask whoever runs it for a new link."
    if frozen and asked and asked not in frozen.study.people(frozen.round):
        return f"“{asked}” is no annotator of the {round} of this study. Ask whoever runs it for a new link."
    if frozen and asked and asked not in frozen.study.at_work(frozen.round):
        return f"“{asked}” has left the {round} of this study, so nothing more can be labelled under this name."
    if frozen and asked and "token" in st.query_params:
        return f"The token in this link does not belong to “{asked}”. Ask whoever runs the study for a new one."
    return ""


def finished(frozen: Any, name: str) -> bool:
    """Whether this is an annotator of an earlier round, who has no part in the present one."""
    there = any(name in one.study.people(one.round) for one in versions.history(session.workbench(), frozen.study.id) if one.hash)
    return there and name not in frozen.study.people(frozen.round)


def desk(frozen: Any, annotator: str) -> None:
    """The item, under one line that says whose desk it is."""
    state, who = st.session_state, (frozen.id, annotator)
    if state.get("label_who") != who:
        state["label_settings"] = labelling.settings(frozen.study.rubric, annotator)
        state["label_desk"], state["label_who"] = labelling.Desk(frozen, annotator), who
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="label_head"):
        title = frozen.study.title or frozen.study.id
        st.html(
            f'<h1 class="gw gw-strong" style="margin:0;padding:0">{cards.escape(title)} '
            f'<span class="gw-small">{ROUNDS[frozen.round]} · {cards.escape(annotator)}</span></h1>'
        )
        st.button("Guidelines", key="label_guidelines", icon=":material/menu_book:", on_click=turn, args=("label_guide",))
        with st.container(key="label_keyboard", width="content"), st.popover("Keys", icon=":material/keyboard:"):
            keys(frozen.study.rubric, annotator)
        st.button("Leave", key="label_leave", icon=":material/logout:", type="tertiary", on_click=leave)
    labelling.draw(state["label_desk"])
    if state.get("label_guide"):  # beside the item where there is room, and it stays while one labels
        with st.container(key="lab_guide", gap="small"):
            st.button(
                "Close", key="label_guide_close", icon=":material/close:", type="tertiary", on_click=turn, args=("label_guide",)
            )
            guidelines(frozen.study.rubric)


def turn(name: str) -> None:
    st.session_state[name] = not st.session_state.get(name)


def leave() -> None:
    for name in ("label_who", "label_desk"):
        st.session_state.pop(name, None)
    for name in ("annotator", "token", "item"):
        st.query_params.pop(name, None)


def guidelines(rubric: Any) -> None:
    """The guidelines of the rubric in use, what the labels mean, and examples."""
    text = re.sub(r"(?m)^#+ ", "#### ", rubric.guidelines)  # headings of a panel, not of a page
    st.markdown(cards.without_pictures(text))
    cards.facts((one.title, one.meaning) for one in rubric.labels)
    titles = {one.name: one.title for one in rubric.labels}
    for one in rubric.examples:
        with st.expander(cards.plain(f"{titles[one.label]}: {one.sentence}")):
            cards.facts([("Question", one.question), ("Evidence", one.passage), ("Sentence", one.sentence), ("Why", one.why)])
    changed = f": {rubric.changed}" if rubric.changed else ""
    st.caption(cards.plain(f"Rubric, version {rubric.version}{changed}"))


def keys(rubric: Any, annotator: str) -> None:
    """The annotator's own keys; kept under their name."""
    now = st.session_state["label_settings"]
    with st.form("label_keys", border=False):
        row = {f"answer{n}": one.title for n, one in enumerate(rubric.labels, 1)}
        columns = st.columns(2)
        half = (len(now["keys"]) + 1) // 2
        fresh = {}
        for place, (name, key) in enumerate(now["keys"].items()):
            title = cards.plain(row.get(name) or labelling.key_title(name))
            fresh[name] = columns[place >= half].text_input(title, key, max_chars=5).strip().lower()
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
