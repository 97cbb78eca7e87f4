"""The query: an example to start from, the box it is written in, and when it runs."""

import streamlit as st

from app import session
from app.ui import cards
from core.labs.store import query as store
from core.labs.store.query import LIMITS, Answered

AT_ONCE_S = 2.0  # an answer that took longer is not asked for again by itself once more is stored
HELD = "sql_answer"


def example() -> None:
    """The box of examples, each of which runs its query."""
    st.selectbox(
        "Start from an example",
        list(store.examples()),
        index=None,
        key="example",
        on_change=_use_example,
        placeholder="Choose a query",
        help="The best trial is that of the largest set of questions; of equal ones a named one, then the newest.",
    )


def _use_example() -> None:
    if chosen := st.session_state["example"]:
        _use(chosen)


def _use(example: str) -> None:
    st.session_state["sql"] = store.examples()[example]
    ask(st.session_state["sql"])


def box() -> str:
    """The text of the query, which runs once the box is left."""
    return st.text_area(
        "SQL, read only",
        next(iter(store.examples().values())),
        key="sql",
        bind="query-params",
        on_change=lambda: ask(st.session_state["sql"]),
        height=230,
        max_chars=LIMITS.text_characters,
        help="DuckDB's dialect. One SELECT at a time.",
    )


def run(text: str) -> None:
    asks = bool(text.strip())
    look = {"type": "primary" if asks else "secondary", "disabled": not asks, "key": "run_sql"}
    if st.button("Run", icon=":material/play_arrow:", shortcut="Mod+Enter", **look):
        ask(text)


def nothing_asked() -> None:
    """The box is empty: the query that the page opens with, or another one."""
    first = next(iter(store.examples()))
    cards.empty(
        "No query",
        "Write a SELECT, or start from an example. Tables and columns lists what is stored.",
        first,
        key="first_example",
        icon=":material/arrow_forward:",
        kind="secondary",
        on_click=_use,
        args=(first,),
    )


def limits() -> None:
    rows, size = f"{LIMITS.rows:,} rows", cards.size(LIMITS.size_bytes)
    st.caption(f"At most {rows} and {size} are shown, and a query may take {LIMITS.seconds:g} s.")


def ask(text: str) -> None:
    """Runs a query and keeps what it gave, so that nothing else on the page runs it again."""
    st.session_state[HELD] = store.answered(session.workbench(), text)


def answer_of(text: str) -> Answered | None:
    """What this query gave; None where it came with the address and waits to be read."""
    held = st.session_state.get(HELD)
    if (held is None or held.text != text) and text in store.examples().values():  # one of ours
        ask(text)
        return st.session_state[HELD]
    if held is None or held.text != text:
        return None
    if held.stored != store.stored(session.workbench()):
        if held.seconds < AT_ONCE_S:
            ask(text)
        else:
            st.warning("New records were stored since this result. Press Run for the latest.", icon=":material/history:")
    return st.session_state[HELD]
