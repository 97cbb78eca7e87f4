"""The charts of the page Agreement."""

from collections.abc import Iterable, Sequence

import numpy as np

from app.ui import charts
from app.ui.dots import Mark, cuts, marks, with_lines
from core.agreement.annotators import People
from core.agreement.coefficients import Growing
from core.agreement.headline import Headline
from core.agreement.machines import Against
from core.agreement.preferences import Preferences
from core.agreement.systems import Rates
from core.annotation.system_names import short_names
from core.statistics.agreement.coefficient import Agreement


def coefficients(rows: Sequence[Agreement]) -> charts.Figure:
    low = min([0.0, *(row.low for row in rows if row.low is not None)])
    return marks(
        [
            Mark(row.name, row.value, row.low, row.high, charts.COLORS[0] if i == 0 else charts.BASELINE)
            for i, row in enumerate(rows)
        ],
        "Agreement",
        span=(min(low * 1.05, -0.02), 1.02),
    )


def growth(growing: Growing) -> charts.Figure:
    """Alpha against labels so far, its band, and the stop rule."""
    points = [(n, alpha) for n, alpha in growing.points if alpha.low is not None]
    x, y = [n for n, _ in points], [alpha.value for _, alpha in points]
    traces = charts.line(
        x,
        y,
        low=[alpha.low for _, alpha in points],
        high=[alpha.high for _, alpha in points],
        hover="%{x:,} labels<br>alpha %{y:.3f}",
    )
    for side in (-1, 1) if growing.rule == "half_width" else ():
        traces.append(charts.guide(x, [value + side * growing.target for value in y], dash="dot"))
    shape = charts.figure(
        traces,
        "Labels so far",
        "Krippendorff's alpha",
        legend=False,
        height=340,
        xaxis={"range": [max(0, x[0] - 0.02 * x[-1]), x[-1] * 1.02]},
    )
    wanted = f"{'half-width' if growing.rule == 'half_width' else 'alpha'} {growing.target:g}"
    lines = [(growing.stop_at, f"{wanted} reached at {growing.stop_at:,} labels")] if growing.stop_at else []
    with_lines(shape, lines)
    for note in shape["layout"]["annotations"]:  # near the right edge the words would leave the chart
        note["xanchor"] = "right" if growing.stop_at > 0.5 * max(x, default=0) else "left"
    if growing.rule == "alpha":
        goal = charts.mark_line(growing.target, f"alpha of the stop rule, {growing.target:g}")
        for name in ("shapes", "annotations"):
            shape["layout"][name] = [*shape["layout"][name], *goal[name]]
    return shape


def pairs(people: People) -> charts.Figure:
    """Agreement of each two annotators; empty where they share no units or it is undefined."""
    names, small = list(cuts(people.names).values()), len(people.names) <= 10
    blank = np.isnan(people.matrix)
    z = [[None if blank[i, j] else float(people.matrix[i, j]) for j in range(len(names))] for i in range(len(names))]
    trace = {
        "type": "heatmap",
        "x": names,
        "y": names,
        "z": z,
        "colorscale": "Cividis",
        "zmax": 1.0,
        "zmin": float(np.nan_to_num(people.matrix).min(initial=0.0)),
        "xgap": 1,
        "ygap": 1,
        "customdata": people.shared.tolist(),
        "hoverongaps": False,
        "colorbar": {"title": {"text": people.coefficient, "side": "right", "font": {"size": 12}}, "thickness": 12, "len": 1.0},
        "showscale": not small,  # small ones have their numbers in the cells
        "hovertemplate": "%{y} and %{x}<br>%{z:.3f}, %{customdata:,} units in common<extra></extra>",
        **({"texttemplate": "%{z:.2f}"} if small else {}),
    }
    height = 160 + (44 if small else 15) * max(len(names), 2)
    shown = {"tickfont": {"size": 12 if small else 9}, "showgrid": False, "type": "category"}
    return charts.figure(
        [trace],
        height=height,
        legend=False,
        xaxis={**shown, "tickangle": 0 if small else -60, "automargin": True},
        yaxis={**shown, "autorange": "reversed"},
    )


def left_out(people: People) -> charts.Figure:
    """Alpha of the others without each annotator, beside that of all."""
    shown = [row for row in people.rows if row.name in set(people.names)]
    rows = [Mark(row.name, row.left_out.value, None, None) for row in shown]
    return marks(
        rows, "Alpha of the others", lines=[(people.alpha, f"all: {people.alpha:.3f}")] if people.alpha is not None else ()
    )


def drifts(people: People) -> charts.Figure:
    """Agreement with the others in the first, middle and last third of each annotator's labels."""
    shown = [row for row in people.rows if row.drift and row.drift.trend is not None and row.name in set(people.names)][:12]
    traces = []
    for place, row in enumerate(shown):
        parts, shift = row.drift.parts, 0.05 * (place - (len(shown) - 1) / 2)  # whiskers beside each other
        ends = [(part.mean if part.low is None else part.low, part.mean if part.high is None else part.high) for part in parts]
        traces += charts.line(
            [at + shift for at in range(3)],
            [part.mean for part in parts],
            name=cuts(people.names)[row.name],
            color=charts.look(place)[0],
            dash=("solid", "dot")[place // len(charts.COLORS)],
            hover="%{y:.3f}",
        )
        traces[-1]["error_y"] = charts.whiskers([part.mean for part in parts], ends, charts.look(place)[0])
    thirds = {"tickvals": [0, 1, 2], "ticktext": ["first", "middle", "last"], "range": [-0.4, 2.4]}
    return charts.figure(
        traces, "Third of the annotator's labels, in time", "Share agreed with the others", legend=True, xaxis=thirds
    )


def named(systems: Iterable[str]) -> dict[str, str]:
    """Systems as tables and charts call them: what tells them apart, without the middles of long names."""
    short = short_names(systems)
    return {name: cuts(list(short.values()))[text] for name, text in short.items()}


def system_rates(rates: Rates, word: str) -> charts.Figure:
    short = short_names(system.name for system in rates.systems)
    rows = [
        Mark(short[system.name], system.share.mean, system.share.low, system.share.high, *charts.look(i))
        for i, system in enumerate(rates.systems)
    ]
    return marks(rows, word, span=None if rates.by_mean else (-0.02, 1.02))


def strengths(preferences: Preferences) -> charts.Figure:
    short = short_names(preferences.systems)
    rows = [
        Mark(short[name], strength.mean, strength.low, strength.high, *charts.look(i))
        for i, (name, strength) in enumerate(zip(preferences.systems, preferences.strengths.strengths, strict=True))
    ]
    return marks(rows, "Strength (log odds, mean 0)", lines=[(0.0, "")], digits=2)


def roc(machine: Against) -> charts.Figure:
    curve = {
        "type": "scatter",
        "mode": "lines",
        "x": machine.roc.false_positive.tolist(),
        "y": machine.roc.true_positive.tolist(),
        "line": {"color": charts.COLORS[0], "width": 2},
        "fill": "tonexty",
        "fillcolor": "rgba(118,118,118,0.08)",
        "customdata": [None if np.isinf(t) else float(t) for t in machine.roc.thresholds],
        "hovertemplate": "accepted from %{customdata:.3f} on<br>%{x:.1%} of no, %{y:.1%} of yes<extra></extra>",
    }
    return on_diagonal(curve, "People say no: share accepted", "People say yes: share accepted", (0.14, 0.1, "chance"))


def calibrated(machine: Against) -> charts.Figure:
    bins = [bucket for bucket in machine.calibration.bins if bucket.score is not None]
    x, y = [bucket.score for bucket in bins], [bucket.share.mean for bucket in bins]
    trace = {
        "type": "scatter",
        "mode": "lines+markers+text",
        "x": x,
        "y": y,
        "line": {"color": charts.COLORS[0], "width": 1.5},
        "marker": {"size": 8},
        "text": [f"{bucket.share.n:,}" for bucket in bins],
        "textfont": {"size": 11},
        "textposition": ["middle left" if at > 0.9 else "middle right" for at in x],
        "error_y": charts.whiskers(y, [(bucket.share.low, bucket.share.high) for bucket in bins]),
        "hovertemplate": "score %{x:.2f}: %{y:.1%} yes, n %{text}<extra></extra>",
    }
    return on_diagonal(trace, "Score", "People say yes: share", (0.14, 0.1, "calibrated"))


def on_diagonal(trace: dict, x: str, y: str, note: tuple[float, float, str]) -> charts.Figure:
    """A curve on the unit square against the diagonal, which has its name beside it."""
    diagonal = charts.guide([0, 1], [0, 1], dash="dash")
    name = {
        "x": note[0],
        "y": note[1],
        "text": note[2],
        "showarrow": False,
        "xanchor": "left",
        "yanchor": "top",
        "font": {"size": 11, "color": charts.BASELINE},
    }
    return charts.figure(
        [diagonal, trace],
        x,
        y,
        legend=False,
        height=340,
        annotations=[name],
        xaxis={"range": [-0.01, 1.03]},
        yaxis={"range": [-0.02, 1.03]},
    )


def groups(machine: Against) -> charts.Figure:
    rows = [
        Mark(f"{group.name} ({group.n:,})", group.pearson.value, group.pearson.low, group.pearson.high)
        for group in machine.groups
    ]
    return marks(
        rows, "Pearson's r with people", lines=[(machine.pearson.value, "all")] if machine.pearson.value is not None else ()
    )


def corrected(headline: Headline) -> charts.Figure:
    """The share by people alone, by the machine alone, and corrected by either method."""
    first, grey = headline.methods[0], charts.BASELINE
    rows = [
        Mark(f"People alone ({first.n_human:,})", *first.human_only[:3], color=grey),
        *(Mark(estimate.method, estimate.value, estimate.low, estimate.high) for estimate in headline.methods),
        Mark("Machine alone, its scores", *first.machine_only[:3], color=grey),
    ]
    if len(headline.methods) > 1:
        rows.append(Mark("Machine alone, its verdicts", *headline.methods[1].machine_only[:3], color=grey))
    truth = [(headline.truth, f"people on all: {headline.truth:.3f}")] if headline.truth is not None else []
    return marks(rows, "Share of answers that count as yes throughout", lines=truth, span=(-0.02, 1.02))
