"""Metrics say their own order and place; a new one is measured in trials stored before it was written."""

from typing import ClassVar, Literal

import numpy as np
import pytest

from core import registry
from core.evaluation.metric import MAIN, Metric, headlines, metric_names
from core.labs.trials.curve import metrics_at_budget
from core.workbench import Workbench
from tests.support.synthetic_trials import add_questions, add_trial


class FirstTwo(Metric):
    """1 where a relevant chunk is among the first two."""

    part: Literal["first_two"] = "first_two"
    label: ClassVar[str] = "First two"
    order: ClassVar[int] = 15

    def values(self, judged, k):
        return np.where(judged.measured, judged.first_rank <= 2, np.nan)


@pytest.fixture
def first_two(monkeypatch):
    registry.parts("metric")

    def register():
        monkeypatch.setitem(registry._parts["metric"], "first_two", FirstTwo)

    return register


@pytest.mark.slow
def test_a_new_metric_is_in_trials_stored_before_without_a_rebuild(tmp_path, first_two):
    before = Workbench(tmp_path)
    trial = add_trial(before.store, add_questions(before.store))
    [row] = before.trials()
    assert "first_two@10" not in row["metrics"]
    first_two()
    [row] = Workbench(tmp_path).trials()
    values = Workbench(tmp_path).trial_values(trial, "first_two")
    assert (
        row["metrics"]["first_two@10"] == pytest.approx(np.nanmean(list(values.values())))
        and np.nanmean(list(values.values())) > 0.5
    )


def test_the_order_of_display_is_said_by_the_metrics(first_two):
    first_two()
    metrics = registry.parts("metric")
    assert metric_names() == sorted(metrics, key=lambda name: (metrics[name].order, name))
    assert metric_names().index("hit") < metric_names().index("first_two") < metric_names().index("recall")
    assert headlines() == [name for name in metric_names() if metrics[name].headline]
    assert MAIN in headlines() and "first_two" not in headlines()
    assert metrics_at_budget() == [name for name in metric_names() if not metrics[name].divides_by_k]
