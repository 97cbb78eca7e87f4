"""A recipe beside others on the same questions: each paired difference, with Holm's correction over the others."""

from collections.abc import Iterable, Mapping
from typing import Any

from core.evaluation.metric import metric_names
from core.statistics.corrections import correct_defined
from core.workbench import Evaluation, Workbench


def differences(
    workbench: Workbench, current: Evaluation, others: Mapping[str, Evaluation], metrics: Iterable[str] = ()
) -> list[dict[str, Any]]:
    """A row a metric (default: every one) and other, named as given: the recipe minus it. p is corrected where there are several."""
    metrics, rows = list(metrics) or metric_names(), []
    paired = {name: workbench.differences(current, other, metrics) for name, other in others.items()}
    for metric in metrics:
        tests = [of[metric] for of in paired.values()]
        for name, test, p in zip(paired, tests, correct_defined([test.p for test in tests]), strict=True):
            more = {"p_holm": p} if len(others) > 1 else {}
            rows.append({"against": name, "metric": metric, **test._asdict(), **more})
    return rows
