"""The tab Consensus: what the labels say together, of systems or of pairs."""

import streamlit as st

from app.ui import cards, charts
from app.ui.agreement.items import have_decided
from app.ui.agreement.preferences import preference_cards
from app.ui.agreement.results import agreed, cannot_of
from app.ui.agreement.systems import rates
from core.agreement import cannot_judge, sources, views
from core.agreement.consensus import AgreedLabels
from core.agreement.views import METHODS, View


def draw(view: View) -> None:
    one = agreed(view)
    by = ", ".join(sorted({label.annotator for label in view.source.labels if label.round == "adjudication"}))
    nobody = cannot_judge.judged_by_nobody(view.table, cannot_of(view))
    told = [
        f"{METHODS[one.method]}: {len(one.values):,} {view.units}",
        f"{one.adjudicated:,} decided by {by}, as annotators differed" if one.method == "adjudicated" else "",
        f"{nobody:,} more that nobody could judge are in no share" if nobody else "",
    ]
    why = (
        f" {views.NO_DAWID_SKENE}"
        if view.table.categories and "dawid_skene" not in views.methods(view.source, view.table)
        else ""
    )
    st.caption(cards.plain("; ".join(filter(None, told)) + f".{why}"))
    ties(view, one)
    if view.part == "preference":
        preference_cards(view, one)
    else:
        rates(view, one)
    labels = [
        {
            "unit": name,
            "item": view.table.item_ids[i],
            "label": sources.named(view.table, one.values[i]),
            "text": view.table.texts[i] if view.table.texts else "",
        }
        for i, name in enumerate(view.table.items)
    ]
    st.download_button(
        "Consensus labels",
        lambda: charts.to_csv(labels),
        "consensus.csv",
        "text/csv",
        icon=":material/download:",
        key="consensus_csv",
        on_click="ignore",
    )


def ties(view: View, one: AgreedLabels) -> None:
    """Ties are no agreement: what is left out, and the way to have it decided."""
    if not one.ties:
        return
    number = f"{one.ties:,} of {len(one.values):,} {view.units}"
    text = (
        f"{number} {'is' if one.ties == 1 else 'are'} tied, so every share below leaves {'it' if one.ties == 1 else 'them'} out"
    )
    if view.part == "preference":
        text = f"{number} {'has' if one.ties == 1 else 'have'} no majority and {'is' if one.ties == 1 else 'are'} left out below."
    else:
        text += (
            ", and is of what annotators agree on. The column With ties says between which values it lies as they are decided."
        )
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.caption(f":material/balance: {text}", width="stretch")
        have_decided(view)
