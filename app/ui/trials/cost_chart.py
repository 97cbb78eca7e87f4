"""Quality against cost: stored trials with the spread of what they cost, and which of them no other beats."""

from collections.abc import Callable

import streamlit as st

from app import session
from app.ui import cards, charts
from app.ui.cells import cut
from app.ui.trials.table import last_repeats
from core.evaluation.metric import MAIN, metric_names
from core.labs.trials import comparison
from core.labs.trials import costs as trial_costs
from core.labs.trials.comparison import COSTS, Spread, Trial
from core.workbench import command_line

BEATEN, UNBEATEN = "Beaten by another", "Beaten by no other"


def draw(
    shown: list[Trial],
    everything: list[Trial],
    chosen: list[Trial],
    names: dict[str, str],
    look: Callable[[Trial], dict[str, str]],
) -> None:
    """Trials that can be compared with the ticked ones; with none ticked, with the choice of the questions.

    look: colour (and marker) of a chosen trial, as in the other charts.
    """
    offered = comparison.named_groups(shown)
    if own := {trial.group for trial in chosen}:
        offered = {name: of for name, of in comparison.named_groups([*shown, *chosen]).items() if of[0].group in own}
    if not offered:
        return
    st.subheader("Quality against cost", anchor=False)
    left, middle, right = st.columns([1, 1.4, 1.6])
    metrics = metric_names()
    metric = left.selectbox(
        "Metric", metrics, metrics.index(MAIN), format_func=comparison.label, key="pareto_metric", bind="query-params"
    )
    cost = middle.selectbox("Cost", list(COSTS), format_func=lambda name: COSTS[name][0], key="cost", bind="query-params")
    name = (
        right.selectbox("Questions", list(offered), key="same_questions", bind="query-params")
        if len(offered) > 1
        else next(iter(offered))
    )
    group = {trial.id: trial for trial in [*last_repeats(offered[name]), *(t for t in chosen if t in offered[name])]}
    same = [trial for trial in everything if trial.group == offered[name][0].group]
    costs = trial_costs.spreads([trial for trial in group.values() if metric in trial.metrics], same, cost)
    points = [trial for trial in group.values() if trial.id in costs]
    if len(points) < 2:
        return st.caption(cards.plain(f"{name}: it takes two trials with this metric and cost to show a trade-off."))
    if len(points) > trial_costs.MOST:
        return st.caption(
            cards.plain(f"{name}: {len(points):,} trials; filter the table to at most {trial_costs.MOST:,} to compare them.")
        )
    unbeaten = trial_costs.unbeaten(session.workbench(), points, costs, metric)
    what, unit = COSTS[cost]
    head = comparison.label(metric, points[0].k)
    marked = {trial.id for trial in chosen}
    traces = []
    for title, of, faint in (
        (BEATEN, [t for t in points if t.id not in unbeaten | marked], True),
        (UNBEATEN, [t for t in points if t.id in unbeaten - marked], False),
    ):
        # open, as equal trials lie on each other: two faint points would look like one that is not faint
        look_of = {"color": charts.COLORS[0], "symbol": "circle-open" if faint else "circle"}
        traces += _points(of, metric, costs, title, faint, look_of)
    for trial in points:
        if trial.id in marked:
            title = f"{cut(names[trial.id])}, {BEATEN.lower() if trial.id not in unbeaten else UNBEATEN.lower()}"
            traces += _points([trial], metric, costs, title, False, look(trial), current=0)
    ends = [end for spread in costs.values() for end in (spread.low, spread.value, spread.high) if end is not None]
    for trace in traces:
        if "error_x" in trace:
            trace["meta"] = "whiskers: quartiles" if cost in trial_costs.TIMED else "whiskers"
    shape = charts.figure(
        traces,
        f"{what} ({unit}), less is better",
        head,
        height=360 + 20 * len(marked),
        xaxis=charts.log_axis(ends) if min(ends) > 0 and max(ends) > 50 * min(ends) else {},
    )
    rows = [
        {
            "trial": t.id,
            "name": t.title,
            "recipe": t.recipe,
            cost: costs[t.id].value,
            "low": costs[t.id].low,
            "high": costs[t.id].high,
            "runs": costs[t.id].runs,
            metric: t.metrics[metric],
            "beaten": t.id not in unbeaten,
        }
        for t in points
    ]
    charts.show(
        shape,
        "quality-against-cost",
        title=f"{head} against {what[0].lower() + what[1:]}",
        caption=f"{name}; {len(points):,} recipes, n {points[0].n:,}",
        data=rows,
        method=_whiskers(cost, costs),
        command=_command(metric, cost, points, everything),
    )
    st.caption(_explained(cost, costs, len(points), len(unbeaten)))


def _command(metric: str, cost: str, points: list[Trial], everything: list[Trial]) -> str:
    """What prints the chart; the trials are named where they are not all of their questions."""
    same = [trial for trial in everything if trial.group == points[0].group]
    usual = trial_costs.spreads([trial for trial in last_repeats(same) if metric in trial.metrics], same, cost).keys()
    ids = [trial.id for trial in points]
    named = ["--dataset", points[0].dataset] if usual == set(ids) else ["--only", *ids]
    return command_line("frontier", "--metric", metric, "--cost", cost, *named)


def _points(
    trials: list[Trial],
    metric: str,
    costs: dict[str, Spread],
    name: str,
    faint: bool,
    look: dict[str, str],
    current: int | None = None,
) -> list[dict]:
    if not trials:
        return []
    x = [costs[trial.id].value for trial in trials]
    hover = [f"{cut(trial.title, 80)} ({trial.short})" for trial in trials]
    traces = charts.scatter(
        x, [trial.metrics[metric] for trial in trials], ids=hover, name=name, faint=faint, current=current, **look
    )
    if faint:  # seen on the dark ground too
        traces[0]["marker"]["opacity"] = 0.55
    spreads = [costs[trial.id] for trial in trials]
    if any(spread.low is not None for spread in spreads):
        traces[0]["error_x"] = {
            "type": "data",
            "symmetric": False,
            "thickness": 1,
            "width": 3,
            "color": charts.faint(look["color"], 0.6 if faint else 0.85),
            "array": [0 if spread.high is None else spread.high - spread.value for spread in spreads],
            "arrayminus": [0 if spread.low is None else spread.value - spread.low for spread in spreads],
        }
    return traces


def _whiskers(cost: str, costs: dict[str, Spread]) -> str:
    """What the spread of this cost is, as a sentence; "" where it has none."""
    if cost in trial_costs.TIMED:
        shared = " Trials that do the same work for a question share one spread, over all their runs."
        return "Whiskers: quartiles over the timed questions." + shared * any(spread.runs > 1 for spread in costs.values())
    has_interval = any(spread.low is not None for spread in costs.values())
    return "Whiskers: 95% interval of the mean over questions." * has_interval


def _explained(cost: str, costs: dict[str, Spread], recipes: int, unbeaten: int) -> str:
    result = (
        "Nothing tells these recipes apart: none is ranked."
        if unbeaten == recipes
        else f"{UNBEATEN}: {unbeaten:,} of {recipes:,} recipes{'; among them none is ranked' * (unbeaten > 1)}."
    )
    rule = (
        "Beaten: another is better at no higher cost (paired t tests, Holm over all pairs, 5%), or cheaper "
        "(spreads that do not overlap) and not worse."
    )
    return " ".join(filter(None, (result, _whiskers(cost, costs), rule)))
