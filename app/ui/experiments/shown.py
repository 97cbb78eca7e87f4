"""What the charts of an experiment share: values or differences, the best and those not told from it marked, and what stands below."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import streamlit as st

from app.ui import charts
from app.ui.experiments import words
from app.ui.experiments.leaderboard import difference_words
from core.labs.experiments import results
from core.labs.experiments.experiment import Experiment
from core.labs.experiments.results import PointResult, StudyResults
from core.labs.trials.comparison import label
from core.report.caption import interval_method
from core.workbench import command_line

DIFFERENCE, VALUE = "Difference", "Value"


class Shown(NamedTuple):
    """The results of an experiment, and what is drawn of them."""

    experiment: Experiment
    results: StudyResults
    way: str  # DIFFERENCE or VALUE

    @property
    def title(self) -> str:
        """Of the axis that tells it."""
        name = label(self.results.metric, self.results.k)
        return f"{name}, difference from the {self.results.reference}" if self.way == DIFFERENCE else name

    @property
    def base(self) -> str:
        return f"the {self.results.reference}"

    def read(self, row: PointResult) -> tuple[float | None, float | None, float | None]:
        """(value, low, high) as it is drawn; the base itself differs from itself by nothing."""
        if self.way == VALUE:
            return row.interval.mean, row.interval.low, row.interval.high
        if self.results.baseline and row.trial.id == self.results.baseline.id:
            return 0.0, None, None
        return row.difference[:3] if row.difference else (None, None, None)

    def by(self, rows: Sequence[PointResult], setting: str) -> list[tuple[str, list[PointResult]]]:
        """(the setting with its value, the points that have it); all under "" where no setting is named."""
        recipe, groups = self.experiment.recipe, {}
        for row in rows:
            groups.setdefault(words.value_words(setting, row.settings.get(setting), recipe) if setting else "", []).append(row)
        return [
            (words.with_name(setting, some[0].settings.get(setting), recipe) if setting else "", some) for some in groups.values()
        ]

    def line(self, x: Sequence[float], rows: Sequence[PointResult | None], **look: Any) -> list[dict]:
        """As `charts.line`; None: planned, and not measured."""
        values = [self.read(row) if row else (None, None, None) for row in rows]
        low = [mean if low is None else low for mean, low, _ in values]
        high = [mean if high is None else high for mean, _, high in values]
        return charts.line(x, [mean for mean, *_ in values], low=low, high=high, **look)

    def marked(self, rows: Sequence[PointResult], place: Callable[[PointResult], Any]) -> list[dict]:
        """The best, and what is not distinguishable from it."""
        best, traces = self.results.best.id, []
        for title, symbol, some in (
            ("Best", "star", [row for row in rows if row.trial.id == best]),
            ("Not significantly different", "circle-open", [row for row in rows if row.equal and row.trial.id != best]),
        ):
            x, y, line = (
                [place(row) for row in some],
                [self.read(row)[0] for row in some],
                {"width": 1.5, "color": charts.BASELINE},
            )
            marker = {"symbol": symbol, "size": 14, "color": charts.BASELINE, "line": line}
            trace = {"type": "scatter", "mode": "markers", "name": title, "x": x, "y": y, "marker": marker, "hoverinfo": "skip"}
            traces += [trace] if some else []
        return traces

    def show(self, shape: charts.Figure) -> None:
        experiment, shown = self.experiment, self.results
        told = {row.trial.id: difference_words(row) for row in shown.rows}.get(shown.best.id, "")
        paired = "paired " if self.way == DIFFERENCE else ""
        charts.show(
            shape,
            "study",
            data=results.rows(experiment, shown),
            config=experiment.recipe,
            command=command_line("study-results", experiment.id, "--metric", shown.metric),
            title=f"{label(shown.metric, shown.k)} of each recipe",
            caption=f"n {shown.board.n:,} questions, {paired}{100 * shown.board.confidence:g}% intervals",
            method=interval_method(experiment.recipe),
        )
        if paired and told:
            st.caption(f"Each point minus {self.base}, question by question; the best differs by {told}.")
