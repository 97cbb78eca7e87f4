"""What do the stored trials say? Read-only SQL over everything measured, with the query in the address."""

import time

import streamlit as st

from app import session
from app.ui import cards, charts
from core.errors import WorkbenchError
from core.store import tables

ROW_CAP, SECONDS = 10_000, 10.0
EXAMPLES = dict(tables.EXAMPLES)


@st.cache_resource(show_spinner=False)
def described() -> str:
    """The tables in words, as Markdown; they do not change while the app runs."""
    parts = []
    for table in tables.describe():
        columns = "\n".join(f"| `{name}` | {kind.lower()} | {meaning} |" for name, kind, meaning in table.columns)
        parts.append(f"**{table.name}** {table.comment}\n\n| column | type | meaning |\n|---|---|---|\n{columns}")
    return "\n\n".join(parts)


def use_example() -> None:
    if chosen := st.session_state["example"]:
        st.session_state["sql"] = EXAMPLES[chosen]


cards.page_title(
    "Query the store",
    "What do all trials, rankings and answers stored so far say? Ask in SQL; nothing can be changed here.",
)

left, right = st.columns([2, 1], gap="large")
with right:
    st.selectbox(
        "Start from an example",
        list(EXAMPLES),
        index=None,
        key="example",
        on_change=use_example,
        placeholder="Choose a question",
    )
    with st.expander("Tables and columns", icon=":material/table:"), st.container(height=420, border=False):
        st.markdown(described())
with left:
    text = st.text_area(
        "SQL, read only",
        next(iter(EXAMPLES.values())),
        key="sql",
        bind="query-params",
        height=190,
        help="DuckDB's dialect. One SELECT at a time.",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Run", type="primary", icon=":material/play_arrow:", shortcut="Mod+Enter")
        st.caption(f"At most {ROW_CAP:,} rows are shown, and a query may take {SECONDS:g} s.")

if text.strip():
    started = time.perf_counter()
    try:
        result = session.workbench().store.sql(text, row_cap=ROW_CAP, seconds=SECONDS)
    except WorkbenchError as error:
        cards.problem(error)
        st.stop()
    elapsed = cards.duration(time.perf_counter() - started)
    count = (
        f"The first {ROW_CAP:,} rows"
        if result.truncated
        else f"{len(result.rows):,} row{'s' * (len(result.rows) != 1)}"
    )
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        cards.status_strip([count, elapsed, "the query gave more: aggregate or add LIMIT" if result.truncated else ""])
        st.download_button(
            "CSV",
            lambda: charts.to_csv([dict(zip(result.columns, row, strict=True)) for row in result.rows]),
            "query.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
            disabled=not result.rows,
            type="tertiary",
        )
    if result.rows:
        import pandas as pd

        # two columns of one name (SELECT a.id, b.id) are numbered, for a table needs names apart
        names = [
            name if result.columns.index(name) == i else f"{name} ({i + 1})" for i, name in enumerate(result.columns)
        ]
        frame = pd.DataFrame(result.rows, columns=names)
        decimals = {name: st.column_config.NumberColumn(format="%.4g") for name in frame.select_dtypes("float")}
        st.dataframe(frame, hide_index=True, column_config=decimals, key="result")
    else:
        cards.empty(
            "No rows",
            "The query ran and found nothing. Trials are stored by the button Save as trial on the page "
            "Search, live, and by python -m core run.",
        )
