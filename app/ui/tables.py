"""Tables: drawn as their columns say, with CSV and the way into a paper; one way of opening a row, a click anywhere on it."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from html import escape
from typing import Any
from zlib import crc32

import streamlit as st

from app.ui import cards, cells
from app.ui.export import download, table_into_paper
from core.report.table import PERCENT, Column, Table

NEGATIVE = re.compile(r"(?<![\w.,\u2013-])-(?=\.?\d)")
NO_WIDTH = "\u200b"
TALL = 6  # rows from which a table scrolls in itself
INTO_VIEW = """<script>/* {} */ document.querySelector(".st-key-opened")?.scrollIntoView({{block: "start", behavior:
matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth"}})</script>"""


def choose(
    table: Table,
    ids: Sequence[str],
    key: str = "",
    *,
    param: str = "chosen",
    height: int = 280,
    rows: Sequence[Mapping[str, Any]] = (),
    pinned: bool = False,
) -> int | None:
    """A table with a row an id; returns the place of the chosen one, or None. The address holds its id under `param`, so
    a link opens it, and it stays chosen while the table is filtered or its numbers change. rows: all of them, for CSV, where
    the table holds one page; pinned: as in `draw`."""
    place = {row_id: row for row, row_id in enumerate(ids)}
    row = place.get(st.query_params.get(param, ""))
    # another key where other rows are shown: what was clicked is a place, and another row stands there now
    key = f"{key or table.name}/{crc32(' '.join(ids).encode()):x}"
    default = None if row is None else {"selection": {"cells": [(row, table.columns[0].title)]}}
    own = looks(table)
    if pinned:
        own[table.columns[0].title]["pinned"] = True
    cells.show(
        shown(table),
        own,
        hide_index=True,
        height=height if len(ids) > TALL else "content",
        key=key,
        placeholder="–",
        selection_mode="single-cell",
        selection_default=default,
        on_select=lambda: _clicked(key, list(ids), param),
    )
    export(rows or table.rows, key, table)
    return row


def draw(
    table: Table, key: str = "", *, rows: int | None = 10, pinned: bool = False, offered: bool = True, **options: Any
) -> None:
    """A table with its rows as CSV, and the way into a paper. rows: more of them scroll; pinned: the first column stays where the
    others scroll; offered: with CSV and paper; options: of st.dataframe."""
    key, own = key or table.name, looks(table)
    if pinned:
        own[table.columns[0].title]["pinned"] = True
    height = cells.ROW_PX * (rows + 1) if rows and len(table.rows) > rows else "content"
    cells.show(shown(table), own, **{"hide_index": True, "height": height, "key": key, "placeholder": "–"} | options)
    if offered:
        export(table.rows, key.removeprefix("table/"), table)


def shown(table: Table) -> dict[str, Any]:
    """Title of a column -> its cells."""
    return {name: _whole([row.get(column.key) for row in table.rows]) for name, column in _named(table)}


def _named(table: Table) -> list[tuple[str, Column]]:
    """The columns with their titles. Of one that several have, as an interval beside each of its numbers, the next ones end in a blank
    without width: under the very same name only the last would be shown, at the place of the first."""
    before, named = Counter[str](), list[tuple[str, Column]]()
    for column in table.columns:
        named.append((column.title + NO_WIDTH * before[column.title], column))
        before[column.title] += 1
    return named


def _whole(values: list[Any]) -> Any:
    """Counts beside gaps as counts: pandas takes them for numbers with a point."""
    import pandas as pd

    return pd.Series(values, dtype=object) if {type(value) for value in values} == {int, type(None)} else values


def looks(table: Table) -> dict[str, Any]:
    """Title of a column -> how Streamlit shows it: as wide as what stands in it, where nothing else is said."""
    return {name: _look(column, [row.get(column.key) for row in table.rows]) for name, column in _named(table)}


def _look(column: Column, values: Sequence[Any]) -> Any:
    filled, about = [value for value in values if value is not None and value == value], column.help or None
    if any(isinstance(value, bool) for value in filled):
        return st.column_config.CheckboxColumn(width=column.width or cells.room([column.title]), help=about)
    if any(isinstance(value, datetime) for value in filled):
        zone = st.context.timezone
        return st.column_config.DatetimeColumn(format=column.format, width=column.width, timezone=zone, help=about)
    if not (column.format or any(isinstance(value, int | float) for value in filled)):
        return st.column_config.TextColumn(width=column.width, help=about)
    # each number once: a metric has few values, of a thousand questions as well
    numbers = {value for value in filled if not isinstance(value, str)}
    if column.format == PERCENT:  # the canvas writes up to two decimals, and commas
        texts = [f"{value:,.2%}" for value in numbers]
    else:
        texts = [cells.number(value, column.format) for value in numbers]
    texts.append(column.title)
    return st.column_config.NumberColumn(format=column.format or None, width=column.width or cells.room(texts), help=about)


def export(rows: Sequence[Mapping[str, Any]] | Callable[[], Any], key: str, table: Table | None = None) -> None:
    """The rows as CSV, formulas quoted, in the place of Streamlit's own button. Of long tables a function that makes them. table: the one
    that its command takes into a paper."""
    with st.container(horizontal=True, horizontal_alignment="right"):
        if table is not None and table.rows and table.command:
            table_into_paper(table, key)
        file, about = f"{table.name if table else key.partition('/')[0]}.csv", "All fields of these rows, as CSV"
        download(
            "CSV",
            lambda: cells.to_csv(rows() if callable(rows) else rows),
            file,
            f"{key}/csv",
            type="tertiary",
            help=about,
            disabled=not rows,
        )


def _clicked(key: str, ids: list[str], param: str) -> None:
    picked = st.session_state[key]["selection"]["cells"]
    if picked and picked[0][0] < len(ids):
        st.query_params[param] = ids[picked[0][0]]
        st.session_state.opened = st.session_state.get("opened", 0) + 1
        st.session_state.opening = True
    else:
        st.query_params.pop(param, None)


@contextmanager
def opened() -> Iterator[None]:
    """The place of what the chosen row opens. It is brought into view when the row is clicked, and only then."""
    with st.container(key="opened"):
        yield
    if st.session_state.pop("opening", False):
        # the number makes it another script each time; the same one would not run again
        st.html(INTO_VIEW.format(st.session_state.opened), unsafe_allow_javascript=True)


def minus(text: str) -> str:
    """The text with a real minus before its negative numbers: as wide as the plus."""
    return NEGATIVE.sub("\u2212", text)


def sentences(said: Iterable[str]) -> None:
    """What follows from the numbers, a sentence a line."""
    for sentence in said:
        st.caption(cards.plain(minus(sentence)))


def wrapped_table(rows: Sequence[dict[str, Any]]) -> None:
    """A small table whose texts wrap; everything in it is escaped."""

    def cell(value: Any) -> str:
        number = isinstance(value, int | float)
        text = f"{value:,.3f}" if isinstance(value, float) else f"{value:,}" if number else str(value)
        # 0.236 stays on a line, and a short word is not parted
        whole = (
            ' style="white-space:nowrap"'
            if (text[:1].isdigit() and len(text) < 10) or text in ("contradicted", "unmeasured")
            else ""
        )
        return f'<td class="num">{minus(text)}</td>' if number else f"<td{whole}>{escape(text)}</td>"

    kinds = [' style="text-align:right"' if isinstance(value, int | float) else "" for value in rows[0].values()]
    head = "".join(f"<th{kind}>{escape(name)}</th>" for name, kind in zip(rows[0], kinds, strict=True))
    body = "".join(f"<tr>{''.join(map(cell, row.values()))}</tr>" for row in rows)
    st.html(f'<table class="gw gw-table"><tr>{head}</tr>{body}</table>')
