"""The tab Items: how they are drawn, the exact list, and what annotators see of each."""

from typing import Any

import streamlit as st

from app.ui import cards, forms, tables
from app.ui.studies.desk import Desk
from app.ui.studies.drawing import draw_form
from app.ui.studies.repeating import MANY, circling, repeating
from core.annotation import system_names
from core.annotation.screen import shown
from core.annotation.study import Study, plain, systems_of
from core.report.table import Column, Table


def draw(desk: Desk) -> None:
    """How they are drawn, the exact list, and what annotators see of each."""
    left, right = st.columns([1, 2], gap="medium")
    if desk.fixed:
        right, left = st.container(), None
    if left:
        with left:
            draw_form(desk)
    with right:
        _list(desk)


def _list(desk: Desk) -> None:
    study = desk.study
    if not study.items:
        return cards.empty("The list of items", "Nothing is drawn: choose how many, or answer more questions.")
    drawn, odd = plain(study.items), circling(study)
    if len(odd) > MANY * len(drawn):
        st.warning(
            f"{len(odd):,} of {len(drawn):,} answers say one sentence three times or more, and each repetition has to be labelled. "
            "Raise the repeat penalty on the page Ask (1.1 to 1.3) or choose a larger model, then answer the questions again.",
            icon=":material/repeat:",
        )
    if not desk.fixed:
        repeating(desk)
    there = [name for name in ("pilot", "main") if plain(study.items, name)]
    round_name = there[-1] if desk.fixed or desk.piloted else there[0]
    if len(there) > 1:
        names = {name: f"{name.capitalize()}, {cards.count(len(plain(study.items, name)), 'item')}" for name in there}
        look = {"required": False, "label_visibility": "collapsed"}
        round_name = forms.one_of("Round", names, f"{study.id}/list.round", round_name, **look)
    frozen = "is frozen" if desk.fixed or (desk.piloted and round_name == "pilot") else "is what will be frozen"
    st.caption(
        f"{round_name.capitalize()} round: {parts(study, round_name)}. This list {frozen}. Click a row to see what annotators see."
    )
    items = study.round_items(round_name)
    chosen = tables.choose(table(study, round_name), [item.id for item in items], f"{study.id}/list.{round_name}", height=330)
    with tables.opened():
        _as_seen(study, items[chosen or 0])


def _as_seen(study: Study, item: Any) -> None:
    """An item without its origin, in the order of one annotator."""
    people = study.annotators
    with st.container(border=True):
        head, who = st.columns([2, 1], vertical_alignment="center")
        head.markdown("**As an annotator sees it**")
        name = who.selectbox("Annotator", people, key=f"{study.id}/as", label_visibility="collapsed") if people else ""
        seen = shown(study, item, name or "anybody")
        st.text(seen.question)
        for response, column in zip(seen.responses, st.columns(len(seen.responses)), strict=True):
            column.html(f'<div class="gw gw-passage"><div class="gw-text">{cards.escape(response.text)}</div></div>')
        for number, passage in enumerate(seen.responses[0].passages, 1):
            with st.expander(f"Passage {number}" + (f" · {cards.plain(passage.title)}" if passage.title else "")):
                st.text(passage.text)
        st.caption(
            "No system, no source, no known answers"
            + ("; which answer stands on the left is drawn for each annotator." if len(seen.responses) > 1 else ".")
        )


def table(study: Study, round_name: str, room: float = 1.0) -> Table:
    """The exact list of a round, one row an item; numbered without repeats and attention items, as on the page Agreement. The system
    stands there only where there is more than one. room: of the texts, beside that on the page."""
    place = {item.id: number for number, item in enumerate(plain(study.items, round_name), 1)}
    named = system_names.short_names(systems_of(study))
    several = len(named) > 1
    columns = (
        Column("No.", help="Again: a hidden repeat of that item. Known: an attention item, with a known answer.", width=72),
        *[Column("System", help="Hidden from annotators.", width=150)] * several,
        Column("Question", width=round(200 * room)),
        Column("Answer", width=round((200 if several else 300) * room)),
        Column("Sentences", help="Of the answer; each is labelled."),
    )
    rows = [
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
    return Table("items", columns, rows)


def parts(study: Study, round_name: str) -> str:
    """ "30 items, 3 repeats, 5 attention items": what everybody of a round goes through, or shares in."""
    those = study.round_items(round_name)
    return in_words(len(plain(those)), sum(bool(item.duplicate_of) for item in those), sum(item.attention for item in those))


def in_words(items: int, repeats: int, attention: int) -> str:
    counts = [(items, "item"), (repeats, "repeat"), (attention, "attention item")]
    return ", ".join(cards.count(number, what) for number, what in counts if number)
