"""Results of the page, kept in the session by label set."""

from collections.abc import Callable, Generator
from typing import Any

import streamlit as st

from app.ui import jobs
from core.agreement import cannot_judge, coefficients, consensus, sources
from core.agreement.consensus import AgreedLabels
from core.agreement.views import View
from core.annotation.study import CANNOT

KEPT = 80  # results of a session


def compute_once(view: View, name: str, work: Callable[[], Any], *of: Any) -> Any:
    """The result of this work on these labels, read like this."""
    return compute_once_for(view.source, (view.part, view.round, view.table.level, name, *of), work)


def compute_once_for(source: sources.LabelSource, name: tuple, work: Callable[[], Any]) -> Any:
    """The result of this work on these labels: from the session, or computed now under a bar."""
    results = st.session_state.setdefault("agreement_results", {})
    key = (source.digest, *name)
    if key not in results:
        with st.spinner("Computing", show_time=True):
            result = work()
            results[key] = jobs.drain(result) if isinstance(result, Generator) else result
        while len(results) > KEPT:
            results.pop(next(iter(results)))
    return results[key]


def agreed(view: View) -> AgreedLabels:
    return compute_once(
        view, "consensus", lambda: consensus.consensus(view.source, view.part, view.table, view.method), view.method
    )


def overview(view: View) -> coefficients.Overview:
    return compute_once(view, "overview", lambda: coefficients.overview(view.table))


def cannot_of(view: View) -> dict[str, tuple[str, ...]]:
    """Unit -> who said that it cannot be judged."""
    return compute_once(view, "cannot", lambda: cannot_judge.cannot_judge(view.source, view.part, view.round))


def title(view: View, name: str) -> str:
    """A label as its rubric words it."""
    if view.part == "preference":
        return {"a": "A better", "tie": "Tie", "b": "B better"}.get(name, name)
    titles = {label.name: label.title for label in view.source.study.rubric.labels} if view.source.study else {}
    return {CANNOT: "Cannot judge", **titles}.get(name, name)
