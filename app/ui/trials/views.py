"""How the table of trials is looked at: its columns, order and group, and the saved views that hold them with the filters.

What is chosen stands in the address, a saved view under its name too. A view that is chosen sets the filters and all else once; what
is changed after that is this person's alone until it is saved.
"""

from dataclasses import asdict

import streamlit as st

from app import session
from app.ui import cards
from core.errors import WorkbenchError
from core.evaluation.metric import headlines
from core.labs.trials import own_columns
from core.labs.trials import views as lab
from core.labs.trials.comparison import COSTS
from core.labs.trials.views import MOST_NAME, TrialView

CHOSEN, APPLIED, PROBLEM, NAME = "trial_view", "trial_view_applied", "trial_view_problem", "trial_view_name"
KEYS = {  # field of a view -> key of its widget, and of the address
    "columns": "columns", "dataset": "of_corpus", "status": "status", "sweep": "sweep", "tag": "tag", "find": "words",
    "repeats": "repeats", "sort": "sorted_by", "ascending": "ascending", "group": "grouped_by",
}  # fmt: skip


def apply() -> None:
    """Before the widgets: sets them to the view that was chosen since the last run. In a new session an address that says more than
    its view goes before it."""
    state = st.session_state
    name = state[CHOSEN] if CHOSEN in state else st.query_params.get(CHOSEN, "")
    if name == state.get(APPLIED, ""):
        return
    saved = lab.views(session.workbench())
    fresh, state[APPLIED] = APPLIED not in state, name
    if name and name not in saved:
        state[CHOSEN] = state[APPLIED] = ""
        return st.warning(cards.plain(f"There is no view '{name:.60}' in this store."), icon=":material/info:")
    for field, value in asdict(saved.get(name, TrialView())).items():
        if not (fresh and KEYS[field] in st.query_params):
            state[KEYS[field]] = list(value) if isinstance(value, tuple) else value


def current() -> TrialView:
    """What the widgets say; a column that no trial has any more is left out."""
    state, every = st.session_state, own_columns.offered(session.workbench())
    told = {field: state.get(key) for field, key in KEYS.items()}
    told["columns"] = tuple(name for name in told["columns"] or () if name in every)
    told["sort"] = told["sort"] if told["sort"] in every or told["sort"] in own_columns.PLAIN else ""
    return TrialView(**{field: value for field, value in told.items() if value})


def room() -> float:
    """How wide a column both take beside a search of 3, so that they stand in one line."""
    return 4.5 if lab.views(session.workbench()) else 3


def draw() -> None:
    """The choice of a view, and what one is made of."""
    saved = list(lab.views(session.workbench()))
    if saved:
        st.selectbox(
            "View",
            ["", *saved],
            key=CHOSEN,
            bind="query-params",
            width=220,
            format_func=lambda name: name or "View: none",
            label_visibility="collapsed",
        )
    made = current()
    parts = [
        cards.count(len(made.columns), "column") if made.columns else "",
        "grouped" if made.group else "",
        made.sort and "sorted",
    ]
    said = ", ".join(filter(None, parts))
    with st.popover(
        f"Columns{f': {said}' if said else ''}", icon=":material/view_column:", help="Columns, order, groups, and saved views."
    ):
        _choices()
        st.text_input("Save what is shown, with its filters, as", key=NAME, max_chars=MOST_NAME, placeholder="Name of the view")
        with st.container(horizontal=True, gap="small"):
            cards.press("Save view", "bookmark_add", "save_view", _save)
            if name := st.session_state.get(CHOSEN):
                cards.press(f"Drop {cards.plain(name)}", "bookmark_remove", "drop_view", _drop, name)
        if problem := st.session_state.pop(PROBLEM, ""):
            st.warning(cards.plain(problem), icon=":material/error:")


def _choices() -> None:
    every = own_columns.offered(session.workbench())
    titles = own_columns.titles(every.values())
    st.multiselect(
        "Columns",
        list(every),
        key="columns",
        bind="query-params",
        format_func=titles.get,
        placeholder="The usual ones; any setting, metric or cost",
    )
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    state = st.session_state
    own, now = state.get("columns") or (), state.get("sorted_by")
    sorts = [name for name in (*own_columns.PLAIN, *headlines(), *COSTS, *own) if name != "created"]
    left.selectbox(
        "Order by",
        ["", *dict.fromkeys([*sorts, *([now] if now in every else [])])],
        key="sorted_by",
        bind="query-params",
        format_func=title,
    )
    right.toggle("Ascending", key="ascending", bind="query-params")
    settings = [name for name, column in every.items() if column.kind == "setting"]
    st.selectbox(
        "Group by",
        ["", *settings],
        key="grouped_by",
        bind="query-params",
        format_func=lambda name: titles[name] if name else "no setting",
        help="Of each value the mean of its trials with its interval; a click on a group shows its trials.",
    )


def title(sort: str) -> str:
    """What the table is sorted by, in words."""
    if not sort:
        return "newest first"
    return own_columns.PLAIN.get(sort) or own_columns.titles(own_columns.offered(session.workbench()).values()).get(sort, sort)


def _save() -> None:
    state = st.session_state
    try:
        name = lab.save_view(session.workbench(), state.get(NAME) or "", current())
    except WorkbenchError as error:
        state[PROBLEM] = f"{error.what} {error.todo}"
        return
    state[CHOSEN] = state[APPLIED] = name
    state[NAME] = ""


def _drop(name: str) -> None:
    """What it chose stays chosen."""
    lab.drop_view(session.workbench(), name)
    st.session_state[CHOSEN] = st.session_state[APPLIED] = ""
