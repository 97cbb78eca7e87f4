"""The table of stored trials. What is ticked in it stands in the address by id, so that a view can be shared.

chosen(everything) first, then table(shown, …): a trial stays chosen when a filter hides it.
"""

from typing import Any

import streamlit as st

from app import session
from app.ui import cards
from core import comparison
from core.comparison import MOST, Trial
from core.workbench import METRICS

SHOWN = METRICS[:4]
BOLD_UP_TO = 1000  # rows: styled cells take a second to send where there are tens of thousands
TABLE = "trials_table"


def chosen(everything: list[Trial]) -> list[Trial]:
    """The ticked trials in the order in which they were ticked."""
    asked, state = st.query_params.get("trials", ""), st.session_state
    if asked and asked != state.get("trials_asked"):  # a shared address, or the browser's back button
        state.chosen = asked.split(",")
    known = {trial.id: trial for trial in everything}
    found = [known[id] for id in state.get("chosen", ()) if id in known][:MOST]
    if lost := len(state.get("chosen", ())) - len(found):
        why = f". At most {MOST} are compared at once." if len(found) == MOST else ": not in this store."
        st.warning(f"{cards.count(lost, 'chosen trial')} left out{why}", icon=":material/info:")
    _write([trial.id for trial in found])
    return found


def untick() -> None:
    """Callback: nothing is chosen any more."""
    _write([])


def table(shown: list[Trial], everything: list[Trial], sweeps: dict[str, str]) -> None:
    """Newest first, the best of comparable trials in bold with its equals."""
    if not shown:
        st.info("No trial matches. Clear the search, or choose All.", icon=":material/filter_alt_off:")
        return
    marks = comparison.best(session.workbench(), shown, SHOWN) if len(shown) <= BOLD_UP_TO else {}
    bold = ("Bold: the best on its questions, and what a paired t test does not tell from it (Holm, 5%)." if marks
            else f"The best stand out in bold where at most {BOLD_UP_TO:,} trials are shown.")  # fmt: skip
    st.caption(f"{len(shown):,} of {len(everything):,} trials, newest first. Tick rows to compare them. {bold}")
    state = st.session_state
    state.shown_trials = [trial.id for trial in shown]
    chosen = set(state.chosen)
    ticked = [row for row, trial in enumerate(shown) if trial.id in chosen]
    state[TABLE] = {"selection": {"rows": ticked, "columns": [], "cells": []}}
    frame, columns = _frame(shown, sweeps, marks)
    st.dataframe(frame, hide_index=True, height="content" if len(shown) < 10 else 360, key=TABLE, on_select=_ticked,
                 selection_mode="multi-row", column_config=columns, placeholder="")  # fmt: skip


def _ticked() -> None:
    shown, old = st.session_state.shown_trials, st.session_state.chosen
    ticked = [shown[row] for row in st.session_state[TABLE]["selection"]["rows"] if row < len(shown)]
    kept = [id for id in old if id in ticked or id not in shown]  # what a filter hides stays chosen
    _write(kept + [id for id in ticked if id not in old])


def _write(ids: list[str]) -> None:
    st.session_state.chosen, st.session_state.trials_asked = ids, ",".join(ids[:MOST])
    if ids:
        st.query_params["trials"] = st.session_state.trials_asked
    else:
        st.query_params.pop("trials", None)


def _frame(shown: list[Trial], sweeps: dict[str, str], marks: dict[str, set[str]]) -> tuple[Any, dict[str, Any]]:
    import pandas as pd

    text, number, when = st.column_config.TextColumn, st.column_config.NumberColumn, st.column_config.DatetimeColumn
    depths = {trial.k for trial in shown if trial.metrics}
    depth = depths.copy().pop() if len(depths) == 1 else "k"
    heads = {metric: comparison.label(metric, depth) for metric in SHOWN}
    cost = {name: [trial.costs.get(name) for trial in shown] for name in comparison.COSTS}
    columns = {  # head: values, how they look
        "When": ([t.created for t in shown], when(format="D MMM, HH:mm", timezone=st.context.timezone, width=102)),
        "Corpus": ([t.stages.get("corpus", t.dataset) for t in shown], text(width=116)),
        "Recipe": ([t.recipe for t in shown], text(width=178, help="Parts, and the settings changed from their defaults.")),
        "Status": ([t.status + (f": {t.reason}" if t.reason else "") for t in shown],
                   text(width=90, help="Click twice to read why there is no result.")),
        **{head: ([t.metrics.get(metric) for t in shown], number(format="%.3f", width=76)) for metric, head in heads.items()},
        "k": ([t.k for t in shown], number(width=34, help="Depth at which the rankings were judged.")),
        "n": ([t.n if t.metrics else None for t in shown], number(format="localized", width=48, help="Questions measured.")),
        "of": ([t.total if t.metrics else None for t in shown], number(
            format="localized", width=48, help="Questions asked. Those without gold evidence cannot be measured.")),
        "Latency": (cost["latency_ms"], number(format="%.1f ms", width=72, help="Median of a single question.")),
        "Chunks": (cost["chunks"], number(format="localized", width=64, help="Chunks in the index.")),
        "Context": ([None if tokens is None else round(tokens) for tokens in cost["context_tokens"]], number(
            format="localized", width=66, help="Tokens that the passages put into a prompt, on average.")),
        "Sweep": ([sweeps.get(t.sweep, "") for t in shown], text(width=200)),
        "Trial": ([t.short for t in shown], text(width=68, help="The end of its id, as `show` takes it.")),
    }  # fmt: skip
    needed = {
        "k": len(depths) > 1,
        "Status": any(t.status != "ok" for t in shown),
        "Sweep": any(t.sweep for t in shown),
    }
    columns = {head: column for head, column in columns.items() if needed.get(head, True)}
    frame = pd.DataFrame({head: values for head, (values, _) in columns.items()})
    if marks:
        css = pd.DataFrame({head: ["font-weight: 700" if t.id in marks[metric] else "" for t in shown]
                            for metric, head in heads.items()})  # fmt: skip
        frame = frame.style.apply(lambda _: css, axis=None, subset=list(css))
    return frame, {head: look for head, (_, look) in columns.items()}
