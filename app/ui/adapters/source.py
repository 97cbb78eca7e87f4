"""What an adapter learns from: the corpus or a file, the card of that data, and some of its examples."""

from pathlib import Path
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, jobs, tables
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs import adapters

SHOWN = 3  # examples
MOST_CHARACTERS = 1500


def choice(config: TrialConfig) -> Path | None:
    """The file that was given; None: the recipe's corpus."""
    kinds = (f"Corpus {config.corpus.dataset}", "A file")
    if st.radio("Learn from", kinds, horizontal=True, key="adapter/source") == kinds[0]:
        return None
    upload = st.file_uploader(
        "JSON lines in TRL's forms",
        type=["jsonl", "json"],
        key="adapter/file",
        help='{"messages": [...]} ending with the assistant, or {"prompt": …, "completion": …}.',
    )
    if upload is None:
        st.caption("Each line is an example. Near copies between train and test are left out.")
        return Path()
    return adapters.received(upload.getvalue())


def card(config: TrialConfig, settings: dict[str, Any], file: Path | None) -> None:
    """The card of the data, made when it is asked for: near copies of ten thousand examples take some ten seconds."""
    key = adapters.data_key(config, settings, file)
    held = st.session_state.get("adapter/card")
    if st.button("Look at the data", key="adapter/look", icon=":material/dataset:"):
        try:
            data = jobs.drain(adapters.adapter_data(session.workbench(), config, settings, file), "Making examples")
        except WorkbenchError as error:
            st.session_state.pop("adapter/card", None)
            return cards.problem(error)
        st.session_state["adapter/card"] = held = (key, data.card(), data.train[:SHOWN])
    if not held or held[0] != key:
        return st.caption("Its parts, what is left out and why, and some examples. No part shares a document with another.")
    draw_card(held[1])
    for example in held[2]:
        with st.expander(cards.plain(example.question[:100]), key=f"adapter/example/{example.id}"):
            st.text("\n\n".join(f"{turn['role']}: {turn['content']}" for turn in example.messages)[:MOST_CHARACTERS])
            st.caption("learnt")
            st.text(example.answer[:MOST_CHARACTERS])
    return None


def draw_card(card: dict[str, Any]) -> None:
    tokens = card.get("tokens") or {}
    rows = []
    for part, count in card["examples"].items():
        row = {"Part": part, "Examples": f"{count:,}", "Documents or groups": f"{card['groups'][part]:,}"}
        for label, name in (("Tokens", "all"), ("Of answers", "answers"), ("Longest", "longest")):
            if part in tokens:
                row[label] = f"{tokens[part][name]:,}"
        rows.append(row)
    tables.wrapped_table(rows)
    left_out = "; ".join(f"{number:,} {reason}" for reason, number in card["left_out"].items())
    st.caption(cards.plain(f"{card['source']} · checksum {card['checksum']} · left out: {left_out or 'none'}"))
