"""The table of stored trials. What is ticked in it stands in the address by id, so that a view can be shared.

chosen(everything) first, then draw(shown, …): a trial stays chosen when a filter hides it.
"""

from typing import Any, NamedTuple

import streamlit as st

from app import session
from app.ui import cards, cells, tables
from app.ui.cells import cut
from core.evaluation.metric import headlines
from core.labs.trials import comparison
from core.labs.trials.comparison import MOST, Trial

BOLD_UP_TO = 1000  # rows: styled cells take a second to send where there are tens of thousands
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


def status(everything: list[Trial], sweeps: dict[str, str]) -> None:
    failed = sum(trial.status != "ok" for trial in everything)
    cards.status_strip(
        [
            cards.count(len(everything), "trial"),
            f"{failed:,} without results" if failed else "",
            cards.count(len(sweeps), "sweep") if sweeps else "",
        ]
    )


def chosen(everything: list[Trial]) -> list[Trial]:
    """The ticked trials in the order in which they were ticked."""
    asked, state = st.query_params.get("trials", ""), st.session_state
    if asked and asked != state.get("trials_asked"):  # a shared address, or the browser's back button
        state.chosen = asked.split(",")
    by_id = {trial.id: trial for trial in everything}
    ticked = [by_id[trial_id] for trial_id in state.get("chosen", ()) if trial_id in by_id][:MOST]
    if lost := len(state.get("chosen", ())) - len(ticked):
        why = f". At most {MOST} are compared at once." if len(ticked) == MOST else ": not in this store."
        st.warning(f"{cards.count(lost, 'chosen trial')} left out{why}", icon=":material/info:")
    _write([trial.id for trial in ticked])
    return ticked


def untick() -> None:
    """Callback: nothing is chosen any more."""
    _write([])


def draw(shown: list[Trial], everything: list[Trial], sweeps: dict[str, str]) -> None:
    """Newest first, the best of comparable trials in bold with its equals."""
    if not shown:
        st.info("No trial matches. Clear the search, or choose All.", icon=":material/filter_alt_off:")
        return
    marks = comparison.best(session.workbench(), shown, headlines()) if len(shown) <= BOLD_UP_TO else {}
    bold = (
        "Bold: the best on its questions, and what a paired t test does not tell from it (Holm, 5%)."
        if marks
        else f"The best stand out in bold where at most {BOLD_UP_TO:,} trials are shown."
    )
    st.caption(f"{len(shown):,} of {len(everything):,} trials, newest first. Tick rows to compare them. {bold}")
    state = st.session_state
    state.shown_trials = [trial.id for trial in shown]
    chosen = set(state.chosen)
    ticked = [row for row, trial in enumerate(shown) if trial.id in chosen]
    state[TABLE] = {"selection": {"rows": ticked, "columns": [], "cells": []}}
    frame, columns = _frame(shown, sweeps, marks, comparison.repeats(everything))
    cells.show(
        frame,
        hide_index=True,
        height="content" if len(shown) < 10 else 360,
        key=TABLE,
        on_select=_ticked,
        selection_mode="multi-row",
        column_config=columns,
        placeholder="",
    )
    tables.export(getattr(frame, "data", frame).to_dict("records"), TABLE)


def _ticked() -> None:
    shown, old = st.session_state.shown_trials, st.session_state.chosen
    ticked = [shown[row] for row in st.session_state[TABLE]["selection"]["rows"] if row < len(shown)]
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


def _frame(
    shown: list[Trial], sweeps: dict[str, str], marks: dict[str, set[str]], repeats: dict[str, tuple[int, int]]
) -> tuple[Any, dict[str, Any]]:
    """(table, looks of its columns). What tells a trial comes first, so that it stands in a narrow window too."""
    import pandas as pd

    heads = _heads(shown)
    columns = {**_results(shown, heads), **_words(shown, repeats), **_costs(shown), **_origins(shown, sweeps)}
    columns = {head: column for head, column in columns.items() if column.needed}
    frame = pd.DataFrame({head: column.values for head, column in columns.items()})
    if marks:
        frame = _in_bold(frame, shown, heads, marks)
    return frame, {head: column.look for head, column in columns.items()}


def _heads(shown: list[Trial]) -> dict[str, str]:
    """Metric -> head of its column, the last first: it is what stays in sight in a narrow window. Where each question has one
    piece of evidence, hit and recall are the same number."""
    depths = {trial.k for trial in shown if trial.metrics}
    depth = next(iter(depths)) if len(depths) == 1 else "k"
    differ = any(trial.metrics.get("hit") != trial.metrics.get("recall") for trial in shown)
    return {metric: comparison.label(metric, depth) for metric in reversed(headlines()) if metric != "hit" or differ}


def _results(shown: list[Trial], heads: dict[str, str]) -> dict[str, Column]:
    metrics = {
        head: Column([t.metrics.get(metric) for t in shown], NUMBER(format="%.3f", width=86)) for metric, head in heads.items()
    }
    status = [cut(t.status + (f": {t.reason}" if t.reason else ""), 24) for t in shown]
    measured = [t.n if t.metrics else None for t in shown]
    return {
        "Trial": Column([t.title for t in shown], TEXT(width=210, help="Its name, or what differs from the default recipe.")),
        **metrics,
        "n": Column(measured, NUMBER(format="localized", width=52, help="Questions measured.")),
        "Status": Column(
            status, TEXT(width=160, help="Tick the row to read why there is no result."), any(t.status != "ok" for t in shown)
        ),
    }


def _words(shown: list[Trial], repeats: dict[str, tuple[int, int]]) -> dict[str, Column]:
    places = [f"{repeats[t.id][0]} of {repeats[t.id][1]}" if t.id in repeats else "" for t in shown]
    return {
        "Repeat": Column(
            places, TEXT(width=66, help="Trials of the same recipe on the same questions and documents."), any(places)
        ),
        "Recipe": Column(
            [t.made_name for t in shown],
            TEXT(width=210, help="What differs from the default recipe."),
            any(t.name for t in shown),
        ),
        "Tags": Column([", ".join(t.tags) for t in shown], TEXT(width=130), any(t.tags for t in shown)),
    }


def _costs(shown: list[Trial]) -> dict[str, Column]:
    cost = {name: [t.costs[name].value if name in t.costs else None for t in shown] for name in comparison.COSTS}
    context = [None if tokens is None else round(tokens) for tokens in cost["context_at_k"]]
    return {
        "Context": Column(
            context, NUMBER(format="localized", width=70, help="Tokens of the first k chunks, mean of a question.")
        ),
        "Latency": Column(cost["latency_ms"], NUMBER(format="%.1f ms", width=76, help="Median of a single question.")),
        "Chunks": Column(cost["chunks"], NUMBER(format="localized", width=66, help="Chunks in the index.")),
    }


def _origins(shown: list[Trial], sweeps: dict[str, str]) -> dict[str, Column]:
    when = st.column_config.DatetimeColumn(format="D MMM, HH:mm", timezone=st.context.timezone, width=104)
    corpora = [t.stages.get("corpus", t.dataset) for t in shown]
    return {
        "Corpus": Column(corpora, TEXT(width=150), len(set(corpora)) > 1),
        "When": Column([t.created for t in shown], when),
        "k": Column(
            [t.k for t in shown],
            NUMBER(width=38, help="Depth at which the rankings were judged."),
            len({t.k for t in shown if t.metrics}) > 1,
        ),
        "of": Column(
            [t.total if t.metrics else None for t in shown],
            NUMBER(format="localized", width=52, help="Questions asked. Those without gold evidence cannot be measured."),
            any(t.n != t.total for t in shown if t.metrics),
        ),
        "Sweep": Column([sweeps.get(t.sweep, "") for t in shown], TEXT(width=220), any(t.sweep for t in shown)),
        "Id": Column([t.short for t in shown], TEXT(width=84, help="The end of its id, as `show` takes it.")),
    }


def _in_bold(frame: Any, shown: list[Trial], heads: dict[str, str], marks: dict[str, set[str]]) -> Any:
    import pandas as pd

    css = pd.DataFrame(
        {head: ["font-weight: 700" if t.id in marks[metric] else "" for t in shown] for metric, head in heads.items()}
    )
    return frame.style.apply(lambda _: css, axis=None, subset=list(css))
