"""A table, figure or number that is computed from stored trials, taken into a paper."""

import streamlit as st

from app import session
from app.ui import cards
from core.errors import WorkbenchError
from core.labs.papers import paper as papers
from core.labs.papers import sources

EXAMPLES = {
    "table": "trials-table A B C --metric recall --metric ndcg_linear",
    "figure": "trials-table A B C --metric recall",
    "number": "compare A B --metric recall",
}


def draw(paper: papers.Paper) -> None:
    kind = st.segmented_control("Kind", list(EXAMPLES), default="table", key="item_kind", required=True) or "table"
    with st.form("new_item", border=False):
        name = st.text_input("Name", help="Of its file, label or macro: small letters, digits and hyphens.")
        command = st.text_input("Command", placeholder=EXAMPLES[kind], help="A, B, C: trials by id, the end of it, or name.")
        caption = st.text_input("Caption")
        fields = {"kind": kind, "caption": caption}
        if kind == "number":
            fields["value"] = st.text_input("Where it stands in the answer", placeholder="difference, or metrics.recall.mean")
            fields["form"] = st.selectbox("Written", ["plain", "signed", "percent", "p"])
        if kind == "figure":
            fields["drawing"] = st.selectbox("Drawn", ["means", "differences"])
            fields["panel"] = st.text_input("Panel letter", max_chars=1)
        if kind != "number":
            fields["width_mm"] = st.segmented_control("Width in mm", [84, 174], default=84, required=True) or 84
        if st.form_submit_button("Add", type="primary"):
            try:
                papers.add(session.workbench(), paper.id, {**fields, "name": name, "command": sources.split(command)})
            except WorkbenchError as error:
                cards.problem(error)
            else:
                st.toast(f"{cards.plain(name)} is in the paper.", icon=":material/check:")
