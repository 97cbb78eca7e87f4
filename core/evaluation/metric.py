"""What every metric says of itself, and all of them at once."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import ClassVar

import numpy as np

from core import registry
from core.config import PartConfig
from core.errors import broken_part
from core.evaluation.judged import Judged

MAIN = "ndcg_linear"  # the metric that is shown where none was chosen


class Metric(PartConfig):
    """Base of the metrics. What is usual need not be said again."""

    label: ClassVar[str]  # for people, with {k} where the depth stands
    unit: ClassVar[str] = ""
    direction: ClassVar[int] = +1  # -1: less is better
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    source: ClassVar[str] = ""  # whose definition it is
    order: ClassVar[int] = 100  # of display, smallest first
    headline: ClassVar[bool] = False  # whether it stands on the cards and in the tables of trials
    divides_by_k: ClassVar[bool] = False  # then there is none of a context that is full of tokens, not of k chunks

    @abstractmethod
    def values(self, judged: Judged, k: int) -> np.ndarray:
        """[num_queries] float64 at depth k, NaN for questions without gold evidence."""


def metric_names() -> list[str]:
    """Every metric, in the order of display."""
    return list(registry.parts("metric"))


def answer_measures() -> list[str]:
    """The measures of answers that a trial can be judged by: those that say better or worse, between 0 and 1, as metrics do."""
    measures = registry.parts("measure").items()
    return [name for name, measure in measures if measure.direction and measure.range == Metric.range]


def metrics_and_measures() -> list[str]:
    """All that a trial can be judged by."""
    return [*metric_names(), *answer_measures()]


def metric_or_measure(name: str) -> type[PartConfig]:
    """The metric of this name, else the measure of answers: both have label, unit, direction and range."""
    return registry.parts("metric").get(name) or registry.parts("measure").get(name) or registry.find("metric", name)


def judges(name: str) -> bool:
    """Whether a trial can be judged by it. Measures, and what they import, are looked at for what is no metric alone."""
    return name in metric_names() or name in answer_measures()


def measures_among(names: Iterable[str]) -> list[str]:
    """Which of these are measures of answers, in the order of display."""
    others = set(names) - set(metric_names())
    return [name for name in answer_measures() if name in others] if others else []


def headlines() -> list[str]:
    """The metrics that are shown where there is room for few."""
    return [name for name, metric in registry.parts("metric").items() if metric.headline]


def metric_values(judged: Judged, k: int, names: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """metric (default: every one) -> [num_queries] float64 at depth k; NaN where the question has no gold evidence."""
    return {name: _values(registry.find("metric", name)(), judged, k) for name in names or metric_names()}


def _values(metric: Metric, judged: Judged, k: int) -> np.ndarray:
    values = metric.values(judged, k)
    if np.shape(values) != judged.measured.shape or (np.isnan(values) == judged.measured).any():
        what = "does not give a number for each question with gold evidence, and NaN for each other"
        raise broken_part("metric", metric.part, what)
    return values
