"""What the tabs of Compare share: how many questions, and arms with their intervals under one another."""

from collections.abc import Mapping
from typing import Any

from app.ui import charts, dots, forms
from app.ui.search import results
from core import registry
from core.comparison.comparison import ArmComparison
from core.config import TrialConfig
from core.report.table import Table


def questions(most: int, usual: int, key: str) -> int:
    return results.question_count(most, usual, key, "those with a reference answer")


def measure_box(measures: tuple[str, ...], key: str) -> str:
    names = {name: registry.find("measure", name)().label for name in measures}
    return forms.one_of_many("Measure", names, key, "f1", width=170)


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
        color = dots.shade(comparison.of(arm, measure), level)
        marks.append(dots.Mark(charts.safe(name), mean.mean, mean.low, mean.high, color))
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
