"""The tab Consensus: what the labels say together, of systems or of pairs."""

from functools import partial

import streamlit as st

from app.ui import cards, cells, export
from app.ui.agreement.items import have_decided
from app.ui.agreement.preferences import preference_cards
from app.ui.agreement.results import agreed, cannot_of
from app.ui.agreement.systems import rates
from core.agreement import cannot_judge, sources, views
from core.agreement.consensus import AgreedLabels
from core.agreement.views import METHODS, View


def draw(view: View) -> None:
    labels = agreed(view)
    by = ", ".join(sorted({label.annotator for label in view.source.labels if label.round == "adjudication"}))
    ruled_out = int(labels.unjudged.sum())
    nobody = ruled_out + cannot_judge.judged_by_nobody(view.table, cannot_of(view))
    who = f"nobody, or not {by}," if ruled_out else "nobody"
    told = [
        f"{METHODS[labels.method]}: {len(labels.values) - ruled_out:,} {view.units}",
        f"{labels.adjudicated:,} decided by {by}, as annotators differed" if labels.method == "adjudicated" else "",
        f"{nobody:,} more that {who} could judge are left out of every share" if nobody else "",
    ]
    why = (
        f" {views.NO_DAWID_SKENE}"
        if view.table.categories and "dawid_skene" not in views.methods(view.source, view.table)
        else ""
    )
    st.caption(cards.plain("; ".join(filter(None, told)) + f".{why}"))
    ties(view, labels)
    if view.part == "preference":
        preference_cards(view, labels)
    else:
        rates(view, labels)
    rows = [
        {
            "unit": name,
            "item": view.table.item_ids[i],
            "label": sources.named(view.table, labels.values[i]),
            "text": view.table.texts[i] if view.table.texts else "",
        }
        for i, name in enumerate(view.table.items)
    ]
    export.download("Consensus labels", partial(cells.to_csv, rows), "consensus.csv", "consensus_csv")


def ties(view: View, labels: AgreedLabels) -> None:
    """Ties are no agreement: what is left out, and the way to have it decided."""
    if not labels.ties:
        return
    number = f"{labels.ties:,} of {len(labels.values):,} {view.units}"
    verb, tied = ("is", "it") if labels.ties == 1 else ("are", "them")
    text = f"{number} {verb} tied, so every share below leaves {tied} out"
    if view.part == "preference":
        text = f"{number} {'has' if labels.ties == 1 else 'have'} no majority and {verb} left out below."
    else:
        text += "; it describes only what annotators agree on. The column With ties bounds it, however ties are decided."
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.caption(f":material/balance: {text}", width="stretch")
        have_decided(view)
