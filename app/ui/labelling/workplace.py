"""What stands around the desk: the line that says whose it is, the guidelines, and the keys that an annotator may choose."""

import re

import streamlit as st

from app.ui import cards
from app.ui.labelling.desk import Desk
from app.ui.labelling.door import ROUNDS
from app.ui.labelling.keys import default_keys, keep_settings, key_problem, key_title, settings
from core.annotation.rubric import Rubric
from core.annotation.versions import Frozen


def desk_of(frozen: Frozen, annotator: str) -> Desk:
    """The desk of this window; another one for another study, version or annotator."""
    state, who = st.session_state, (frozen.id, annotator)
    if state.get("label_who") != who:
        state["label_settings"] = settings(frozen.study.rubric, annotator)
        state["label_desk"], state["label_who"] = Desk(frozen, annotator), who
    return state["label_desk"]


def head(frozen: Frozen, annotator: str) -> None:
    """One line that says whose desk it is."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="label_head"):
        title = frozen.study.title or frozen.study.id
        st.html(
            f'<h1 class="gw gw-strong" style="margin:0;padding:0">{cards.escape(title)} '
            f'<span class="gw-small">{ROUNDS[frozen.round]} · {cards.escape(annotator)}</span></h1>'
        )
        cards.press("Guidelines", "menu_book", "label_guidelines", _turn, "label_guide")
        with st.container(key="label_keyboard", width="content"), st.popover("Keys", icon=":material/keyboard:"):
            _choose_keys(frozen.study.rubric, annotator)
        cards.press("Leave", "logout", "label_leave", _leave, type="tertiary")


def guidelines(frozen: Frozen) -> None:
    """Beside the item where there is room; they stay while one labels, until they are closed."""
    if not st.session_state.get("label_guide"):
        return
    with st.container(key="lab_guide", gap="small"):
        cards.press("Close", "close", "label_guide_close", _turn, "label_guide", type="tertiary")
        _rubric(frozen.study.rubric)


def _turn(name: str) -> None:
    st.session_state[name] = not st.session_state.get(name)


def _leave() -> None:
    for name in ("label_who", "label_desk"):
        st.session_state.pop(name, None)
    for name in ("annotator", "token", "item"):
        st.query_params.pop(name, None)


def _rubric(rubric: Rubric) -> None:
    """The guidelines of the rubric in use, what the labels mean, and examples."""
    text = re.sub(r"(?m)^#+ ", "#### ", rubric.guidelines)  # headings of a panel, not of a page
    st.markdown(cards.without_pictures(text))
    cards.facts((label.title, label.meaning) for label in rubric.labels)
    titles = {label.name: label.title for label in rubric.labels}
    for example in rubric.examples:
        with st.expander(cards.plain(f"{titles[example.label]}: {example.sentence}")):
            cards.facts(
                [
                    ("Question", example.question),
                    ("Evidence", example.passage),
                    ("Sentence", example.sentence),
                    ("Why", example.why),
                ]
            )
    changed = f": {rubric.changed}" if rubric.changed else ""
    st.caption(cards.plain(f"Rubric, version {rubric.version}{changed}"))


def _choose_keys(rubric: Rubric, annotator: str) -> None:
    """The annotator's own keys; kept under their name."""
    now = st.session_state["label_settings"]
    with st.form("label_keys", border=False):
        row = {f"answer{n}": label.title for n, label in enumerate(rubric.labels, 1)}
        columns = st.columns(2)
        half = (len(now["keys"]) + 1) // 2
        fresh = {}
        for place, (name, key) in enumerate(now["keys"].items()):
            title = cards.plain(row.get(name) or key_title(name))
            fresh[name] = columns[place >= half].text_input(title, key, max_chars=5).strip().lower()
        go_on = st.toggle("Go to the next item automatically once all is answered", now["go_on"])
        saved = st.form_submit_button("Keep", type="primary")
    usual = st.button("Default keys", type="tertiary", icon=":material/restart_alt:")
    if usual:
        fresh, go_on = default_keys(rubric), True
    if saved or usual:
        if problem := key_problem(fresh):
            return st.error(cards.plain(problem), icon=":material/error:")
        st.session_state["label_settings"] = {"keys": fresh, "go_on": go_on}
        keep_settings(annotator, st.session_state["label_settings"])
        st.rerun()
