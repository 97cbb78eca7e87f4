"""The table of stored trials. What is ticked in it stands in the address by id, so that a view can be shared.

chosen(everything) first, then table(shown, …): a trial stays chosen when a filter hides it.
"""

from typing import Any

import streamlit as st

from app import session
from app.ui import cards, cells, tables
from core.errors import WorkbenchError
from core.evaluation.metric import headlines
from core.labs.trials import comparison
from core.labs.trials.comparison import MOST, Trial
from core.store.tables import MOST_NAME, MOST_NOTE

BOLD_UP_TO = 1000  # rows: styled cells take a second to send where there are tens of thousands
TABLE, PROBLEM = "trials_table", "trial_problem"


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


def last_repeats(found: list[Trial]) -> list[Trial]:
    """Of equal recipes the newest, in the order given (newest first)."""
    seen: set[tuple] = set()
    return [trial for trial in found if not (trial.metrics and (trial.equal in seen or seen.add(trial.equal)))]


def describe(trial: Trial, everything: list[Trial]) -> None:
    """Name, tags and note of one trial; each is kept as soon as it is typed."""
    keys = {what: f"{what}/{trial.id}" for what in ("name", "tags", "note")}
    known = sorted({tag for one in everything for tag in one.tags})
    state = st.session_state
    for what, value in (("name", trial.name), ("tags", list(trial.tags)), ("note", trial.note)):
        if state.get(keys[what]) != value:
            state[keys[what]] = value
    # what is stored is the widgets' default too: what the session alone holds is lost where a run ends before it was sent,
    # and the browser would then send the empty default as if a person had cleared the field
    left, right = st.columns([1, 1])
    left.text_input(
        "Name",
        trial.name,
        key=keys["name"],
        placeholder=trial.made_name,
        max_chars=MOST_NAME,
        on_change=_describe,
        args=(trial.id, "name", keys["name"]),
        help="Empty: it is called by what differs from the default recipe.",
    )
    right.multiselect(
        "Tags",
        sorted({*known, *state[keys["tags"]]}),
        list(trial.tags),
        key=keys["tags"],
        accept_new_options=True,
        on_change=_describe,
        args=(trial.id, "tags", keys["tags"]),
        placeholder="Choose or type",
    )
    st.text_area(
        "Note",
        trial.note,
        key=keys["note"],
        height=68,
        max_chars=MOST_NOTE,
        on_change=_describe,
        args=(trial.id, "note", keys["note"]),
        placeholder="Why it was run, what it showed",
    )
    if problem := state.pop(PROBLEM, ""):
        st.warning(cards.plain(problem), icon=":material/error:")


def _describe(trial: str, what: str, key: str) -> None:
    try:
        session.workbench().describe(trial, **{what: st.session_state[key]})
    except WorkbenchError as error:
        st.session_state[PROBLEM] = f"{error.what} {error.todo}"


def cut(text: str, length: int = 52) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


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


def _frame(
    shown: list[Trial], sweeps: dict[str, str], marks: dict[str, set[str]], repeats: dict[str, tuple[int, int]]
) -> tuple[Any, dict[str, Any]]:
    import pandas as pd

    text, number, when = st.column_config.TextColumn, st.column_config.NumberColumn, st.column_config.DatetimeColumn
    depths = {trial.k for trial in shown if trial.metrics}
    depth = depths.copy().pop() if len(depths) == 1 else "k"
    # where each question has one piece of evidence, hit and recall are the same number
    same = all(trial.metrics.get("hit") == trial.metrics.get("recall") for trial in shown)
    # the last first: it is what stays in sight in a narrow window
    told = [metric for metric in reversed(headlines()) if metric != "hit" or not same]
    heads = {metric: comparison.label(metric, depth) for metric in told}
    cost = {name: [trial.costs[name].value if name in trial.costs else None for trial in shown] for name in comparison.COSTS}
    columns = {  # head: values, how they look; what tells a trial first, so that it stands in a narrow window too
        "Trial": ([t.title for t in shown], text(width=210, help="Its name, or what differs from the default recipe.")),
        **{head: ([t.metrics.get(metric) for t in shown], number(format="%.3f", width=86)) for metric, head in heads.items()},
        "n": ([t.n if t.metrics else None for t in shown], number(format="localized", width=52, help="Questions measured.")),
        "Status": (
            [cut(t.status + (f": {t.reason}" if t.reason else ""), 24) for t in shown],
            text(width=160, help="Tick the row to read why there is no result."),
        ),
        "Repeat": (
            [f"{repeats[t.id][0]} of {repeats[t.id][1]}" if t.id in repeats else "" for t in shown],
            text(width=66, help="Trials of the same recipe on the same questions and documents."),
        ),
        "Recipe": ([t.made_name for t in shown], text(width=210, help="What differs from the default recipe.")),
        "Tags": ([", ".join(t.tags) for t in shown], text(width=130)),
        "Context": (
            [None if tokens is None else round(tokens) for tokens in cost["context_at_k"]],
            number(format="localized", width=70, help="Tokens of the first k chunks, mean of a question."),
        ),
        "Latency": (cost["latency_ms"], number(format="%.1f ms", width=76, help="Median of a single question.")),
        "Chunks": (cost["chunks"], number(format="localized", width=66, help="Chunks in the index.")),
        "Corpus": ([t.stages.get("corpus", t.dataset) for t in shown], text(width=150)),
        "When": ([t.created for t in shown], when(format="D MMM, HH:mm", timezone=st.context.timezone, width=104)),
        "k": ([t.k for t in shown], number(width=38, help="Depth at which the rankings were judged.")),
        "of": (
            [t.total if t.metrics else None for t in shown],
            number(format="localized", width=52, help="Questions asked. Those without gold evidence cannot be measured."),
        ),
        "Sweep": ([sweeps.get(t.sweep, "") for t in shown], text(width=220)),
        "Id": ([t.short for t in shown], text(width=84, help="The end of its id, as `show` takes it.")),
    }
    needed = {
        "k": len(depths) > 1,
        "of": any(t.n != t.total for t in shown if t.metrics),
        "Status": any(t.status != "ok" for t in shown),
        "Sweep": any(t.sweep for t in shown),
        "Repeat": any(t.id in repeats for t in shown),
        "Recipe": any(t.name for t in shown),
        "Tags": any(t.tags for t in shown),
        "Corpus": len({t.stages.get("corpus", t.dataset) for t in shown}) > 1,
    }
    columns = {head: column for head, column in columns.items() if needed.get(head, True)}
    frame = pd.DataFrame({head: values for head, (values, _) in columns.items()})
    if marks:
        css = pd.DataFrame(
            {head: ["font-weight: 700" if t.id in marks[metric] else "" for t in shown] for metric, head in heads.items()}
        )
        frame = frame.style.apply(lambda _: css, axis=None, subset=list(css))
    return frame, {head: look for head, (_, look) in columns.items()}
