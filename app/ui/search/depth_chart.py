"""Recall at each depth of the ranking, with the baseline's."""

from typing import Any

from app import session
from app.ui import charts
from core.config import difference
from core.labs.trials import comparison
from core.report.caption import interval_method
from core.statistics.bootstrap import Interval
from core.workbench import Evaluation, as_options


def draw(current: Evaluation, baseline: Evaluation | None) -> None:
    k, rows, traces, curve = current.config.evaluation.k, [], [], []
    for name, evaluation in named(current, baseline).items():
        curve = session.workbench().recall_curve(evaluation)
        traces += line(name, curve, None if evaluation is baseline else k)
        rows += [
            {"system": name, "k": depth, "recall": at.mean, "low": at.low, "high": at.high} for depth, at in enumerate(curve, 1)
        ]
    charts.show(
        charts.figure(traces, "k (chunks)", "Recall@k"),
        "recall-by-depth",
        data=rows,
        config=current.config,
        command=command(current, baseline),
        title="Recall by depth",
        caption=f"n {curve[0].n:,}, {100 * current.config.evaluation.confidence:g}% intervals",
        method=interval_method(current.config),
    )


def command(current: Evaluation, baseline: Evaluation | None) -> str:
    """What prints the recall of both, and the metrics with their differences."""
    changed = difference(baseline.config, current.config) if baseline else {}
    return session.workbench().command(current.config, "evaluate", "--depths", *as_options("--against", changed))


def named(current: Evaluation, baseline: Evaluation | None) -> dict[str, Evaluation]:
    """The systems by the names of their lines, the baseline first; a single line needs no name."""
    if baseline is None:
        return {"": current}
    own, pinned = (comparison.made_name(each.config.model_dump(mode="json")) for each in (current, baseline))
    return {f"{pinned} (baseline)": baseline, own: current}


def line(name: str, curve: list[Interval], k: int | None) -> list[dict[str, Any]]:
    """One system's recall; k: the depth it is judged at now, None for the baseline."""
    return charts.line(
        list(range(1, len(curve) + 1)),
        [at.mean for at in curve],
        name=name,
        low=[at.low for at in curve],
        high=[at.high for at in curve],
        current=k,
        color=charts.BASELINE if k is None else charts.COLORS[0],
    )
