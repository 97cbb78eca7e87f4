"""The rows that a query gave, with a link where a cell is the id of a trial."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st

from app.ui import cards, cells, export, ways
from core.labs.store.query import LIMITS, Answered
from core.report.table import MEAN


def draw(answered: Answered) -> None:
    frame, looks = linked(answered)
    cells.show(frame, hide_index=True, column_config=looks, key="result")


def none() -> None:
    why = (
        "The query ran and found nothing. Trials are stored by Save as trial on the page Search, live, and by python -m core run."
    )
    if cards.empty("No rows", why, "Open Search, live", key="first", icon=":material/tune:", kind="secondary"):
        ways.go("search_live")


def behind(answered: Answered) -> None:
    if answered.behind:
        st.warning(cards.plain(answered.behind), icon=":material/history:")


def facts(answered: Answered) -> None:
    result = answered.result
    cards.status_strip(
        [
            ("The first " if result.truncated else "") + cards.count(len(result.rows), "row"),
            cards.duration(answered.seconds),
            "the query gave more: aggregate or add LIMIT" if result.truncated else "",
            f"{cards.count(result.cut_cells, 'cell')} cut at {LIMITS.cell_characters:,} characters" if result.cut_cells else "",
        ]
    )


def download(answered: Answered) -> None:
    made = partial(_csv, answered.result.columns, answered.result.rows)
    export.download("CSV", made, "query.csv", disabled=not answered.result.rows, type="tertiary")


def _csv(names: list[str], rows: Sequence) -> str:
    return cells.to_csv([dict(zip(names, row, strict=True)) for row in rows])


def linked(answered: Answered) -> tuple[Any, dict[str, Any]]:
    """(table, looks of its columns): a column of trials opens them."""
    import pandas as pd

    names = answered.result.columns
    frame = pd.DataFrame(answered.result.rows, columns=names)
    for place, name in enumerate(names):
        values = [row[place] for row in answered.result.rows]
        if {type(value) for value in values} == {int, type(None)}:  # pandas takes them for numbers with a point
            frame[name] = pd.Series(values, dtype=object)
    looks = {name: st.column_config.NumberColumn(format=_pattern(frame[name])) for name in frame.select_dtypes("float")}
    for name in names:
        if answered.trials.issuperset(frame[name].dropna().tolist()) and frame[name].notna().any():
            frame[name] = frame[name].map(lambda trial: f"/compare_trials?trials={trial}", na_action="ignore")
            looks[name] = st.column_config.LinkColumn(display_text=r"trials=(.+)$", help="Opens the trial, ticked.")
    return frame, looks


def _pattern(values: Any) -> str:
    """Means and shares to three decimals, as everywhere; what is large, or too small for these, by its digits."""
    sizes = values.dropna().abs()
    return MEAN if (sizes.eq(0) | sizes.between(0.001, 1)).all() else "%.4g"
