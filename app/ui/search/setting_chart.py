"""The chart of a setting: the one moved last over its whole range, at k chunks or at equal context, with its cost.

Only what was measured is drawn: a value that is not embedded yet is a gap, and one press embeds all of them.
"""

import shlex
from collections.abc import Sequence
from contextlib import suppress
from math import log10
from typing import Any, NamedTuple

import streamlit as st

from app import session
from app.ui import cards, charts, forms, jobs
from app.ui.held import result_of
from app.ui.search import choosing, live, looks
from core.comparison.comparison import Difference
from core.config import TrialConfig, difference, with_settings
from core.errors import WorkbenchError
from core.evaluation.metric import MAIN, metric_names
from core.labs.corpus.chunks import readable_tokens
from core.labs.trials import curve as setting_curve
from core.labs.trials.comparison import equals_words, label, times_context
from core.labs.trials.curve import CurvePoint, Values, metrics_at_budget
from core.report.caption import interval_method
from core.workbench import Evaluation, Forecast, Resolved, around, as_options, one_phase

COMPARED_ELSEWHERE = ("embedding", "transform")  # each of their values embeds anew: the pages Encoders and Index compare them
TESTED = {"all": "All questions include the test half", "test": "These are the test half's questions"}
AT_K, EQUAL = "First k chunks", "Equal context"
JUDGED = (
    "First k chunks: as the recipe is judged; larger chunks then mean more text. Equal context: every value gets the same "
    "number of tokens a question, and the last chunk is cut there."
)


def draw(current: Evaluation, baseline: Evaluation | None, row: Sequence[cards.Card]) -> live.Range | None:
    """row: the cards of the recipe in use. Returns what is known of the setting's range; None where its knob is the usual slider."""
    config, run = current.config, current.run
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="trade_off_of"):
        title, setting, knob = chosen_setting(config)
        metric, budget = measure(config, setting)
        looks.draw(current, row)
        head = st.container(width="stretch", key="trade_off_head")
    workbench, stage = session.workbench(), setting.split(".")[0]
    now = getattr(getattr(config, stage), knob.name)
    wanted = forms.points(knob, now)
    offered = setting_curve.values(workbench, run, setting, wanted)
    # the value in use moves: what is kept is the curve without it
    ready = [value for value in offered.ready if value != now or value in forms.points(knob)]
    slow_s = setting_curve.slow_ms(workbench, run, setting, ready, budget) / 1000
    slow = slow_s > setting_curve.AT_ONCE_MS / 1000
    takes = one_phase(cards.count(len(ready), "point"), around(slow_s), units=len(ready), like=setting)
    about = setting_curve.recipe_without(config, setting), budget, tuple(map(str, ready))
    place, span = f"{setting}/{budget}", None
    curve = result_of(
        "curve",
        about,
        f"Compute {len(ready)} points",
        jobs.Press("curve", takes) if slow else None,
        key=place,
        show_old=True,
        over=setting,
        work=lambda: setting_curve.curve(workbench, run, setting, ready, budget),
    )
    if curve:
        held = st.session_state["held"]["curve", place]
        if held.about != about:  # of the recipe before: the value in use now is no point of its curve
            config, now = held.recipe, None
        elif now in offered.ready and now not in ready:
            curve = [*curve, *jobs.drain(setting_curve.curve(workbench, run, setting, [now], budget))]
        if now is not None and not (slow or budget or offered.missing or workbench.stages()[stage].costs):
            span = live.range_of(current, baseline, setting, knob, curve, row)
        # judged otherwise, it is no other recipe
        other = None if stage == "evaluation" else reference(run.of(config), curve, now, budget)
        chart(config, title, setting, knob, metric, budget, wanted, curve, now, other, span, head)
    not_drawn(session.config(), setting, knob, offered)
    if curve and stage != "evaluation":
        notes(config, setting, metric, budget, curve, takes)
    return span


def choices(config: TrialConfig) -> dict[str, tuple[str, Any]]:
    """Title -> (setting, knob) of what can be drawn, those that make a curve first."""
    # what a recipe of one retriever does not use changes nothing
    idle = session.workbench().unused(config)
    stages = [stage for stage in session.workbench().ranking_fields()[::-1] if stage not in {*idle, *COMPARED_ELSEWHERE}]
    offered = [
        (f"{forms.title(stage)}: {knob.label}", (f"{stage}.{knob.name}", knob))
        for stage in (*stages, "evaluation")
        for knob in forms.knobs(type(getattr(config, stage)))
        if (knob.low is not None and knob.high is not None or knob.options) and (stage != "evaluation" or knob.name == "k")
    ]
    return dict(sorted(offered, key=lambda pair: pair[1][1].kind == "choice"))


def stage_first(config: TrialConfig) -> str:
    """The stage whose knobs stand open on a page just opened: that of the setting drawn."""
    offered = choices(config)
    title = st.query_params.get("knob") or st.session_state.get("trade_off", {}).get("knob")
    return offered[title if title in offered else next(iter(offered))][0].partition(".")[0]


def chosen_setting(config: TrialConfig) -> tuple[str, str, Any]:
    """(title, setting, knob) of the select box, which follows the setting moved last and the stage opened last."""
    offered = choices(config)
    state, (path, moves) = st.session_state, session.moves()
    remembered("knob")
    if state.get("knob_followed", 0) != moves:  # a move is followed once: what is chosen here afterwards stays
        state.knob_followed = moves
        if moved := [title for title, (setting, _) in offered.items() if setting == path]:
            [state.knob] = moved
    trade_off, opened = state.setdefault("trade_off", {}), state.get(forms.OPEN)
    if trade_off.setdefault("opened", opened) != opened:
        trade_off["opened"] = opened
        own = [title for title, (setting, _) in offered.items() if setting.startswith(f"{opened}.")]
        if own and state.get("knob") not in own:
            state.knob = own[0]
    away, instead = trade_off.get("knob_away", ("", ""))
    if "knob" in state and state.knob not in offered:
        trade_off["knob_away"] = state.knob, next(iter(offered))
        state.knob = next(iter(offered))
    elif away in offered and trade_off.pop("knob_away") and state.get("knob") == instead:
        state.knob = away  # the recipe has it again, and nobody chose another one meanwhile
    title = st.selectbox(
        "Setting",
        list(offered),
        key="knob",
        label_visibility="collapsed",
        bind="query-params",
        width=215,
        on_change=_open,
        args=({title: setting.partition(".")[0] for title, (setting, _) in offered.items()},),
    )
    trade_off["knob"] = title
    return title, *offered[title]


def _open(stages: dict[str, str]) -> None:
    """The callback of the select box: the knob of the setting chosen comes into sight."""
    state = st.session_state
    state[forms.OPEN] = state["trade_off"]["opened"] = stages[state.knob]


def remembered(key: str) -> None:
    """Before its widget: the choice survives a visit to another page, whose address does not carry it."""
    state = st.session_state
    if key not in state and key not in st.query_params and key in state.get("trade_off", {}):
        state[key] = state["trade_off"][key]


def measure(config: TrialConfig, setting: str) -> tuple[str, int]:
    """(metric, tokens of context that every value gets; 0: the first k chunks)."""
    state, budget, k = st.session_state, 0, config.evaluation.k
    trade_off = state.setdefault("trade_off", {})
    if setting.startswith("chunking."):
        remembered("knob_judged")
        look = {"bind": "query-params", "width": "content"}
        way = forms.one_of("Judged on", [AT_K, EQUAL], "knob_judged", help=JUDGED, **look)
        if way == EQUAL:
            remembered("knob_budget")
            budget = st.number_input(
                "Context (tokens)", 64, 32768, config.context.max_tokens, 100, key="knob_budget", bind="query-params", width=150
            )
            trade_off["knob_budget"] = budget
        trade_off["knob_judged"] = way
    offered = metrics_at_budget() if budget else metric_names()
    remembered("knob_metric")
    if "knob_metric" in state and state.knob_metric not in offered:
        state.knob_metric = MAIN
    titles = {name: named(name, k, budget) for name in offered}
    look = {"label_visibility": "collapsed", "bind": "query-params", "width": 115}
    metric = forms.one_of_many("Metric", titles, "knob_metric", MAIN, **look)
    trade_off["knob_metric"] = metric
    return metric, budget


class Reference(NamedTuple):
    """What the values of a curve are compared with, question by question."""

    name: str
    point: CurvePoint
    against: dict[str, Any]  # in which settings it is another recipe than the current one


def reference(run: Resolved, curve: Sequence[CurvePoint], now: Any, budget: int) -> Reference | None:
    """The pinned baseline at the same context, where it is at hand; else the value in use."""
    workbench, pinned = session.workbench(), session.baseline()
    if pinned is not None and pinned != run.config and workbench.plan(run.of(pinned)).live:
        point = setting_curve.point_of(workbench, run.of(pinned), budget)
        return Reference("the baseline", point, difference(pinned, run.config))
    own = next((point for point in curve if point.value == now), None)
    return own and Reference("the current value", own, {})


def named(metric: str, k: int | str, budget: int) -> str:
    """A metric with the depth it is judged at; at equal context there is none."""
    return label(metric, k).replace(f"@{k}", "") if budget else label(metric, k)


def chart(
    config: TrialConfig,
    title: str,
    setting: str,
    knob: Any,
    metric: str,
    budget: int,
    wanted: Sequence[Any],
    curve: Sequence[CurvePoint],
    now: Any,
    other: Reference | None,
    span: live.Range | None,
    head: Any,
) -> None:
    at = {point.value: point for point in curve}
    values = [value for value in wanted if value in at or not isinstance(value, str)]
    intervals = [at[value].intervals[metric] if value in at else None for value in values]
    traces = charts.line(
        values,
        [interval and interval.mean for interval in intervals],
        low=[interval and interval.low for interval in intervals],
        high=[interval and interval.high for interval in intervals],
        current=now,
    )
    compared = (
        setting_curve.differences(session.workbench(), config, curve, other.point, metric) if other else [None] * len(curve)
    )
    told = {point.value: hover_words(point, change, other) for point, change in zip(curve, compared, strict=True)}
    traces = [
        trace
        | (
            {
                "customdata": [told.get(value, "") for value in values],
                "hovertemplate": "%{x}: %{y:.3f}%{customdata}<extra></extra>",
            }
            if "hovertemplate" in trace
            else {}
        )
        for trace in traces
    ]
    layout, costs = {}, setting.startswith("chunking.") and not (budget and all(point.full == 1 for point in curve))
    if costs:
        tokens = [at[value].context_tokens if value in at else None for value in values]
        below = charts.line(values, tokens, current=now, color=charts.BASELINE, hover="%{x}: %{y:,.0f} tokens")
        traces += [{**trace, "yaxis": "y2"} for trace in below]
        layout |= charts.second_row("Context (tokens)") | {"height": 400}
    axis = powers(values) if knob.kind == "grid" else {}
    if axis:
        layout["xaxis"] = {**layout.get("xaxis", {}), **axis}
    if setting.endswith("size_tokens") and not forms.unused("embedding", config) and (limit := readable_tokens(config.embedding)):
        layout |= charts.mark_line(limit, f"encoder limit, {limit:,} tokens", vertical=True)
        layout["annotations"][0] |= {"x": log10(limit), "xanchor": "right", "xshift": -charts.GAP}
    k = "k" if setting == "evaluation.k" else config.evaluation.k
    judged = f"{budget:,} tokens of context" if budget else f"the first {k} chunks"
    along, up = f"{knob.label} ({knob.unit})" if knob.unit else knob.label, named(metric, k, budget)
    interval = f"{100 * config.evaluation.confidence:g}% interval"
    shape, name = charts.figure(traces, along, up, **layout), f"{title} over its range"
    measured = [value for value in wanted if value in at]
    command = f"{session.workbench().command(config, 'curve')} --grid {setting}={','.join(map(str, measured))}"
    if other and other.against:
        command += f" {shlex.join(as_options('--against', other.against))}"
    data = setting_curve.rows(setting, curve, {metric: compared} if other else None)
    charts.show(
        shape,
        "trade-off",
        data=sorted(data, key=lambda row: measured.index(row[setting])),
        config=config,
        title=name,
        head=head,
        instead=span
        and live.curve(span, metric, told, axis=along, up=up, title=name, ticks=axis.get("tickvals"), level=interval),
        caption=f"n {intervals[values.index(measured[0])].n:,}, {judged}",
        command=command + (f" --budget {budget}" if budget else ""),
        method=interval_method(config),
        judged=judged_words(config, setting, metric, budget),
    )


def judged_words(config: TrialConfig, setting: str, metric: str, budget: int) -> str:
    """How the values of a curve were judged, for the caption of its figure in a paper."""
    k, limit = config.evaluation.k, readable_tokens(config.embedding) if not forms.unused("embedding", config) else None
    name, words = named(metric, k, budget), [f"judged at depth k = {k}"]
    if budget:
        words = [f"judged on {budget:,} tokens of context for each question, the last chunk cut there"]
    chunker = [
        forms.setting_words(path, config).partition(": ")[2]
        for path in ("chunking.part", *(f"chunking.{knob.name}" for knob in forms.knobs(type(config.chunking))))
        if path != setting
    ]
    words.append(f"chunks: {', '.join(chunker)}")
    if limit:
        words.append(f"the encoder reads the first {limit:,} tokens of a chunk")
    return f"{name}, {'; '.join(words)}"


def hover_words(point: CurvePoint, change: Difference | None, other: Reference | None) -> str:
    """The paired difference of a value, as the lines that its hover adds."""
    if change is None or change.paired.difference is None:
        return ""
    paired = change.paired
    spread = f" [{paired.low:+.3f}, {paired.high:+.3f}]" if paired.low is not None else ""
    told = f"<br>{paired.difference:+.3f}{spread} to {other.name}"
    if paired.low is None:
        told += f" ({paired.note}, n {paired.n:,})"
    p = "" if change.p_holm is None else "<br>p < 0.001 (Holm)" if change.p_holm < 0.001 else f"<br>p {change.p_holm:.3f} (Holm)"
    times = times_context(point.context_tokens, other.point.context_tokens)
    return (told + p).replace("-", "\u2212") + (f"<br>{times}" if times else "")


def powers(values: Sequence[float]) -> dict[str, Any]:
    """A logarithmic axis whose ticks are written out, for a setting over orders of magnitude."""
    shown = [value for value in values if value > 0]
    if len(shown) < len(values) or not shown:
        return {}
    ticks = [2**e if isinstance(shown[0], int) else 10.0**e for e in range(-6, 21)]
    ticks = [tick for tick in ticks if shown[0] <= tick <= shown[-1]]
    ticks = ticks[:: len(ticks) // 7 + 1]  # level, also where the chart is narrow
    return {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:,g}" if tick < 1 else f"{tick:,.0f}" for tick in ticks]}


def notes(config: TrialConfig, setting: str, metric: str, budget: int, curve: Sequence[CurvePoint], takes: Forecast) -> None:
    """What the curve does not say by itself: what it costs, and what choosing its highest point costs. takes: the curve itself."""
    if setting.startswith("chunking."):
        st.caption(" ".join(filter(None, context_notes(config, budget, curve))))
    told = best_of_many(config, metric, curve)
    if config.corpus.questions != "dev":
        told += f" {TESTED[config.corpus.questions]}: a value chosen here cannot be confirmed on it."
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="trade_off_notes"):
        st.caption(told.strip(), width="stretch")
        choosing.button(setting, metric, budget, [point.value for point in curve], takes)
    choosing.told(setting)


def context_notes(config: TrialConfig, budget: int, curve: Sequence[CurvePoint]) -> list[str]:
    limit = readable_tokens(config.embedding) if not forms.unused("embedding", config) else None
    reads = f"The encoder reads only the first {limit:,} tokens of a chunk." if limit else ""
    least, most = (pick(curve, key=lambda point: point.context_tokens) for pick in (min, max))
    if budget:
        short = min(curve, key=lambda point: point.full)
        told = f"Every value gets {budget:,} tokens a question; the last chunk is cut at this length."
        if short.full < 1:
            told += (
                f" At {forms.number(short.value)} the {config.retrieval.candidates:,} candidates are too few for "
                f"{1 - short.full:.0%} of the questions: raise Candidates in Retrieval."
            )
        return [told, reads]
    if most.context_tokens < 1.2 * least.context_tokens:
        return [reads]
    return [
        f"The first {config.evaluation.k} chunks are {least.context_tokens:,.0f} tokens at {forms.number(least.value)} and "
        f"{most.context_tokens:,.0f} at {forms.number(most.value)}. A chunk with the evidence counts however long it is, so "
        "large chunks win here: compare at equal context.",
        reads,
    ]


def best_of_many(config: TrialConfig, metric: str, curve: Sequence[CurvePoint]) -> str:
    """What the highest point is worth, by paired tests against it."""
    best = setting_curve.best_and_equals(session.workbench(), config, curve, metric)
    if not best:
        return ""
    bounded = [point.intervals[metric] for point in curve if point.intervals[metric].low is not None]
    others = sum(interval.mean > best[0].intervals[metric].mean - 1e-12 for interval in bounded) - 1
    tie = f", as did {cards.count(others, 'other')}" if others else ""
    return (
        f"{forms.number(best[0].value)} scored highest of {len(bounded)} values{tie}; {equals_words(best[1], len(bounded) - 1)} "
        f"(paired, {100 * config.evaluation.confidence:g}%, Holm)."
    )


def not_drawn(config: TrialConfig, setting: str, knob: Any, values: Values) -> None:
    """Values that are not valid, and those that wait for being embedded."""
    for why, some in values.invalid.items():
        st.caption(f"Left out: {listed(some, knob.unit)}. {cards.plain(why)}.")
    if not values.missing:
        return
    workbench, swept = session.workbench(), config
    usual = type(getattr(config, setting.split(".")[0])).model_fields[knob.name].default
    with suppress(WorkbenchError):  # what is swept is no part of the recipe: the job is found again while the slider moves
        swept = with_settings(config, {setting: usual})
    valid = ",".join(map(str, sorted((set(values.ready) | set(values.missing)) & set(forms.points(knob)))))
    arguments = ["prepare", *workbench.arguments(swept), "--grid", f"{setting}={valid}"]
    number = cards.count(len(values.missing), "value")
    title = f"{forms.title(setting.split('.')[0])}: {knob.label}, {number}"
    gap = f"Gaps in the curve, not measured yet: {listed(values.missing, knob.unit)}."
    job = jobs.latest(arguments)
    beside = not job or job.status == "done"  # the progress of a job takes the whole width
    with st.container(horizontal=beside, vertical_alignment="center"):
        st.caption(gap, width="stretch")
        takes = one_phase(number, values.estimate, units=len(values.missing), like=setting)
        jobs.start_button(f"Measure {len(values.missing)} more", arguments, title, takes)


def listed(values: Sequence[Any], unit: str) -> str:
    """ "8, 12, 16 tokens (3 values)"; many are cut in the middle."""
    texts = [forms.number(value) for value in values]
    shown = texts if len(texts) <= 6 else [*texts[:3], "…", texts[-1]]
    return f"{', '.join(shown)} {unit}".strip() + (f" ({len(texts)} values)" if len(texts) > 3 else "")
