"""What only the page Inside the model draws: parts, memory, time against context, attention, routes."""

from collections.abc import Mapping, Sequence

import numpy as np

from app.ui import charts
from core.labs.inside.cache import Fit, TimedToken
from core.models import architecture
from core.models.architecture import Architecture, Memory

SCALE = "Viridis"
CELLS = 40  # tokens: with more, only the parts of the prompt are named at the axes
GB = 1e9


def parts(a: Architecture) -> charts.Figure:
    """Parameters by part, largest on top."""
    some = sorted(a.parts.items(), key=lambda item: item[1])
    bar = {
        "type": "bar",
        "orientation": "h",
        "y": [name for name, _ in some],
        "x": [count / 1e6 for _, count in some],
        "marker": {"color": charts.COLORS[0]},
        "text": [
            charts.safe("< 0.1%") if 0 < count / a.parameters < 0.001 else f"{count / a.parameters:.1%}" for _, count in some
        ],
        "textposition": "outside",
        "cliponaxis": False,
        "hovertemplate": "%{y}: %{x:,.2f} M<extra></extra>",
    }
    return charts.figure(
        [bar], "million parameters", height=90 + 30 * len(some), margin={"l": 110, "r": 56}, yaxis={"showgrid": False}
    )


def attentions(a: Architecture) -> dict[str, str]:
    """The kinds of attention that the calculator asks about, as a person reads them."""
    groups = architecture.kv_heads_under(a, "GQA")
    return {"": f"As it is ({a.attention})", "MHA": "MHA", "GQA": f"GQA, {groups} KV heads", "MQA": "MQA"}


def cache_by_context(a: Architecture, context: int, batch: int, precision: str, attention: str, free: float) -> charts.Figure:
    """Cache over context for each kind of attention; the chosen one ringed, free memory as a line."""
    lengths = np.unique(np.linspace(0, max(context, a.context or context), 33).astype(int)).tolist()
    lengths = sorted({*lengths, context})
    traces = []
    for number, (kind, name) in enumerate(reversed(attentions(a).items())):
        values = [architecture.cache_bytes(a, n, batch, precision, kind) / GB for n in lengths]
        color = charts.COLORS[0] if kind == "" else charts.COLORS[number + 1]
        traces += charts.line(
            lengths,
            values,
            name=name,
            color=color,
            dash="solid" if kind == "" else "dot",
            current=context if kind == attention else None,
            hover="%{x:,} tokens: %{y:.3f} GB",
        )
    for trace in traces:
        if trace.get("mode") == "lines+markers":
            trace["mode"] = "lines"
    highest = max(max(trace["y"]) for trace in traces)
    mark = charts.mark_line(free / GB, "free here") if free / GB < 1.3 * highest else {}
    return charts.figure(traces, "context, tokens", "key-value cache, GB", legend=True, height=320, **mark)


def memory_bar(memory: Memory, free: float) -> charts.Figure:
    """Weights, cache and activations on one line beside what is free."""
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "y": [""],
            "x": [value / GB],
            "name": name,
            "marker": {"color": color},
            "legendrank": -rank,
            "hovertemplate": f"{name}: %{{x:.3f}} GB<extra></extra>",
        }
        for rank, (name, value, color) in enumerate(zip(("Weights", "Cache", "Activations"), memory, charts.COLORS, strict=False))
    ]
    near = free < 4 * memory.total  # else the bars would be too thin to be read
    mark = charts.mark_line(free / GB, "free here", vertical=True) if near else {}
    look = {"height": 170, "legend": True, "barmode": "stack", "bargap": 0.55, "yaxis": {"showgrid": False}}
    return charts.figure(traces, "GB", **look, **mark)


def live(steps: Sequence[TimedToken]) -> charts.Figure:
    """Both ways while they are being measured."""
    plain = [s for s in steps if s.uncached_s is not None]
    traces = charts.line(
        [s.context_tokens for s in plain], [s.uncached_s * 1000 for s in plain], name="Without cache", color=charts.COLORS[1]
    )
    traces += charts.line([s.context_tokens for s in steps], [s.cached_s * 1000 for s in steps], name="With cache")
    drawn = [1000 * v for s in steps for v in (s.cached_s, s.uncached_s) if v is not None]
    return charts.figure(traces, "context, tokens", "ms a token", legend=True, yaxis=charts.log_axis(drawn))


def timed(steps: Sequence[TimedToken], fits: tuple[Fit, Fit], cached: bool) -> charts.Figure:
    """Milliseconds a token over context length, with the linear and the quadratic fit."""
    some = steps if cached else [s for s in steps if s.uncached_s is not None]
    x = [s.context_tokens for s in some]
    y = [(s.cached_s if cached else s.uncached_s) * 1000 for s in some]
    color = charts.COLORS[0 if cached else 1]
    dots = {
        "type": "scatter",
        "mode": "markers",
        "x": x,
        "y": y,
        "name": "Measured",
        "marker": {"size": 5, "color": color, "opacity": 0.65},
        "hovertemplate": "%{x:,} tokens: %{y:.2f} ms<extra></extra>",
    }
    traces, at = [dots], np.linspace(min(x), max(x), 60)
    for fit, name, dash in zip(fits, ("Linear", "Quadratic"), ("dash", "solid"), strict=True):
        if not np.isnan(fit.r2):
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "x": at.tolist(),
                    "y": (fit.at(at) * 1000).tolist(),
                    "name": f"{name}, R² {fit.r2:.3f}",
                    "hoverinfo": "skip",
                    "line": {"color": charts.BASELINE if dash == "dash" else color, "width": 2, "dash": dash},
                }
            )
    middle = float(np.quantile(y, 0.99))
    return charts.figure(traces, "context, tokens", "ms a token", legend=True, height=280, yaxis={"range": [0, 1.15 * middle]})


def cache_memory(steps: Sequence[TimedToken]) -> charts.Figure:
    traces = charts.line(
        [s.context_tokens + 1 for s in steps], [s.cache_bytes / 1e6 for s in steps], hover="%{x:,} tokens: %{y:.2f} MB"
    )
    return charts.figure(traces, "tokens held", "MB", height=240, legend=False, yaxis={"rangemode": "tozero"})


def attention_map(weights: np.ndarray, tokens: Sequence[str], spans: Mapping[str, tuple[int, int]], query: int) -> charts.Figure:
    """One head [queries, keys]: each row is what a token attends to, on a scale of roots so that small shares show."""
    names = [f"{number} {shown(token)}" for number, token in enumerate(tokens)]
    values = np.asarray(weights, np.float32)
    lower = np.tril(np.ones_like(values, bool))
    rows = [
        [round(float(v), 4) if seen else None for v, seen in zip(row, mask, strict=True)]
        for row, mask in zip(values, lower, strict=True)
    ]
    drawn = [[None if v is None else v**0.5 for v in row] for row in rows]
    heat = {
        "type": "heatmap",
        "x": names,
        "y": names,
        "z": drawn,
        "customdata": rows,
        "colorscale": SCALE,
        "zmin": 0,
        "zmax": 1,
        "hovertemplate": "%{y} attends to %{x}: %{customdata:.4f}<extra></extra>",
        "hoverongaps": False,
        "colorbar": {"thickness": 10, "tickvals": [0.1, 0.3162, 0.7071, 1], "ticktext": ["0.01", "0.1", "0.5", "1"]},
    }
    axis = {"type": "category", "showgrid": False, "ticks": "", "showline": False, **_span_ticks(names, spans)}
    marks = [
        {
            "type": "rect",
            "x0": -0.5,
            "x1": query + 0.5,
            "y0": query - 0.5,
            "y1": query + 0.5,
            "line": {"color": charts.COLORS[5], "width": 1.5},
        }
    ]
    return charts.figure(
        [heat],
        "key token",
        "query token",
        height=520,
        xaxis=axis,
        yaxis=axis | {"autorange": "reversed"},
        shapes=marks,
        margin={"l": 96},
    )


def _span_ticks(names: Sequence[str], spans: Mapping[str, tuple[int, int]]) -> dict:
    if len(names) <= CELLS:
        return {}
    middle = {names[(start + max(start, end - 1)) // 2]: name for name, (start, end) in spans.items() if end > start}
    return {"tickmode": "array", "tickvals": list(middle), "ticktext": list(middle.values())}


def heads(values: np.ndarray, unit: str, layer: int, head: int, top: float | None = None) -> charts.Figure:
    """A number of every head [layers, heads]. Cells cannot be clicked in plotly, so unseen points lie on them."""
    layers, many = values.shape
    heat = {
        "type": "heatmap",
        "z": np.round(values.T.astype(float), 4).tolist(),
        "x": list(range(layers)),
        "y": list(range(many)),
        "colorscale": SCALE,
        "zmin": 0,
        "zmax": top,
        "hoverinfo": "skip",
        "xgap": 1,
        "ygap": 1,
        "colorbar": {"thickness": 10, "title": {"text": unit or "share"}},
    }
    places = [(i, j) for i in range(layers) for j in range(many)]
    unseen = {"marker": {"opacity": 0}}
    points = {
        "type": "scatter",
        "mode": "markers",
        "x": [i for i, _ in places],
        "y": [j for _, j in places],
        "customdata": [round(float(values[i, j]), 4) for i, j in places],
        "marker": {"symbol": "square", "size": 22, "opacity": 0, "color": charts.BASELINE},
        "selected": unseen,
        "unselected": unseen,
        "hovertemplate": f"layer %{{x}}, head %{{y}}: %{{customdata:.3f}} {unit}<extra></extra>",
    }
    ring = {
        "type": "rect",
        "x0": layer - 0.5,
        "x1": layer + 0.5,
        "y0": head - 0.5,
        "y1": head + 0.5,
        "line": {"color": charts.COLORS[5], "width": 2.5},
    }
    whole = {"showgrid": False, "showline": False, "ticks": ""}
    return charts.figure(
        [heat, points],
        "layer",
        "head",
        height=90 + 22 * many,
        legend=False,
        shapes=[ring],
        xaxis=whole | {"dtick": 1 if layers <= 40 else 5, "range": [-0.5, layers - 0.5]},
        yaxis=whole | {"dtick": 1, "range": [many - 0.5, -0.5]},
    )


def shares(parts: Sequence[str], head: Sequence[float], mean: Sequence[float]) -> charts.Figure:
    """What falls on each part of the prompt: the chosen head beside all of them."""
    names = list(parts)[::-1]
    traces = charts.bars(
        names,
        {"All heads": list(mean)[::-1], "This head": list(head)[::-1]},
        horizontal=True,
        colors={"All heads": charts.BASELINE, "This head": charts.COLORS[0]},
        hover="%{y}: %{x:.3f}",
    )
    return charts.figure(
        traces, "share of the attention", height=120 + 34 * len(names), legend=True, margin={"l": 96}, xaxis={"range": [0, 1]}
    )


def shown(token: str) -> str:
    """A token as an axis or a hover names it: blanks and line ends to be seen, markup disarmed."""
    return charts.safe(token.replace("\n", "↵").replace(" ", "·") or "∅")


def grid(values: np.ndarray, rows: Sequence[str], columns: Sequence[str]) -> charts.Figure:
    """Shares [rows, columns] as a heatmap with its numbers."""
    heat = {
        "type": "heatmap",
        "z": np.round(values, 4).tolist(),
        "x": list(columns),
        "y": list(rows),
        "colorscale": SCALE,
        "zmin": 0,
        "zmax": 1,
        "xgap": 1,
        "ygap": 1,
        "texttemplate": "%{z:.2f}" if values.shape[1] <= 8 else "",
        "colorbar": {"thickness": 10},
        "hovertemplate": "%{y}, expert %{x}: %{z:.3f}<extra></extra>",
    }
    plain = {"type": "category", "showgrid": False, "showline": False, "ticks": ""}
    return charts.figure(
        [heat],
        "expert",
        height=110 + 22 * len(rows),
        legend=False,
        margin={"l": 130},
        xaxis=plain,
        yaxis=plain | {"autorange": "reversed"},
    )


def color(expert: int) -> str:
    colors = (*charts.COLORS, charts.BASELINE, "#332288")
    return colors[expert % len(colors)]


def routes(experts: np.ndarray, has_room: np.ndarray, gates: np.ndarray, tokens: Sequence[str], many: int) -> charts.Figure:
    """The first choice of each token [tokens, layers]: a row a layer, a colour an expert, pale where it was dropped."""
    traces = []
    for expert in range(many):
        at = np.argwhere(experts == expert)  # [n, 2] of token, layer
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": f"expert {expert}",
                "x": at[:, 0].tolist(),
                "y": at[:, 1].tolist(),
                "hovertext": [
                    f"{shown(tokens[t])}, gate {gates[t, layer]:.2f}{'' if has_room[t, layer] else ', dropped'}"
                    for t, layer in at
                ],
                "hovertemplate": f"%{{hovertext}}<extra>expert {expert}</extra>",
                "marker": {
                    "symbol": "square",
                    "size": 7,
                    "color": color(expert),
                    "opacity": [1.0 if has_room[t, layer] else 0.25 for t, layer in at],
                },
            }
        )
    layers = experts.shape[1]
    return charts.figure(
        traces,
        "token of the text",
        "layer",
        height=130 + 28 * layers,
        legend=True,
        yaxis={"dtick": 1, "range": [layers - 0.5, -0.5], "showgrid": False},
    )
