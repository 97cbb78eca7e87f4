"""A recipe beside others on the same questions: each paired difference, with Holm's correction over the others."""

from collections.abc import Mapping
from typing import Any

from core.comparison.comparison import by_measure, corrected
from core.evaluation.metric import metric_names
from core.workbench import Evaluation, Workbench


def differences(workbench: Workbench, current: Evaluation, others: Mapping[str, Evaluation]) -> list[dict[str, Any]]:
    """A row a metric and other, named as given: the recipe minus it. p is corrected where there are several."""
    metrics = metric_names()
    paired = {name: workbench.differences(current, other, metrics) for name, other in others.items()}
    changes = corrected({("", name, metric): paired[name][metric] for metric in metrics for name in paired}, by_measure)
    return [
        {"against": name, "metric": metric, **change.paired._asdict()} | ({"p_holm": change.p_holm} if len(others) > 1 else {})
        for (_, name, metric), change in changes.items()
    ]
