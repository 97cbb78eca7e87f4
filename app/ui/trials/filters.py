"""Which trials the table lists, and how: filters, and what a saved view chooses of them."""

import streamlit as st

from app.ui import cards
from app.ui.trials import views
from core.labs.trials.listing import Listing, TrialsSummary

REPEATS = "Of equal recipes (the same settings, documents and questions) the newest is listed alone."


def filtered(everything: Listing, summary: TrialsSummary) -> Listing:
    """The trials that the filters leave; a filter with one choice is not offered."""
    tags, sweeps = summary.tags, summary.sweeps
    if "sweep" not in st.session_state and (asked := st.query_params.get("sweep")):
        # the address holds a name, which tells how many trials there were, or an id
        st.session_state.sweep = summary.sweep_named(asked)
    offered = {
        "dataset": ("Corpus", "of_corpus", {name: name for name in summary.datasets}, 2),
        "status": ("Status", "status", {name: name for name in summary.statuses}, 1.5),
        "tag": ("Tag", "tag", {"": ""} | {tag: tag for tag in tags} if tags else {}, 1.5),
        "sweep": ("Experiment", "sweep", {"": ""} | sweeps if sweeps else {}, 3),
    }
    offered = {name: choice for name, choice in offered.items() if len(choice[2]) > 1 or _asked(choice[1])}
    widths = [3, *(width for *_, width in offered.values()), views.room()]
    search, *columns, view = st.columns(widths, vertical_alignment="bottom", gap="small")
    text = search.text_input("Search", key="words", bind="query-params", placeholder="name, recipe, note, corpus, id")
    wanted = {
        name: column.selectbox(
            title,
            ["", *(key for key in options if key)],
            key=key,
            bind="query-params",
            format_func=({"": "All"} | {key: word for key, word in options.items() if key}).get,
        )
        for column, (name, (title, key, options, _)) in zip(columns, offered.items(), strict=True)
    }
    trials = everything.matching(text=text, **wanted)
    more = len(trials) - trials.recipes
    with view, st.container(horizontal=True, vertical_alignment="center"):
        label = f"Show {cards.count(more, 'older repeat')}"
        repeats = bool(more) and st.toggle(label, key="repeats", bind="query-params", help=REPEATS)
        views.draw()  # last: where there is no room for both in a line, it is the one beside the boxes
    return trials if repeats or not more else trials.last_repeats().named()


def _asked(key: str) -> bool:
    """Whether the address or a saved view asks for it."""
    return bool(st.session_state.get(key)) or key in st.query_params
