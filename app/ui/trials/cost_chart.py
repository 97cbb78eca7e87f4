"""Quality against cost: stored trials with the spread of what they cost, and which of them no other beats."""

import streamlit as st

from app import session
from app.ui import cards, cells, charts, tables
from app.ui.cells import cut
from app.ui.trials.choice import look
from app.ui.trials.scope import Scope
from core.evaluation.metric import metric_names
from core.labs.trials import comparison
from core.labs.trials import costs as trial_costs
from core.labs.trials.comparison import COSTS, Spread, Trial
from core.labs.trials.listing import Listing
from core.labs.trials.membership import Member, chart_rows, membership
from core.workbench import command_line

BEATEN, UNBEATEN = "Beaten by another", "Beaten by no other"
OFF, ON = "Off the frontier", "On the frontier of three measures"
SCALES = ("Cividis", "Cividis_r")  # of the third measure: more is better, less is better; bright is better
NUMBER, TEXT = st.column_config.NumberColumn, st.column_config.TextColumn


def draw(scope: Scope, names: dict[str, str]) -> None:
    metric, name, chosen = scope.metric, scope.questions, scope.chosen
    left, right = st.columns(2)
    cost = left.selectbox("Cost", list(COSTS), format_func=lambda name: COSTS[name][0], key="cost", bind="query-params")
    others = [measure for measure in ("", *metric_names(), *COSTS) if measure not in (metric, cost)]
    if st.session_state.get("third") not in (None, *others):
        st.session_state.third = ""
    third = right.selectbox("Third measure", others, format_func=measure_name, key="third", bind="query-params")
    if scope.more:
        return st.caption(cards.plain(trial_costs.too_many(name, len(scope.members) + scope.more)))
    costs = trial_costs.spreads(session.workbench(), [trial for trial in scope.members if metric in trial.metrics], cost)
    points = [trial for trial in scope.members if trial.id in costs]
    if len(points) < 2:
        return st.caption(cards.plain(f"{name}: it takes two trials with this metric and cost to show a trade-off."))
    if len(points) > trial_costs.MOST:
        return st.caption(cards.plain(trial_costs.too_many(name, len(points))))
    unbeaten = trial_costs.unbeaten(session.workbench(), points, costs, metric)
    measures = [metric, cost, *filter(None, [third])]
    members = {member.trial.id: member for member in membership(session.workbench(), points, measures)}
    front, titles = unbeaten, (BEATEN, UNBEATEN)
    if third:
        front, titles = {trial_id for trial_id, member in members.items() if member.on_frontier}, (OFF, ON)
    what, unit = COSTS[cost]
    head = comparison.label(metric, points[0].k)
    marked = {trial.id for trial in chosen}
    traces = []
    for title, of, faint in (
        (titles[0], [t for t in points if t.id not in front | marked], True),
        (titles[1], [t for t in points if t.id in front - marked], False),
    ):
        # open, as equal trials lie on each other: two faint points would look like one that is not faint
        look_of = {"color": charts.COLORS[0], "symbol": "circle-open" if faint else "circle"}
        traces += _points(of, metric, costs, title, faint, look_of)
    for trial in points:
        if trial.id in marked:
            title = f"{cut(names[trial.id])}, {titles[trial.id in front].lower()}"
            traces += _points([trial], metric, costs, title, False, look(names, trial), current=0)
    if third:
        _coloured(traces, third, members)
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
    rows = chart_rows(points, costs, unbeaten, list(members.values()), metric, cost, third)
    charts.show(
        shape,
        "quality-against-cost",
        title=f"{head} against {what[0].lower() + what[1:]}" + (f", and {measure_name(third)}" if third else ""),
        caption=f"{name}; {len(points):,} recipes, n {points[0].n:,}",
        data=rows,
        method=_whiskers(cost, costs),
        command=_command(metric, cost, third, points, scope.same),
    )
    st.caption(_explained(cost, costs, len(points), len(unbeaten)))
    _table(list(members.values()), measures)


def measure_name(name: str) -> str:
    """A metric or a cost in words."""
    return COSTS[name][0] if name in COSTS else comparison.label(name) if name else "None"


def _coloured(traces: list[dict], third: str, members: dict[str, Member]) -> None:
    """The colour of each point tells the third measure; rings and markers stay."""
    values = {f"({member.trial.short})": member.values[2] for member in members.values()}
    ends = {"cmin": min(values.values(), default=0), "cmax": max(values.values(), default=1)}
    better = -1 if third in COSTS else comparison.direction(third)
    bar = {"title": {"text": charts.safe(measure_name(third)), "side": "right"}, "thickness": 12}
    for number, trace in enumerate(trace for trace in traces if "customdata" in trace):
        shown = [values.get(hover[-8:]) for hover in trace["customdata"]]
        trace["marker"] |= {"color": shown, "colorscale": SCALES[better < 0], "opacity": 1, **ends}
        trace["marker"] |= {"colorbar": bar} if not number else {}


def _table(members: list[Member], measures: list[str]) -> None:
    """How sure each place on the frontier is, the surest first; those that are on it in no resample are left out."""
    sure = sorted((member for member in members if member.share), key=lambda member: -member.share)
    names = comparison.labels([member.trial for member in sure])
    looks = {
        "Trial": TEXT(width=260),
        "On the frontier in": NUMBER(format="percent", width=120, help="Share of resamples of the questions."),
        "As measured": TEXT(width=96),
        **{measure_name(name): NUMBER(format="localized" if name in COSTS else "%.3f", width=110) for name in measures},
    }
    rows = [
        dict(zip(looks, (name, member.share, "on it" if member.on_frontier else "", *member.values), strict=True))
        for member, name in zip(sure, names, strict=True)
    ]
    cells.show(
        rows, hide_index=True, height=280 if len(rows) > 7 else "content", key="frontier", placeholder="", column_config=looks
    )
    tables.export(rows, "frontier")
    st.caption(
        "Share: how often no other trial is as good in all measures and better in one, over resamples of the questions; times "
        "and contexts are drawn by their spread."
    )


def _command(metric: str, cost: str, third: str, points: list[Trial], same: Listing) -> str:
    """What prints the chart; the trials are named where they are not all of their questions."""
    usual = set(same.last_repeats().having(metric, cost).ids)
    ids = [trial.id for trial in points]
    named = ["--dataset", points[0].dataset] if usual == set(ids) else ["--only", *ids]
    return command_line("frontier", "--metric", metric, "--cost", cost, *(["--third", third] if third else []), *named)


def _points(
    trials: list[Trial],
    metric: str,
    costs: dict[str, Spread],
    name: str,
    faint: bool,
    style: dict[str, str],
    current: int | None = None,
) -> list[dict]:
    if not trials:
        return []
    x = [costs[trial.id].value for trial in trials]
    hover = [f"{cut(trial.title, 80)} ({trial.short})" for trial in trials]
    traces = charts.scatter(
        x, [trial.metrics[metric] for trial in trials], ids=hover, name=name, faint=faint, current=current, **style
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
            "color": charts.faint(style["color"], 0.6 if faint else 0.85),
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
