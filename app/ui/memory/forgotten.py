"""Forgotten: the audit of forgettings, and what the proof of each said."""

from typing import Any

import streamlit as st

from app.ui import cards, tables
from core.files import read_json
from core.memory.forgetting import forgettings
from core.memory.shown import audit_table

WHY = "Open a fact and press *Forget, and prove it*: the record says who, when and why, but not what was forgotten."
PLACES = {
    "search": "Search",
    "sql": "Tables of SQL",
    "neighbours": "Nearest vectors",
    "files": "Bytes of files",
    "control": "Control that stays",
}


def draw(workbench: Any) -> None:
    rows = forgettings(workbench)
    if not rows:
        cards.empty("Nothing was forgotten", WHY)
        return
    chosen = tables.choose(audit_table(rows), [row["key"] for row in rows], param="forgetting")
    if chosen is not None:
        with tables.opened():
            proof(rows[chosen])


def proof(row: dict[str, Any]) -> None:
    checks, cleaned, remaining = (read_json(row[name]) for name in ("checks", "cleaned", "remaining"))
    st.subheader("Proof", anchor=False)
    if row["proven"]:
        st.success(f"Nothing of {cards.count(row['facts'], 'fact')} is left.", icon=":material/verified:")
    else:
        st.error("Something is left, or could not be read.", icon=":material/error:")
    cards.facts(
        [
            ("Before", f"{row['before']:,} of {row['facts']:,} texts were found before, and so was each of two planted controls"),
            *((PLACES[place], f"{number:,} found after") for place, number in checks.items()),
            ("Emptied", ", ".join(f"{kind}: {number:,}" for kind, number in cleaned.items()) or "no other file held it"),
            ("Read", f"{cards.count(row['files'], 'file')}, {cards.size(row['bytes'])} unpacked, before and after"),
        ]
    )
    for path in remaining:
        st.text(f"Still there, or not readable: {path}")
    st.caption(
        "Not proven is what is in no file: memory of running programs, copies made elsewhere, blocks that the file system has released."
    )
