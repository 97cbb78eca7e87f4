"""Quality against cost: stored trials with the spread of what they cost, and which of them no other beats."""

import streamlit as st

from app import session
from app.ui import cards, charts, tables
from app.ui.cells import cut
from app.ui.trials.choice import look
from app.ui.trials.scope import Scope
from core.evaluation.metric import metric_names
from core.labs.trials import comparison
from core.labs.trials import costs as trial_costs
from core.labs.trials.comparison import COSTS, Spread, Trial
from core.labs.trials.listing import Listing
from core.labs.trials.membership import Member, chart_rows, membership
from core.report.table import COUNT, MEAN, PERCENT, TWO, Column, Table
from core.workbench import command_line

BEATEN, BEHIND, ON = "Beaten by another", "Behind it, not beaten", "On the frontier"
OFF, ON_THREE = "Off the frontier", "On the frontier of three measures"
SIZES = {OFF: 7, ON_THREE: 12}  # of points that tell a third measure by their colour
SCALES = ("Cividis", "Cividis_r")  # of the third measure: more is better, less is better; bright is better


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
    front = {trial_id for trial_id, member in members.items() if member.on_frontier and (third or trial_id in unbeaten)}
    what, unit = COSTS[cost]
    head = comparison.label(metric, points[0].k)
    marked = {trial.id for trial in chosen}
    own = dict(zip((t.id for t in points), comparison.labels(points), strict=True))

    def standing(trial: Trial) -> str:
        if third:
            return ON_THREE if trial.id in front else OFF
        return ON if trial.id in front else BEHIND if trial.id in unbeaten else BEATEN

    traces = [] if third else _frontier_line([t for t in points if t.id in front], metric, costs)
    for title in (OFF, ON_THREE) if third else (BEATEN, BEHIND, ON):
        # open, as equal trials lie on each other: two faint points would look like one that is not faint
        look_of = {"color": charts.BASELINE if title == BEATEN else charts.COLORS[0]}
        look_of["symbol"] = "circle" if third or title == ON else "circle-open"
        of = [t for t in points if standing(t) == title and t.id not in marked]
        traces += _points(of, metric, costs, title, title in (BEATEN, OFF), look_of, own)
    for trial in points:
        if trial.id in marked:
            title = cut(names[trial.id], 36) + f", {standing(trial).lower()}" * bool(
                third
            )  # short: a legend is as wide as its longest
            traces += _points([trial], metric, costs, title, False, look(names, trial), own, current=0)
    if third:
        traces = _coloured(traces, third, members)
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
    third_name = measure_name(third)
    third_name = third_name[0].lower() + third_name[1:] if third in COSTS else third_name
    charts.show(
        shape,
        "quality-against-cost",
        title=f"{head} against {what[0].lower() + what[1:]}" + (f", and {third_name}" if third else ""),
        caption=f"{name}; {len(points):,} recipes, n {points[0].n:,}",
        data=rows,
        method=_whiskers(cost, costs),
        command=_command(metric, cost, third, points, scope.same),
    )
    st.caption(_three(third) if third else _explained(cost, costs, len(points), len(front), len(unbeaten)))
    _table(list(members.values()), measures)


def measure_name(name: str) -> str:
    """A metric or a cost in words."""
    return COSTS[name][0] if name in COSTS else comparison.label(name) if name else "None"


def _coloured(traces: list[dict], third: str, members: dict[str, Member]) -> list[dict]:
    """The colour of each point tells the third measure, its size whether it is on the frontier; the legend shows sizes and the
    rings of those that are ticked, in no colour that the scale has."""
    values = {f"({member.trial.short})": member.values[2] for member in members.values()}
    ends = {"cmin": min(values.values(), default=0), "cmax": max(values.values(), default=1)}
    less = third in COSTS or comparison.direction(third) < 0
    unit = f" ({COSTS[third][1]})" if third in COSTS else ""
    title = f"{measure_name(third)}{unit}<br>bright: {'less, which is better' if less else 'more, which is better'}"
    bar, legend = {"title": {"text": title, "side": "right"}, "thickness": 14}, []
    for number, trace in enumerate(trace for trace in traces if "customdata" in trace):
        standing = OFF if OFF.lower() in trace["name"].lower() else ON_THREE
        shown = [values.get(hover[-8:]) for hover in trace["customdata"]]
        size, ring = SIZES[standing], {"width": 1, "color": charts.BASELINE}
        trace["hovertemplate"] = trace["hovertemplate"].replace("<extra>", "<br>" + "%{marker.color:.4g}<extra>")
        trace["marker"] |= {"color": shown, "colorscale": SCALES[less], "opacity": 1, "size": size, "line": ring, **ends}
        trace["marker"] |= {"colorbar": bar} if not number else {}
        rings = [t for t in traces if t.get("legendgroup") == trace["name"] and "customdata" not in t]
        look_of = rings[0]["marker"] if rings else {"color": charts.BASELINE, "size": size, "symbol": "circle"}
        legend.append(charts.sample(trace["name"], look_of))
        trace["showlegend"] = False
    return [*traces, *legend]


def _frontier_line(front: list[Trial], metric: str, costs: dict[str, Spread]) -> list[dict]:
    """The steps along the frontier: what is to be had for how much."""
    if len(front) < 2:
        return []
    along = sorted(front, key=lambda trial: costs[trial.id].value)
    x, y = [costs[trial.id].value for trial in along], [trial.metrics[metric] for trial in along]
    return [charts.guide(x, y, charts.faint(charts.COLORS[0], 0.6), 1.4, shape="hv")]


def _table(members: list[Member], measures: list[str]) -> None:
    """How sure each place on the frontier is, the surest first; those that are on it in no resample are left out."""
    sure = sorted((member for member in members if member.share), key=lambda member: -member.share)
    names = comparison.labels([member.trial for member in sure])
    heads = {name: measure_name(name) for name in measures}
    heads |= {name: f"{heads[name]}, {COSTS[name][1]}" for name in measures if name in COSTS and name != "chunks"}
    columns = (
        Column("trial", width=360),
        Column("share", "On the frontier in", PERCENT, "Share of resamples of the questions."),
        Column("measured", "As measured", width=96),
        *(Column(name, heads[name], MEAN if name not in COSTS else TWO if name == "answer_s" else COUNT) for name in measures),
    )
    rows = [
        {"trial": name, "share": member.share, "measured": "on it" if member.on_frontier else ""}
        | dict(zip(measures, _rounded(member, measures), strict=True))
        for member, name in zip(sure, names, strict=True)
    ]
    tables.draw(Table("frontier", columns, rows), rows=7, placeholder="")
    st.caption(
        "Share: of the resamples of the questions, those in which no other trial is as good in all measures and better in "
        "one; times and contexts vary by their spread."
    )


def _rounded(member: Member, measures: list[str]) -> list[float]:
    """A cost as it is read: milliseconds to a tenth, seconds to a hundredth, tokens and chunks whole."""
    digits = {"ms": 1, "s": 2}
    return [
        value if name not in COSTS else round(value, digits.get(COSTS[name][1]))
        for value, name in zip(member.values, measures, strict=True)
    ]


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
    own: dict[str, str],
    current: int | None = None,
) -> list[dict]:
    if not trials:
        return []
    x = [costs[trial.id].value for trial in trials]
    hover = [f"{own[trial.id]} ({trial.short})" for trial in trials]
    traces = charts.scatter(
        x, [trial.metrics[metric] for trial in trials], ids=hover, name=name, faint=faint, current=current, **style
    )
    if faint:  # seen on the dark ground too
        traces[0]["marker"]["opacity"] = 0.55
    spreads = [costs[trial.id] for trial in trials]
    if any(spread.low is not None for spread in spreads):
        ends = [
            (end if spread.low is None else spread.low, end if spread.high is None else spread.high)
            for spread, end in zip(spreads, x, strict=True)
        ]
        traces[0]["error_x"] = charts.whiskers(x, ends, charts.faint(style["color"], 0.6 if faint else 0.85), thickness=1)
    return traces


def _whiskers(cost: str, costs: dict[str, Spread]) -> str:
    """What the spread of this cost is, as a sentence; "" where it has none."""
    if cost in trial_costs.TIMED:
        shared = " Trials that do the same work for a question share one spread, over all their runs."
        return "Whiskers: quartiles over the timed questions." + shared * any(spread.runs > 1 for spread in costs.values())
    has_interval = any(spread.low is not None for spread in costs.values())
    return "Whiskers: 95% interval of the mean over questions." * has_interval


def _explained(cost: str, costs: dict[str, Spread], recipes: int, front: int, unbeaten: int) -> str:
    if unbeaten == recipes:
        result = "These recipes do not differ significantly: none is ranked."
    else:
        result = f"{front:,} of {recipes:,} recipes are on the frontier: none costs less at as high a mean, nor is better at as low a cost."
        if behind := unbeaten - front:
            result += f" {cards.count(behind, 'other')} lie behind it, but not significantly."
    rule = (
        "Beaten: another is better (paired t tests, Holm over all pairs, 5%) at a cost that is not shown to be higher, or is cheaper "
        "(spreads that do not overlap) with a mean at least as high."
    )
    return " ".join(filter(None, (result, _whiskers(cost, costs), rule)))


def _three(third: str) -> str:
    return (
        f"Large: no other recipe is as good in all three measures and better in one, as measured. Colour: {measure_name(third)}. "
        "The table shows how certain each place is."
    )
