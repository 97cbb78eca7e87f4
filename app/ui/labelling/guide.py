"""The guidelines beside the desk, and the keys that an annotator may choose."""

import re

import streamlit as st

from app.ui import cards
from app.ui.labelling.keys import default_keys, keep_settings, key_problem, key_title
from core.annotation.rubric import Rubric


def guidelines(rubric: Rubric) -> None:
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


def keys(rubric: Rubric, annotator: str) -> None:
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
        go_on = st.toggle("Go to the next item by itself once all is answered", now["go_on"])
        saved = st.form_submit_button("Keep", type="primary")
    usual = st.button("The usual keys", type="tertiary", icon=":material/restart_alt:")
    if usual:
        fresh, go_on = default_keys(rubric), True
    if saved or usual:
        if problem := key_problem(fresh):
            return st.error(cards.plain(problem), icon=":material/error:")
        st.session_state["label_settings"] = {"keys": fresh, "go_on": go_on}
        keep_settings(annotator, st.session_state["label_settings"])
        st.rerun()
