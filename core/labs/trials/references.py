"""A recipe beside others on the same questions: each paired difference, with Holm's correction over the others."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from core.evaluation.metric import metric_names
from core.statistics.corrections import holm
from core.workbench import Evaluation, Workbench


def differences(
    workbench: Workbench, current: Evaluation, others: Mapping[str, Evaluation], metrics: Iterable[str] = ()
) -> list[dict[str, Any]]:
    """A row a metric (default: every one) and other, named as given: the recipe minus it. p is corrected where there are several."""
    metrics, rows = list(metrics) or metric_names(), []
    paired = {name: workbench.differences(current, other, metrics) for name, other in others.items()}
    for metric in metrics:
        tests = {name: of[metric] for name, of in paired.items()}
        tested = [name for name, test in tests.items() if test.p is not None]
        corrected = dict(zip(tested, holm(np.array([tests[name].p for name in tested])).tolist(), strict=True))
        for name, test in tests.items():
            more = {"p_holm": corrected.get(name)} if len(others) > 1 else {}
            rows.append({"against": name, "metric": metric, **test._asdict(), **more})
    return rows
