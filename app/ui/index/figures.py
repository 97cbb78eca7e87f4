"""What only the page Index draws: recall against speed, costs, the inside of an index, filters, fallback, churn."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from app.ui import charts
from core import registry
from core.labs.index.churn import Churn
from core.labs.index.cost import Cost
from core.labs.index.fallback import Fallback
from core.labs.index.filtered import Filtered
from core.labs.index.points import AXES, IndexPoint, frontier, logit, title
from core.scratch.indexes.inside import Graph, Walk, degrees, layers
from core.statistics.bootstrap import Interval

SHAPES = ("circle", "square", "triangle-up")  # six colours serve more parts
FAINT = 0.65  # opacity: less than that sinks into dark ground
TICKS = (0.01, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9999, 1.0)
WAYS = {"before": "Filter, then search", "after": "Search deeper, then filter", "exact": "Exact among the allowed"}


def look(part: str) -> tuple[str, str]:
    """(colour, marker) of a part, the same in every chart; grey: exact search, and what is no part any more."""
    place = _place(part)
    if place is None:
        return charts.BASELINE, "circle"
    return charts.COLORS[place % len(charts.COLORS)], SHAPES[place // len(charts.COLORS) % len(SHAPES)]


def _place(part: str) -> int | None:
    approximate = [name for name in registry.parts("index") if name != "exact"]
    return approximate.index(part) if part in approximate else None


def points(points: Sequence[IndexPoint], axis: str, now: IndexPoint | None) -> charts.Figure:
    """Recall on a logit axis against another measure: all points faint, the frontier of this machine's solid."""
    words, unit, _ = AXES[axis]
    drawn = [p for p in points if p.recall is not None and getattr(p, axis) is not None]
    best = frontier([p for p in drawn if p.here], y=axis)
    traces = (
        [
            {
                "type": "scatter",
                "x": [_at(p) for p in best],
                "y": [getattr(p, axis) for p in best],
                "name": "Frontier",
                "mode": "lines",
                "line": {"color": charts.BASELINE, "width": 2},
                "hoverinfo": "skip",
            }
        ]
        if best
        else []
    )
    solid = {p.id for p in best}
    for part in sorted({p.part for p in drawn}, key=lambda name: (_place(name) is None, _place(name) or 0)):
        traces += _cloud([p for p in drawn if p.part == part], axis, solid, part)
    if now and now.recall is not None and getattr(now, axis) is not None:
        traces.append(
            {
                "type": "scatter",
                "x": [_at(now)],
                "y": [getattr(now, axis)],
                "mode": "markers",
                "name": "This setting",
                "hovertext": [_hover(now, axis)],
                "hovertemplate": "%{hovertext}<extra>this setting</extra>",
                "marker": {"symbol": "circle-open", "size": 16, "color": look(now.part)[0], "line": {"width": 2.5}},
            }
        )
    axes = {"xaxis": _recall_axis([*drawn, *([now] if now else [])])}
    return charts.figure(
        traces,
        "Recall against exact search (logit scale)",
        f"{words}, {unit}" if unit else words,
        legend=True,
        height=360,
        **axes,
        yaxis=charts.log_axis([*(getattr(p, axis) for p in drawn), *([getattr(now, axis)] if now else [])]),
    )


def _cloud(some: list[IndexPoint], axis: str, solid: set[str], part: str) -> list[dict]:
    """The points of a part, and its mark in the legend, which would be as faint as the first of them."""
    color, shape = look(part)
    both = {"type": "scatter", "mode": "markers", "name": title(part), "legendgroup": title(part)}
    return [
        both
        | {
            "showlegend": False,
            "x": [_at(p) for p in some],
            "y": [getattr(p, axis) for p in some],
            "customdata": [p.id for p in some],
            "hovertext": [_hover(p, axis) for p in some],
            "hovertemplate": "%{hovertext}<extra></extra>",
            "marker": {
                "color": color,
                "size": [9 if p.id in solid else 7 for p in some],
                "symbol": [shape if p.here else "diamond-open" for p in some],
                "opacity": [1.0 if p.id in solid else FAINT for p in some],
            },
        },
        both | {"x": [None], "y": [None], "marker": {"color": color, "size": 8, "symbol": shape}},
    ]


def _at(point: IndexPoint) -> float:
    return logit(point.recall, point.neighbours)


def _hover(point: IndexPoint, axis: str) -> str:
    value = getattr(point, axis)
    number = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    away = "" if point.here else "<br>another machine or version"
    return f"{point.label}<br>recall {point.recall:.4f}, {number} {AXES[axis][1]}{away}"


def _recall_axis(drawn: list[IndexPoint]) -> dict[str, Any]:
    if not drawn:
        return {}
    most = max(p.neighbours for p in drawn)
    at = [_at(p) for p in drawn]
    low, high = min(at) - 0.8, max(at) + 0.8
    ticks: list[float] = []
    for tick in reversed(TICKS):  # those that leave room for their labels; on few neighbours many lie at one place
        if low <= logit(tick, most) <= high and (not ticks or logit(ticks[-1], most) - logit(tick, most) > (high - low) / 14):
            ticks.append(tick)
    return {"tickvals": [logit(t, most) for t in ticks], "ticktext": [f"{t:g}" for t in ticks], "range": [low, high]}


def costs(costs: Sequence[Cost], values: Sequence[float], metric: str, setting: str, now: Any, fusion: str) -> charts.Figure:
    """Difference of a metric to exact search along the query setting, in points, with its interval and the margin."""
    traces = []
    for name, color, ranked in (
        ("Dense only", charts.COLORS[4], [c.dense for c in costs]),
        (f"Through {fusion}", charts.COLORS[0], [c.fused for c in costs]),
    ):
        if fusion == "dense only" and ranked and name != "Dense only":
            continue
        tests = [r.effects[metric].equivalence for r in ranked]
        measured = [(v, t) for v, t in zip(values, tests, strict=True) if t.low is not None]
        traces += charts.line(
            [v for v, _ in measured],
            [t.difference * 100 for _, t in measured],
            name=name,
            color=color,
            current=now,
            low=[t.low * 100 for _, t in measured],
            high=[t.high * 100 for _, t in measured],
            hover="%{x}: %{y:+.2f} points",
            interval="90% interval",
        )
    margin, label = costs[0].margin_points, costs[0].dense.effects[metric].label
    band = {
        "type": "rect",
        "xref": "paper",
        "x0": 0,
        "x1": 1,
        "y0": -margin,
        "y1": margin,
        "layer": "below",
        "fillcolor": charts.BASELINE,
        "opacity": 0.12,
        "line": {"width": 0},
    }
    edge = {"width": 1, "color": charts.faint(charts.BASELINE, 0.4)}
    traces.append(
        charts.sample("margin", {"symbol": "square", "size": 13, "color": charts.faint(charts.BASELINE, 0.12), "line": edge})
    )
    return charts.figure(
        traces,
        setting,
        f"{label} minus exact, points",
        legend=True,
        shapes=[band],
        xaxis={"type": "log", "tickvals": list(values), "ticktext": [f"{v:,}" for v in values]},
        yaxis={"zeroline": True, "zerolinewidth": 1},
    )


def list_sizes(sizes: np.ndarray) -> charts.Figure:
    step = int(np.ceil((sizes.max() + 1) / 40))
    edges = np.arange(-0.5, sizes.max() + step, step)  # whole numbers in each bin
    return charts.figure(charts.histogram(sizes, bins=edges), "vectors in a list", "lists", height=240)


def graph_layers(graph: Graph) -> charts.Figure:
    sizes = layers(graph)
    return charts.figure(
        charts.bars([str(s.layer) for s in sizes], {"": [s.nodes for s in sizes]}, hover="layer %{x}: %{y:,} vectors"),
        "layer",
        "vectors",
        height=220,
        legend=False,
        xaxis={"type": "category"},
        yaxis={"type": "log", "dtick": 1, "range": [-0.3, float(np.log10(max(sizes[0].nodes, 2))) + 0.3]},
    )


def graph_degrees(graph: Graph) -> charts.Figure:
    """How many links leave a vector, and how many lead to it, on the lowest layer."""
    links, traces = degrees(graph, 0), []
    for name, color, counts in (("leave a vector", charts.COLORS[0], links.out), ("lead to it", charts.COLORS[1], links.into)):
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "line": {"color": color, "width": 2, "shape": "hvh"},
                "name": name,
                "x": list(range(len(counts))),
                "y": counts.tolist(),
                "hovertemplate": "%{x} links: %{y:,} vectors<extra></extra>",
            }
        )
    return charts.figure(traces, "links on the lowest layer", "vectors", height=220, legend=True)


def walked(walk: Walk) -> charts.Figure:
    """Each vector whose links were followed, and the best found so far."""
    hops, traces = walk.hops, []
    for name, color, upper in (("upper layers", charts.COLORS[1], True), ("lowest layer", charts.COLORS[0], False)):
        some = [(i, hop) for i, hop in enumerate(hops, 1) if (hop.layer > 0) == upper]
        if some:
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": name,
                    "x": [i for i, _ in some],
                    "y": [h.score for _, h in some],
                    "hovertext": [f"hop {i}, layer {h.layer}: score {h.score:.3f}, {len(h.compared)} compared" for i, h in some],
                    "hovertemplate": "%{hovertext}<extra></extra>",
                    "marker": {"size": 6, "color": color},
                }
            )
    traces.append(
        {
            "type": "scatter",
            "mode": "lines",
            "name": "best so far",
            "x": list(range(1, len(hops) + 1)),
            "y": [hop.best_score for hop in hops],
            "line": {"color": charts.COLORS[2], "width": 2, "shape": "hv"},
            "hovertemplate": "best after %{x} hops: %{y:.3f}<extra></extra>",
        }
    )
    return charts.figure(traces, "hop", "score", height=260, legend=True)


def filtered(results: Sequence[Filtered], recalls: Sequence[Interval], k: int) -> charts.Figure:
    """Mean recall with its interval by the share of the chunks that a filter allows, a colour for each way to filter. Nothing
    lies between two filters, so no line joins them; the ways stand a little apart where they coincide."""
    traces = []
    for number, (way, name) in enumerate(WAYS.items()):
        some = sorted(
            ((f, r) for f, r in zip(results, recalls, strict=True) if f.strategy == way), key=lambda pair: pair[0].selectivity
        )
        color = charts.BASELINE if way == "exact" else charts.COLORS[number]
        whiskers = [(r.low is not None, r) for _, r in some]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": [f.selectivity * 100 * 1.05 ** (number - 1) for f, _ in some],
                "y": [r.mean for _, r in some],
                "meta": "whiskers",
                "marker": {"size": 8, "color": color, "symbol": charts.SYMBOLS[number]},
                "error_y": {
                    "type": "data",
                    "symmetric": False,
                    "thickness": 1.2,
                    "width": 3,
                    "color": color,
                    "array": [r.high - r.mean if has else None for has, r in whiskers],
                    "arrayminus": [r.mean - r.low if has else None for has, r in whiskers],
                },
                "hovertext": [
                    f"{charts.safe(f.label)}<br>{f.selectivity:.1%}, {f.allowed:,} chunks, {f.p50_ms:.2f} ms" for f, _ in some
                ],
                "hovertemplate": "%{hovertext}<br>recall %{y:.3f}<extra></extra>",
            }
        )
    return charts.figure(
        traces,
        "chunks that the filter allows, %",
        f"Recall@{k} vs exact",
        legend=True,
        xaxis=charts.log_axis([f.selectivity * 100 for f in results]),
    )


def fell_back(curve: Sequence[Fallback], now: Fallback, k: int) -> charts.Figure:
    """Recall after the fallback by the share sent, beside what a random choice of as many gives."""
    share = [f.sent * 100 for f in curve]
    traces = charts.line(
        share,
        [f.recall_random for f in curve],
        name="Random baseline",
        color=charts.BASELINE,
        dash="dash",
        low=[f.random_low for f in curve],
        high=[f.random_high for f in curve],
    )
    traces += charts.line(
        share,
        [f.recall_after for f in curve],
        name="Sent by the rule",
        current=now.sent * 100,
        hover="%{x:.0f}% sent: recall %{y:.4f}",
    )
    return charts.figure(traces, "questions sent to exact search, %", f"Recall@{k} vs exact", legend=True)


def churned(life: Churn, rebuild_at: float | None) -> charts.Figure:
    """Recall of the changed index and of one built anew, by how much was changed."""
    some, x = life.rounds, [r.churned * 100 for r in life.rounds]
    traces = charts.line(x, [float(np.nanmean(r.recall)) for r in some], name="Changed index", hover="%{x:.0f}%: recall %{y:.4f}")
    fresh = [r for r in some if r.fresh_recall is not None]
    traces += charts.line(
        [r.churned * 100 for r in fresh],
        [float(np.nanmean(r.fresh_recall)) for r in fresh],
        name="Built anew",
        color=charts.BASELINE,
        dash="dash",
        hover="%{x:.0f}%: recall %{y:.4f}",
    )
    mark = charts.mark_line(rebuild_at * 100, "rebuild", vertical=True) if rebuild_at is not None else {}
    return charts.figure(traces, f"churn, % of the {life.unit}", f"Recall@{life.k} vs exact", legend=True, height=260, **mark)


def churn_latency(life: Churn) -> charts.Figure:
    some, x = life.rounds, [r.churned * 100 for r in life.rounds]
    traces = charts.line(x, [r.p50_ms for r in some], name="Median", hover="%{x:.0f}%: %{y:.3f} ms")
    traces += charts.line(x, [r.p95_ms for r in some], name="95th percentile", dash="dot", hover="%{x:.0f}%: %{y:.3f} ms")
    fresh = [r for r in some if r.fresh_p50_ms is not None]
    traces += charts.line(
        [r.churned * 100 for r in fresh],
        [r.fresh_p50_ms for r in fresh],
        name="Built anew",
        color=charts.BASELINE,
        dash="dash",
        hover="%{x:.0f}%: %{y:.3f} ms",
    )
    return charts.figure(traces, f"churn, % of the {life.unit}", "milliseconds", legend=True, height=260)
