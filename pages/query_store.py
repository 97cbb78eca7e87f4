"""What do the stored trials say? Read-only SQL over everything measured, with the query in the address."""

import time
from html import escape
from typing import NamedTuple

import streamlit as st

from app import session
from app.ui import cards, cells, charts
from core.errors import WorkbenchError
from core.store import tables
from core.store.journal import is_id
from core.store.sql_process import CELL, SIZE, TEXT, SqlResult

ROW_CAP, SECONDS = 10_000, 10.0
AT_ONCE_S = 2.0  # an answer that took longer is not asked for again by itself once more is stored
EXAMPLES = dict(tables.EXAMPLES)


class Answered(NamedTuple):
    """What the last query gave: rows, or why there are none."""

    text: str
    result: SqlResult | None
    error: WorkbenchError | None
    seconds: float
    trials: frozenset[str]  # ids in it that are stored trials
    stale: str  # why the latest records are not in it, "" if they are
    stored: tuple  # what the store held then


@st.cache_resource(show_spinner=False)
def described() -> str:
    """The tables in words; they do not change while the app runs."""
    parts = []
    for table in tables.describe():
        columns = "".join(
            f"<dt><code>{escape(name)}</code><small>{escape(kind.lower())}</small></dt><dd>{escape(meaning)}</dd>"
            for name, kind, meaning in table.columns
        )
        parts.append(f"<h4>{escape(table.name)}</h4><p>{escape(table.comment)}</p><dl>{columns}</dl>")
    return f'<div class="gw gw-tables">{"".join(parts)}</div>'


def use_example() -> None:
    if chosen := st.session_state["example"]:
        st.session_state["sql"] = EXAMPLES[chosen]
        answer(EXAMPLES[chosen])


def answer(text: str) -> None:
    """Runs a query and keeps what it gave, so that nothing else on the page runs it again."""
    held = stored()
    started, result, problem, known = time.perf_counter(), None, None, frozenset()
    try:
        result = session.workbench().store.sql(text, row_cap=ROW_CAP, seconds=SECONDS)
        ids = {cell for row in result.rows for cell in row if isinstance(cell, str) and is_id(cell)}
        if ids:
            known = frozenset(row["id"] for row in session.workbench().store.query("SELECT id FROM trials")) & ids
    except WorkbenchError as error:
        problem = error
    stale = session.workbench().store.stale
    st.session_state.sql_answer = Answered(text, result, problem, time.perf_counter() - started, known, stale, held)


def stored() -> tuple:
    """How much is stored: records of every kind, and bytes of labels."""
    sql = "SELECT (SELECT count(*) FROM folded) AS records, (SELECT sum(bytes) FROM segments) AS labels"
    return tuple(session.workbench().store.query(sql)[0].values())


def show(answered: Answered) -> None:
    if answered.error:
        cards.problem(answered.error)
        return
    result = answered.result
    # two columns of one name (SELECT a.id, b.id) are numbered, for a table needs names apart
    names = [n if result.columns.index(n) == i else f"{n} ({i + 1})" for i, n in enumerate(result.columns)]
    if answered.stale:
        st.warning(cards.plain(answered.stale), icon=":material/history:")
    notes = [
        ("The first " if result.truncated else "") + cards.count(len(result.rows), "row"),
        cards.duration(answered.seconds),
        "the query gave more: aggregate or add LIMIT" if result.truncated else "",
        f"{cards.count(result.cut_cells, 'cell')} cut at {CELL:,} characters" if result.cut_cells else "",
    ]
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        cards.status_strip(notes)
        st.download_button(
            "CSV",
            lambda: charts.to_csv([dict(zip(names, row, strict=True)) for row in result.rows]),
            "query.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
            disabled=not result.rows,
            type="tertiary",
        )
    if not result.rows:
        cards.empty(
            "No rows",
            "The query ran and found nothing. Trials are stored by the button Save as trial on the page "
            "Search, live, and by python -m core run.",
        )
        return
    import pandas as pd

    frame = pd.DataFrame(result.rows, columns=names)
    looks = {name: st.column_config.NumberColumn(format="%.4g") for name in frame.select_dtypes("float")}
    for name in names:
        if answered.trials.issuperset(frame[name].dropna().tolist()) and frame[name].notna().any():
            frame[name] = frame[name].map(lambda id: f"/compare_trials?trials={id}", na_action="ignore")
            looks[name] = st.column_config.LinkColumn(display_text=r"trials=(.+)$", help="Opens the trial, ticked.")
    cells.show(frame, hide_index=True, column_config=looks, key="result")


cards.page_title(
    "Query the store", "What do all trials, rankings and answers stored so far say? Ask in SQL; nothing can be changed here."
)

left, right = st.columns([2, 1], gap="large")
with right:
    st.selectbox(
        "Start from an example", list(EXAMPLES), index=None, key="example", on_change=use_example, placeholder="Choose a question"
    )
    with st.expander("Tables and columns", icon=":material/table:"), st.container(height=420, border=False):
        st.html(described())
with left:
    text = st.text_area(
        "SQL, read only",
        next(iter(EXAMPLES.values())),
        key="sql",
        bind="query-params",
        on_change=lambda: answer(st.session_state["sql"]),
        height=230,
        max_chars=TEXT,
        help="DuckDB's dialect. One SELECT at a time.",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Run", type="primary", icon=":material/play_arrow:", shortcut="Mod+Enter"):
            answer(text)
        st.caption(f"At most {ROW_CAP:,} rows and {cards.size(SIZE)} are shown, and a query may take {SECONDS:g} s.")

answered = st.session_state.get("sql_answer")
if text.strip() and (answered is None or answered.text != text) and text in EXAMPLES.values():
    answer(text)  # one of ours; what came with the address waits to be read
    answered = st.session_state.sql_answer
if answered and answered.text == text:
    if answered.stored != stored() and answered.seconds < AT_ONCE_S:
        answer(text)
    elif answered.stored != stored():
        st.warning("Records were stored since this answer. Press Run for the latest.", icon=":material/history:")
    show(st.session_state.sql_answer)
elif text.strip():
    cards.empty("Not run yet", "This query came with the address. Read it, then press Run.")
