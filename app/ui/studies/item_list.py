"""The exact list of a round."""

from typing import Any

import streamlit as st

from app.ui import cards
from core.annotation import system_names
from core.annotation.study import Study, plain, systems_of

NUMBER, TEXT = st.column_config.NumberColumn, st.column_config.TextColumn


def rows(study: Study, round_name: str) -> list[dict[str, Any]]:
    """The exact list of a round, one row an item; numbered without repeats and attention items, as on the page Agreement."""
    place = {item.id: number for number, item in enumerate(plain(study.items, round_name), 1)}
    named = system_names.short_names(systems_of(study))
    return [
        {
            "No.": "known"
            if item.attention
            else f"{place[item.duplicate_of]} again"
            if item.duplicate_of
            else f"{place[item.id]}",
            "Question": item.question,
            "Answer": " ⟷ ".join(response.text for response in item.responses),
            "Sentences": sum(len(response.sentences) for response in item.responses),
            "System": " ⟷ ".join(named.get(response.system, "") for response in item.responses),
        }
        for item in study.round_items(round_name)
    ]


def looks_of(study: Study, room: float = 1.0) -> dict[str, Any]:
    """How the list is drawn; the system only where there is more than one. room: of the texts, beside that on the page."""
    several = len(systems_of(study)) > 1
    config = {
        "No.": TEXT(width=72, help="Again: a hidden repeat of that item. Known: an attention item, with a known answer."),
        "Question": TEXT(width=round(200 * room)),
        "Answer": TEXT(width=round((200 if several else 300) * room)),
        "System": TEXT(width=150, help="Hidden from annotators."),
        "Sentences": NUMBER(width=76, help="Of the answer; each is labelled."),
    }
    shown = ["No.", *["System"] * several, "Question", "Answer", "Sentences"]
    return {"column_order": shown, "column_config": config, "hide_index": True}


def parts(study: Study, round_name: str) -> str:
    """ "30 items, 3 repeats, 5 attention items": what everybody of a round goes through, or shares in."""
    those = study.round_items(round_name)
    counts = [
        (len(plain(those)), "item"),
        (sum(bool(item.duplicate_of) for item in those), "repeat"),
        (sum(item.attention for item in those), "attention item"),
    ]
    return ", ".join(cards.count(number, what) for number, what in counts if number)
