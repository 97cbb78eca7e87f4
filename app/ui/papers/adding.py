"""A table, figure or number that is computed from stored trials, taken into a paper."""

from collections.abc import Sequence

import streamlit as st

from app import session
from app.ui import cards, forms
from app.ui.forms import one_of
from core.errors import WorkbenchError
from core.labs.experiments import book, results
from core.labs.papers import paper as papers
from core.labs.papers import sources
from core.labs.trials.comparison import MOST, direction

TICKED = "Those ticked on the page Trials"
EXAMPLES = {
    "table": "trials table A B C --metric recall --metric ndcg_linear",
    "figure": "trials table A B C --metric recall",
    "number": "trials compare A B --metric recall",
}


def draw(paper: papers.Paper) -> None:
    if name := st.session_state.pop("paper_added", ""):
        st.toast(f"{cards.plain(name)} is in the paper.", icon=":material/check:")
    left, right = st.columns([1, 1.5], vertical_alignment="bottom")
    with left:
        kind = one_of("Kind", list(EXAMPLES), "item_kind", format_func=str.capitalize)
    with right:
        written, name_of = suggestion(kind, trials_at_hand())
    name_of = papers.free_name(paper, name_of) if name_of else ""
    forms = st.session_state.setdefault("paper_forms", 0)
    with st.form(f"new_item/{forms}", border=False):  # what was added leaves an empty form behind
        left, right = st.columns([1, 1.5])
        name = left.text_input("Name", name_of, help="Used for its file, label or macro; any words will do.")
        caption = right.text_input("Caption")
        # trials that are chosen above make their own
        with st.expander("The command that computes it", icon=":material/terminal:", expanded=not written):
            command = st.text_input(
                "Command",
                written,
                placeholder=EXAMPLES[kind],
                help="A, B and C are trials: the id, its last characters, or the name. The first is the reference.",
            )
        fields = {"kind": kind, "caption": caption}
        if kind == "number":
            fields["value"] = st.text_input(
                "Field of the result", "difference" * bool(written), placeholder="difference, or metrics.recall.mean"
            )
            fields["form"] = st.selectbox("Format", ["plain", "signed", "percent", "p"])
        if kind == "figure":
            fields["drawing"] = st.selectbox("Shows", ["means", "differences"])
            fields["panel"] = st.text_input("Panel letter", max_chars=1)
        if kind != "number":
            fields["width_mm"] = st.segmented_control("Width in mm", [84, 174], default=84, required=True) or 84
        if st.form_submit_button("Add", type="primary"):
            name = papers.free_name(paper, name or kind)
            try:
                papers.add(session.workbench(), paper.id, {**fields, "name": name, "command": sources.split(command)})
            except WorkbenchError as error:
                cards.problem(error)
            else:
                st.session_state.update(paper_added=name, paper_forms=forms + 1)
                st.rerun()


def trials_at_hand() -> Sequence[str]:
    """Those that are ticked, or the base and the best of an experiment: nobody has to know their ids."""
    workbench = session.workbench()
    ticked = st.session_state.get("chosen") or []
    studies = {row.experiment.id: row.experiment for row in book.experiments(workbench) if row.trials.get("ok")}
    if not (ticked or studies):
        return ()
    offered = {TICKED: TICKED} if ticked else {}
    offered |= {name: f"Of the experiment: {study.title or name}" for name, study in studies.items()}
    chosen = forms.one_of_many("Trials", offered, "item_trials")
    if chosen not in studies:
        return ticked[:MOST]
    study = studies[chosen]
    try:
        rows = results.measured(workbench, study)
    except WorkbenchError:  # none is measured of its last version
        return ()
    rows.sort(key=lambda row: (not row["group"].startswith("best"), -direction(study.metrics[0]) * row[study.metrics[0]]))
    base = [row["trial"] for row in rows if row["p (Holm)"] is None]  # nothing is compared with itself
    return list(dict.fromkeys([*base, *(row["trial"] for row in rows)]))[:MOST]


def suggestion(kind: str, trials: Sequence[str]) -> tuple[str, str]:
    """A command on these trials, and a name for what it shows."""
    if len(trials) < 2:
        return "", ""
    if kind == "number":
        return f"trials compare {trials[0]} {trials[1]} --metric ndcg_linear", "gain"
    return f"trials table {' '.join(trials)} --metric ndcg_linear --metric recall", "main" if kind == "table" else "means"
