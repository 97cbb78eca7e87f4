"""The tab By item: what people label differently."""

import streamlit as st

from app.ui import cards, cells, tables, ways
from app.ui.agreement.results import cannot_of, compute_once, title
from core.agreement import disputed_units, plan
from core.agreement.views import View
from core.annotation.study import CANNOT
from core.report.table import TWO, Column, Table


def draw(view: View) -> None:
    disputes, names, units = (
        compute_once(view, "disputed", lambda: disputed_units.most_disputed(view.table, cannot=cannot_of(view))),
        view.table.categories,
        view.units,
    )
    if not disputes:
        return cards.empty(
            f"The {units} that people label differently", "None: where several people labelled the same, they agreed."
        )
    which = "Item" if view.source.study else "Unit"
    rows = [
        {
            which: plan.unit_name(view.source, dispute.name, dispute.item),
            "Labels": said(view, dispute),
            "Text": dispute.text or dispute.name,
            "Spread": dispute.spread,
        }
        for dispute in disputes
    ]
    spread = "Entropy of the labels, in bits." if names else "Standard deviation of the labels."
    columns = [
        Column(which, width=150),
        Column("Labels", width=250),
        Column("Text", width=520),
        Column("Spread", "", TWO, spread),
    ]
    if len({row["Spread"] for row in rows}) == 1:  # as of two annotators, who differ or do not
        columns.pop()
    most = f"The {len(disputes)} most disputed" if len(disputes) == disputed_units.DISPUTED else f"{len(disputes):,}"
    st.caption(f"{most} of {len(view.table.items):,} {units} have different labels, most disputed first. Click one to read it.")
    chosen = tables.choose(Table("disputed", columns, rows), [dispute.name for dispute in disputes])
    with tables.opened(), st.container(border=True):
        unit(view, disputes[chosen or 0])
    if (name := st.session_state.get("agreement_stored")) and view.round == "pilot":
        ways.link("design_study", "Make the rubric clearer", "edit_note", study=name, section="Rubric")
    else:
        have_decided(view)


def have_decided(view: View) -> None:
    """The way to an adjudicator, while there is something that nobody has decided."""
    name = st.session_state.get("agreement_stored")
    if name and view.round == "main" and compute_once(view, "undecided", lambda: plan.undecided(view.source)):
        ways.link("design_study", "Have them decided", "gavel", study=name)


def said(view: View, dispute: disputed_units.Unit) -> str:
    """How many gave each label; of numbers the labels themselves."""
    labels = [label for _, label in dispute.labels]
    counts = [f"{labels.count(name)} {title(view, name)}" for name in (*view.table.categories, CANNOT) if name in labels]
    return ", ".join(counts if view.table.categories else [title(view, name) for name in labels])


def unit(view: View, dispute: disputed_units.Unit) -> None:
    """One disputed unit: its text, what it was judged by, and every label."""
    item = view.source.study.item(dispute.item) if view.source.study else None
    name = plan.unit_name(view.source, dispute.name, dispute.item)
    st.caption(cards.plain(f"{name}{'' if item is None else f' · {item.question}'}"))
    st.text(dispute.text or dispute.name)
    here = [label for label in view.source.labels if (label.item, label.round) == (dispute.item, view.round)]
    comments = {label.annotator: label.comment for label in here if label.comment}
    rows = [{"Annotator": who, "Label": title(view, label)} for who, label in dispute.labels]
    if comments:
        rows = [row | {"Comment": comments.get(row["Annotator"], "")} for row in rows]
    cells.show(rows, hide_index=True, height="content", width="stretch" if comments else "content", key="unit_labels")
    for place, response in enumerate(item.responses if item else ()):
        which = f" {'AB'[place]}" if len(item.responses) > 1 else ""
        with st.expander(f"The whole answer{which} and {cards.count(len(response.passages), 'passage')}"):
            st.text(response.text)
            for number, passage in enumerate(response.passages, 1):
                st.caption(cards.plain(f"[{number}] {passage.title or passage.document_id}"))
                st.text(passage.text)
