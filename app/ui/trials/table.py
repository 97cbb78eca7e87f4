"""The table of stored trials. What is ticked in it stands in the address by id, so that a view can be shared.

chosen() first, then draw(shown, …): a trial stays chosen when a filter hides it.
"""

from typing import Any, NamedTuple

import streamlit as st

from app import session
from app.ui import cards, cells, tables
from app.ui.cells import cut
from core.evaluation.metric import headlines
from core.labs.trials import comparison
from core.labs.trials.comparison import MOST, Rated, Trial
from core.labs.trials.listing import Listing, TrialsSummary

BOLD_UP_TO = PAGE = 1000  # rows: more take seconds to send, and nobody reads them
TABLE = "trials_table"
SEARCH = "../pages/search_live.py"  # switched to with query_params={}: without, a filter in the address makes it fail
NUMBER, TEXT = st.column_config.NumberColumn, st.column_config.TextColumn


def none() -> None:
    """There is nothing to list yet: how to get a trial."""
    why = (
        "A trial is a recipe with all that it measured, kept for good. Save one on the page Search, live, or run: "
        + session.workbench().command(session.config())
    )
    if cards.empty("Stored trials", why, "Open Search, live", key="first", icon=":material/tune:"):
        st.switch_page(SEARCH, query_params={})


def status(summary: TrialsSummary) -> None:
    cards.status_strip(
        [
            cards.count(summary.trials, "trial"),
            f"{summary.failed:,} without results" if summary.failed else "",
            cards.count(len(summary.sweeps), "sweep") if summary.sweeps else "",
        ]
    )


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


def draw(shown: Listing, summary: TrialsSummary) -> None:
    """Newest first, the best of comparable trials in bold with its equals."""
    count = len(shown)
    if not count:
        st.info("No trial matches. Clear the search, or choose All.", icon=":material/filter_alt_off:")
        return
    bold = (
        "Bold: the best on its questions, and those that are not significantly worse (paired t test, Holm, 5%)."
        if count <= BOLD_UP_TO
        else f"The best stand out in bold where at most {BOLD_UP_TO:,} trials are shown."
    )
    st.caption(f"{count:,} of {summary.trials:,} trials, newest first. Tick rows to compare them. {bold}")
    first = _page(shown, count)
    rows = shown.table(headlines(), first, PAGE)
    marks = comparison.best(session.workbench(), [_rated(row) for row in rows], headlines()) if count <= BOLD_UP_TO else {}
    state = st.session_state
    state.shown_trials = [row["id"] for row in rows]
    chosen = set(state.chosen)
    ticked = [place for place, trial in enumerate(state.shown_trials) if trial in chosen]
    state[TABLE] = {"selection": {"rows": ticked, "columns": [], "cells": []}}
    zone = st.context.timezone
    frame, columns = _frame(rows, summary.sweeps, marks, zone)
    cells.show(
        frame,
        hide_index=True,
        height="content" if len(rows) < 10 else 360,
        key=TABLE,
        on_select=_ticked,
        selection_mode=["multi-row", "single-cell"],  # a click anywhere on a row ticks it
        column_config=columns,
        placeholder="",
    )
    tables.export(lambda: _frame(shown.table(headlines()), summary.sweeps, {}, zone)[0], TABLE)


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


class Column(NamedTuple):
    """A column of the table: its values, how they look, and whether they tell anything."""

    values: list[Any]
    look: Any
    needed: bool = True


def _frame(rows: list[dict[str, Any]], sweeps: dict[str, str], marks: dict[str, set[str]], zone: str | None) -> tuple[Any, dict]:
    """(table, looks of its columns). What tells a trial comes first, so that it stands in a narrow window too."""
    import pandas as pd

    heads = _heads(rows)
    columns = {**_results(rows, heads), **_words(rows), **_costs(rows), **_origins(rows, sweeps, zone)}
    columns = {head: column for head, column in columns.items() if column.needed}
    frame = pd.DataFrame({head: column.values for head, column in columns.items()})
    if marks:
        frame = _in_bold(frame, rows, heads, marks)
    return frame, {head: column.look for head, column in columns.items()}


def _heads(rows: list[dict[str, Any]]) -> dict[str, str]:
    """Metric -> head of its column, the last first: it is what stays in sight in a narrow window. Where each question has one
    piece of evidence, hit and recall are the same number."""
    depths = {row["k"] for row in rows if row["n"]}
    depth = next(iter(depths)) if len(depths) == 1 else "k"
    differ = any(row["hit"] != row["recall"] for row in rows)
    return {metric: comparison.label(metric, depth) for metric in reversed(headlines()) if metric != "hit" or differ}


def _results(rows: list[dict[str, Any]], heads: dict[str, str]) -> dict[str, Column]:
    metrics = {head: Column([row[metric] for row in rows], NUMBER(format="%.3f", width=86)) for metric, head in heads.items()}
    status = [cut(row["status"] + (f": {row['reason']}" if row["reason"] else ""), 24) for row in rows]
    measured, corpora = [row["n"] or None for row in rows], [row["corpus"] for row in rows]
    return {
        "Trial": Column(
            [row["title"] for row in rows], TEXT(width=310, help="Its name, or what differs from the default recipe.")
        ),
        "Corpus": Column(corpora, TEXT(width=150), len(set(corpora)) > 1),
        **metrics,
        "n": Column(measured, NUMBER(format="localized", width=52, help="Questions measured.")),
        "of": Column(
            [row["total"] if row["n"] else None for row in rows],
            NUMBER(format="localized", width=52, help="Questions asked. Those without gold evidence cannot be measured."),
            any(row["n"] != row["total"] for row in rows if row["n"]),
        ),
        "Status": Column(
            status,
            TEXT(width=160, help="Tick the row to read why there is no result."),
            any(row["status"] != "ok" for row in rows),
        ),
    }


def _words(rows: list[dict[str, Any]]) -> dict[str, Column]:
    places = [f"{row['repeat']} of {row['of_repeats']}" if row["repeat"] else "" for row in rows]
    return {
        "Repeat": Column(
            places, TEXT(width=66, help="Trials of the same recipe on the same questions and documents."), any(places)
        ),
        "Recipe": Column(
            [row["made_name"] for row in rows],
            TEXT(width=210, help="What differs from the default recipe."),
            any(row["name"] for row in rows),
        ),
        "Tags": Column([row["tags"] for row in rows], TEXT(width=130), any(row["tags"] for row in rows)),
    }


def _costs(rows: list[dict[str, Any]]) -> dict[str, Column]:
    context = [None if row["context_at_k"] is None else round(row["context_at_k"]) for row in rows]
    return {
        "Context": Column(
            context, NUMBER(format="localized", width=70, help="Tokens of the first k chunks, mean of a question.")
        ),
        "Latency": Column(
            [row["latency_ms"] for row in rows], NUMBER(format="%.1f ms", width=76, help="Median of a single question.")
        ),
        "Chunks": Column([row["chunks"] for row in rows], NUMBER(format="localized", width=66, help="Chunks in the index.")),
    }


def _origins(rows: list[dict[str, Any]], sweeps: dict[str, str], zone: str | None) -> dict[str, Column]:
    when = st.column_config.DatetimeColumn(format="D MMM, HH:mm", timezone=zone, width=104)
    return {
        "When": Column([row["created"] for row in rows], when),
        "k": Column(
            [row["k"] for row in rows],
            NUMBER(width=38, help="Depth at which the rankings were judged."),
            len({row["k"] for row in rows if row["n"]}) > 1,
        ),
        "Sweep": Column([sweeps.get(row["sweep"], "") for row in rows], TEXT(width=220), any(row["sweep"] for row in rows)),
        "Id": Column([row["id"][-6:] for row in rows], TEXT(width=62, help="The end of its id, as `trials show` takes it.")),
    }


def _in_bold(frame: Any, rows: list[dict[str, Any]], heads: dict[str, str], marks: dict[str, set[str]]) -> Any:
    import pandas as pd

    css = pd.DataFrame(
        {head: ["font-weight: 700" if row["id"] in marks[metric] else "" for row in rows] for metric, head in heads.items()}
    )
    return frame.style.apply(lambda _: css, axis=None, subset=list(css))
