"""What the tabs of Compare share: how many questions, and arms with their intervals under one another."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app.ui import charts, dots
from core import registry
from core.comparison.comparison import ArmComparison
from core.config import TrialConfig
from core.report.table import Table

DRAWN = "Drawn at random once, of those with a reference answer; a larger sample contains the smaller."


def questions(most: int, usual: int, key: str) -> int:
    return st.number_input("Questions", 1, most, min(usual, most), key=key, bind="query-params", width=140, help=DRAWN)


def measure_box(measures: tuple[str, ...], usual: str, key: str) -> str:
    names = {name: registry.find("measure", name)().label for name in measures}
    return st.selectbox("Measure", list(names), list(names).index(usual), key=key, format_func=names.get, width=170)


def forest(
    comparison: ArmComparison,
    titles: Mapping[Any, str],
    measure: str,
    label: str,
    config: TrialConfig,
    table: Table,
    n: int,
    base: str,
) -> None:
    """A line an arm; blue where it differs significantly from its base."""
    level, marks = config.evaluation.confidence, []
    for arm, name in titles.items():
        if (mean := comparison.means.get((arm, measure))) is None:
            continue
        change = comparison.of(arm, measure)
        blue = change and change.significant(level)
        marks.append(dots.Mark(charts.safe(name), mean.mean, mean.low, mean.high, charts.COLORS[0] if blue else charts.BASELINE))
    charts.show(
        dots.marks(marks, label),
        table.name,
        data=table.rows,
        config=config,
        title=table.title,
        caption=f"n {n:,}; blue: significantly different from {base}",
        method=table.note,
        command=table.command,
    )
