"""The tab People: who judges, how many an item, and how that is shared out."""

import streamlit as st

from app.ui import cards, forms, tables
from app.ui.studies.desk import Desk, field, now, put
from core.annotation.assignment import apart, loads, shared
from core.annotation.study import Study, altered, looks, plain
from core.errors import WorkbenchError
from core.report.table import Column, Table


def draw(desk: Desk) -> None:
    """Who judges, how many an item, and how that is shared out."""
    study = desk.study
    left, right = st.columns([1, 2], gap="large")
    with left:
        key = f"{study.id}/annotators"
        typed, wrong = ("", "") if desk.fixed else st.session_state.get(f"{key}?", ("", ""))
        about = "Names under which they label. Use initials or numbers if the export is to be published."
        look = {"height": 140, "disabled": desk.fixed, "help": about}
        forms.field(st.text_area, "Annotators, one a line", key, typed or "\n".join(study.annotators), _names, desk, **look)
        if wrong:
            st.warning(
                f"{cards.plain(wrong)} Until then the study has {cards.count(len(study.annotators), 'annotator')} as before.",
                icon=":material/error:",
            )
        about = "Agreement needs two or more. With more people than that, each labels a share of the items."
        field(desk, st.number_input, "per_item", "Annotators of each item", 1, 50, help=about)
        about = "One token for each person, so that nobody can label under another's name. Handed out once the round is frozen."
        field(desk, st.toggle, "tokens", "Tokens", help=about)
        about = (
            "Beside each sentence stand the nearest ones of the person's other screens; several open ones can be given one label "
            "together, which is recorded as such. Quicker, and less independent: part of the frozen design."
        )
        field(desk, st.toggle, "bulk", "Similar sentences together", help=about)
    with right:
        for name in ("pilot", "main"):
            if study.round_items(name) and plain(study.items, name):
                _balance(study, name)


def _names(desk: Desk, key: str) -> None:
    """Callback: what is typed stays in the field, also where it cannot be taken."""
    names, desk = [line.strip() for line in st.session_state[key].splitlines() if line.strip()], now(desk)
    st.session_state.pop(f"{key}?", None)
    try:
        put(desk, altered(desk.study, {"annotators": names}))
    except WorkbenchError as error:
        double = next((name for place, name in enumerate(names) if looks(name) in map(looks, names[:place])), "")
        wrong = f"{double} appears twice: give each person a different name." if double else error.what
        st.session_state[f"{key}?"] = (st.session_state[key], wrong)


def _balance(study: Study, round_name: str) -> None:
    try:
        people = loads(study, round_name)
    except WorkbenchError as error:
        return cards.problem(error)
    total = len(plain(study.items, round_name))
    few, many = shared(study, round_name)
    st.markdown(
        f"**{round_name.capitalize()} round: {cards.count(total, 'item')}, {cards.count(study.per_item, 'annotator')} each**"
    )
    rows = [person._asdict() | {"screens": person.items + person.repeats + person.attention} for person in people]
    columns = [*map(Column, ("annotator", "items", "repeats", "attention", "screens"))]
    tables.draw(Table("balance", columns, rows), f"{study.id}/balance.{round_name}")
    common = (
        f"Any two share {few:,} to {cards.count(many, 'item')}. "
        if many > few
        else f"Any two share {cards.count(few, 'item')}. "
        if len(people) > 1
        else ""
    )
    late = apart(study, round_name)
    st.caption(
        f"{common}Loads differ by at most one item and its repeat; each person has a different order"
        + (f", a repeat comes {late:,} screens or more after its item." if late else ".")
    )
