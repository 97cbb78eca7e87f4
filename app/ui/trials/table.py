"""The table of stored trials. What is ticked in it stands in the address by id, so that a view can be shared.

chosen() first, then draw(shown, …): a trial stays chosen when a filter hides it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, cells, tables, ways
from app.ui.cells import cut
from app.ui.trials import views
from core.evaluation.metric import headlines
from core.labs.trials import comparison, own_columns
from core.labs.trials.comparison import MOST, Rated, Trial
from core.labs.trials.listing import NEWEST, Listing, TrialsSummary
from core.labs.trials.own_columns import OwnColumn
from core.labs.trials.views import TrialView
from core.report.table import COUNT, DAY_TIME, MEAN, Column, Table

BOLD_UP_TO = PAGE = 1000  # rows: more take seconds to send, and nobody reads them
TABLE = "trials_table"


def none() -> None:
    """There is nothing to list yet: how to get a trial."""
    why = (
        "A trial is a recipe with all its measurements, stored permanently. Save one on the page Search, live, or run: "
        + session.workbench().command(session.config())
    )
    if cards.empty("Stored trials", why, "Open Search, live", key="first", icon=":material/tune:"):
        ways.go("search_live")


def chosen() -> list[Trial]:
    """The ticked trials in the order in which they were ticked."""
    asked, state = st.query_params.get("trials", ""), st.session_state
    if asked and asked != state.get("trials_asked"):  # a shared address, or the browser's back button
        state.chosen = asked.split(",")
    ids = state.get("chosen", ())
    ticked = comparison.some(session.workbench(), ids)[:MOST] if ids else []
    if lost := len(ids) - len(ticked):
        why = f". At most {MOST} are compared at once." if len(ticked) == MOST else ": not in this store."
        st.warning(f"{cards.count(lost, 'chosen trial')} left out{why}", icon=":material/info:")
    _write([trial.id for trial in ticked])
    return ticked


def untick() -> None:
    """Callback: nothing is chosen any more."""
    _write([])


def draw(shown: Listing, summary: TrialsSummary, view: TrialView) -> None:
    """In the order and with the columns of the view, the best of comparable trials in bold with those not significantly worse."""
    import pandas as pd

    count = len(shown)
    if not count:
        st.info("No trial matches. Clear the search, or choose All.", icon=":material/filter_alt_off:")
        return
    bold = (
        "Bold: the best on its questions, and those that are not significantly worse (paired t test, Holm, 5%)."
        if count <= BOLD_UP_TO
        else f"The best stand out in bold where at most {BOLD_UP_TO:,} trials are shown."
    )
    workbench = session.workbench()
    own, order = own_columns.read(workbench, view.columns), own_columns.order_of(workbench, view.sort, view.ascending)
    told = (
        "newest first" if order == NEWEST else f"by {views.title(view.sort)}, {'ascending' if view.ascending else 'descending'}"
    )
    failed = f", {summary.failed:,} without results" if summary.failed else ""
    line, beside = st.columns([6, 1], vertical_alignment="center")
    line.caption(cards.plain(f"{count:,} of {summary.trials:,} trials{failed}, {told}. Tick rows to compare them. {bold}"))
    first = _page(shown, count)
    rows = own_columns.rows(shown, own, order, first, PAGE, headlines())
    marks = comparison.best(workbench, [_rated(row) for row in rows], headlines()) if count <= BOLD_UP_TO else {}
    state = st.session_state
    state.shown_trials = [row["id"] for row in rows]
    chosen = set(state.chosen)
    ticked = [place for place, trial in enumerate(state.shown_trials) if trial in chosen]
    state[TABLE] = {"selection": {"rows": ticked, "columns": [], "cells": []}}
    most = 8 if len(chosen) < 2 else 5  # what the compared ones say is to stand in sight below
    made = _table(rows, summary.sweeps, own)
    coverage = [_coverage(row) for row in made.rows]
    frame, looks = pd.DataFrame(tables.shown(made)).drop(columns="of", errors="ignore"), tables.looks(made)
    looks["Questions"]["width"] = cells.room(["Questions", *coverage])
    cells.show(
        _in_bold(rows, frame, marks, own) if marks else frame,
        looks,
        {"Questions": coverage},
        hide_index=True,
        height="content" if len(rows) < most else most * cells.ROW_PX + 20,
        key=TABLE,
        on_select=_ticked,
        selection_mode=["multi-row", "single-cell"],  # a click anywhere on a row ticks it
        placeholder="",
    )

    def whole() -> Any:
        every = own_columns.rows(shown, own, order, metrics=headlines())
        return pd.DataFrame(tables.shown(_table(every, summary.sweeps, own)))

    with beside:
        tables.export(whole, TABLE)


def _page(shown: Listing, count: int) -> int:
    """Place of the first trial of the page that is looked at."""
    if count <= PAGE:
        return 0
    pages = -(-count // PAGE)
    number = st.pagination(pages, key=f"trials_page/{shown.key}")
    first = (number - 1) * PAGE
    st.caption(f"Rows {first + 1:,} to {min(first + PAGE, count):,}. CSV has all {count:,}.")
    return first


def _rated(row: dict[str, Any]) -> Rated:
    means = {metric: row[metric] for metric in headlines() if row[metric] is not None}
    return Rated(row["id"], row["its_group"], row["k"], means)


def _ticked() -> None:
    shown, old = st.session_state.shown_trials, st.session_state.chosen
    selection = st.session_state[TABLE]["selection"]
    rows = set(selection["rows"])
    if cells_clicked := {row for row, _ in selection.get("cells", ())}:  # a click on a cell says nothing of the boxes
        rows = {place for place, trial in enumerate(shown) if trial in old} ^ cells_clicked
    ticked = [shown[row] for row in sorted(rows) if row < len(shown)]
    before = [trial_id for trial_id in old if trial_id in ticked or trial_id not in shown]  # what a filter hides stays chosen
    _write(before + [trial_id for trial_id in ticked if trial_id not in old])


def _write(ids: list[str]) -> None:
    st.session_state.chosen, st.session_state.trials_asked = ids, ",".join(ids[:MOST])
    if ids:
        st.query_params["trials"] = st.session_state.trials_asked
    else:
        st.query_params.pop("trials", None)


def _table(rows: list[dict[str, Any]], sweeps: dict[str, str], own: Sequence[OwnColumn] = ()) -> Table:
    """What of them tells anything. What tells a trial comes first, so that it stands in a narrow window too. own: the columns that
    somebody chose, in the place of the usual ones."""
    measured = [row for row in rows if row["n"]]
    told = {
        "of": any(row["n"] != row["total"] for row in measured),
        "Status": any(row["status"] != "ok" for row in rows),
        "Note": any(row["note"] for row in rows),
        "Repeat": not own and any(row["repeat"] for row in rows),
        "Recipe": not own and any(row["name"] for row in rows),
        "Tags": not own and any(row["tags"] for row in rows),
        "k": not own and len({row["k"] for row in measured}) > 1,
        "Sweep": not own and any(row["sweep"] for row in rows),
        **{
            head: not own and any(row[cost] is not None for row in rows)
            for head, cost in (("Context", "context_at_k"), ("Latency", "latency_ms"), ("Chunks", "chunks"))
        },
    }
    made = [_row(row, sweeps) | {column.name: row[column.name] for column in own} for row in rows]
    named = cells.room([row["Trial"] for row in made])
    columns = (
        Column("Trial", width=min(280, max(170, named)), help="Its name, or what differs from the default recipe."),
        Column("Corpus"),
        *(column.drawn(_depth(rows)) for column in own),
        *(Column(metric, head, MEAN, width=86) for metric, head in ({} if own else _heads(rows)).items()),
        Column("n", "Questions", COUNT, "Measured, of those asked. Those without gold evidence cannot be measured."),
        Column("of", "of", COUNT),
        Column("Note", width=200, help="What people wrote about it: tick the row to write one."),
        Column("Status", width=160, help="Tick the row to read why there is no result."),
        Column("Recipe", width=210, help="What differs from the default recipe."),
        Column("Tags", width=130),
        Column("Context", "Context (tokens)", COUNT, "The first k chunks, mean of a question."),
        Column("Latency", "", "%.1f ms", "Median of a single question.", width=88),
        Column("Chunks", "", COUNT, "Chunks in the index.", width=66),
        Column("Repeat", width=66, help="Trials of the same recipe on the same questions and documents."),
        Column("When", "", DAY_TIME, width=104),
        Column("k", "k", help="Depth at which the rankings were judged.", width=38),
        Column("Sweep", "Experiment", width=220),
        Column("Id", help="The end of its id, accepted by `trials show`.", width=70),
    )
    return Table(TABLE, [each for each in columns if told.get(each.key, True)], made)


def _row(row: dict[str, Any], sweeps: dict[str, str]) -> dict[str, Any]:
    return {
        "Trial": row["title"],
        "Corpus": row["corpus"].replace(", questions ", ", "),  # the half, as in the bar on top
        **{metric: row[metric] for metric in headlines()},
        "n": row["n"] or None,
        "of": row["total"] if row["n"] else None,
        "Status": cut(row["status"] + (f": {row['reason']}" if row["reason"] else ""), 24),
        "Note": row["note"],
        "Repeat": f"{row['repeat']} of {row['of_repeats']}" if row["repeat"] else "",
        "Recipe": row["made_name"],
        "Tags": row["tags"],
        "Context": None if row["context_at_k"] is None else round(row["context_at_k"]),
        "Latency": row["latency_ms"],
        "Chunks": row["chunks"],
        "When": row["created"],
        "k": row["k"],
        "Sweep": sweeps.get(row["sweep"], ""),
        "Id": row["id"][-6:],
    }


def _coverage(row: Mapping[str, Any]) -> str:
    """ "260 of 288", or "288" where all could be measured."""
    n, of = row["n"], row["of"]
    return "" if n is None else f"{n:,}" if n == of else f"{n:,} of {of:,}"


def _heads(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Metric -> head of its column, the last first: it is what stays in sight in a narrow window. Where each question has one
    piece of evidence, hit and recall are the same number."""
    differ = any(row["hit"] != row["recall"] for row in rows)
    return {metric: comparison.label(metric, _depth(rows)) for metric in reversed(headlines()) if metric != "hit" or differ}


def _depth(rows: list[dict[str, Any]]) -> int | str:
    """At which all of them were judged; "k" where they differ."""
    depths = {row["k"] for row in rows if row["n"]}
    return next(iter(depths)) if len(depths) == 1 else "k"


def _in_bold(rows: list[dict[str, Any]], frame: Any, marks: dict[str, set[str]], own: Sequence[OwnColumn]) -> Any:
    """marks: metric -> the trials whose mean stands out."""
    import pandas as pd

    heads = {column.name: column.title(_depth(rows)) for column in own if column.name in marks} if own else _heads(rows)
    css = {head: ["font-weight: 700" if row["id"] in marks[metric] else "" for row in rows] for metric, head in heads.items()}
    return frame.style.apply(lambda _: pd.DataFrame(css), axis=None, subset=list(css))
