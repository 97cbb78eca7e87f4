"""What the charts of a study share: values or differences, the best and its equals marked, and what stands below."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app.ui import charts
from app.ui.experiments.leaderboard import difference_words
from core.labs.experiments import results
from core.labs.experiments.experiment import Experiment
from core.labs.experiments.results import PointResult, StudyResults
from core.labs.trials.comparison import label
from core.report.caption import interval_method
from core.workbench import command_line

DIFFERENCE, VALUE = "Difference", "Value"


def read(row: PointResult, shown: StudyResults, way: str) -> tuple[float | None, float | None, float | None]:
    """(value, low, high) as it is drawn; the base itself differs from itself by nothing."""
    if way == VALUE:
        return row.interval.mean, row.interval.low, row.interval.high
    if shown.baseline and row.trial.id == shown.baseline.id:
        return 0.0, None, None
    return row.difference[:3] if row.difference else (None, None, None)


def y_title(shown: StudyResults, way: str) -> str:
    name = label(shown.metric, shown.k)
    return f"{name}, difference to the {shown.reference}" if way == DIFFERENCE else name


def marked(rows: Sequence[PointResult], shown: StudyResults, way: str, place: Any) -> list[dict]:
    """The best, and what is not distinguishable from it."""
    best, traces = shown.best.id, []
    for title, symbol, some in (
        ("Best", "star", [row for row in rows if row.trial.id == best]),
        ("Not distinguishable from it", "circle-open", [row for row in rows if row.equal and row.trial.id != best]),
    ):
        if some:
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": title,
                    "x": [place(row) for row in some],
                    "y": [read(row, shown, way)[0] for row in some],
                    "marker": {
                        "symbol": symbol,
                        "size": 14,
                        "color": charts.BASELINE,
                        "line": {"width": 1.5, "color": charts.BASELINE},
                    },
                    "hoverinfo": "skip",
                }
            )
    return traces


def show(experiment: Experiment, shown: StudyResults, shape: charts.Figure, way: str) -> None:
    told = {row.trial.id: difference_words(row) for row in shown.rows}
    best = next((row for row in shown.rows if row.trial.id == shown.best.id), None)
    charts.show(
        shape,
        "study",
        data=results.rows(experiment, shown),
        config=experiment.recipe,
        command=command_line("study-results", experiment.id, "--metric", shown.metric),
        title=experiment.title or experiment.id,
        caption=f"n {shown.board.n:,} questions, {'paired ' if way == DIFFERENCE else ''}{shown.board.confidence:.0%} intervals",
        method=interval_method(experiment.recipe),
    )
    if way == DIFFERENCE and best and told[best.trial.id]:
        st.caption(f"Each point minus the {shown.reference}, question by question; the best differs by {told[best.trial.id]}.")
