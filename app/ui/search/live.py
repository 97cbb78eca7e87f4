"""A knob that answers while it moves: where measuring its whole range takes a moment, that is done once and sent to the browser,
where slider, cards and curve follow the pointer. The server hears of a value when the knob rests, and measures it as ever."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import streamlit as st

from app import session
from app.ui import cards, forms, jobs
from app.ui.search import results
from core.config import with_settings
from core.labs.trials.curve import CurvePoint, recipe_without
from core.workbench import Evaluation

RANGE_MS = 1500.0  # a range that takes longer is not sent: its knob is the usual slider
FINE_MS = 400.0  # every step of the slider is measured where that takes no longer, else the points of the curve
FINE = 101  # steps
TRIED = 6  # values, after which it is told what all will take; the first warms up


class Range(NamedTuple):
    """What is known of a knob. rows: value -> its cards, line by line."""

    setting: str
    knob: forms.Knob
    now: Any
    rows: dict[Any, list[list[cards.Line]]]
    points: dict[Any, CurvePoint]

    @property
    def values(self) -> list[Any]:
        return sorted(self.rows)


@st.cache_resource(show_spinner=False)
def _component() -> Any:
    script, style = (Path(__file__).with_suffix(suffix).read_text("utf-8") for suffix in (".js", ".css"))
    return st.components.v2.component(
        "groundwork.live", isolate_styles=False, html='<div class="gw gw-live"></div>', js=script, css=style
    )


def range_of(
    current: Evaluation,
    baseline: Evaluation | None,
    setting: str,
    knob: forms.Knob,
    curve: Sequence[CurvePoint],
    row: Sequence[cards.Card],
) -> Range | None:
    """The range of this knob, measured as the page measures the value in use; None where that takes too long. row: the cards of the
    value in use."""
    values, run = [point.value for point in curve], current.run
    stage, _, name = setting.partition(".")
    now = getattr(getattr(run.config, stage), name)
    if knob.kind not in ("slider", "grid") or len(values) < 3 or now not in values:
        return None
    pinned = baseline and baseline.config.model_dump_json()
    about = recipe_without(run.config, setting), run.stamp, pinned, tuple(forms.points(knob))
    held = st.session_state.get("live_range")
    if not held or held[0] != about:
        held = st.session_state["live_range"] = (about, _measured(current, baseline, setting, values, knob))
    if held[1] is None:
        return None
    rows, points = held[1]
    own = {point.value: point for point in curve if point.value == now}
    return Range(setting, knob, now, rows | {now: list(map(cards.lines, row))}, points | own)


def _measured(
    current: Evaluation, baseline: Evaluation | None, setting: str, values: Sequence[Any], knob: forms.Knob
) -> tuple[dict[Any, list[list[cards.Line]]], dict[Any, CurvePoint]] | None:
    """Rows of cards and points by value; None: it would take too long."""
    workbench, rows, points, times = session.workbench(), {}, {}, []
    each_ms = lambda: (times[-1] - times[0]) * 1000 / (len(times) - 1)  # noqa: E731

    def measure(value: Any) -> bool:
        made = jobs.drain(workbench.evaluating(current.run.of(with_settings(current.config, {setting: value}))))
        # the baseline is judged as the recipe is
        other = results.measured_baseline(made.run) if baseline and setting.startswith("evaluation.") else baseline
        rows[value] = list(map(cards.lines, results.row_of(made, other)))
        points[value] = CurvePoint(value, made.intervals, 0.0, 1.0, {})
        times.append(time.perf_counter())
        return len(rows) < TRIED or each_ms() * len(values) < RANGE_MS

    if not all(map(measure, values)):
        return None
    fine = [value for value in forms.points(knob, most=FINE) if value not in rows]
    if each_ms() * len(fine) < FINE_MS:
        all(map(measure, fine))
    return rows, points


def moved(setting: str, key: str) -> None:
    """The callback of a knob that rests."""
    forms.attempt(session.CURRENT, setting.partition(".")[0], {setting: st.session_state[key].value})


def _place(role: str, span: Range, **data: Any) -> None:
    key = f"live/{role}"
    common = {"role": role, "setting": span.setting, "now": span.now, "values": span.values, "grid": span.knob.kind == "grid"}
    _component()(key=key, height="content", data=common | data, on_value_change=lambda: moved(span.setting, key))


def slider(span: Range) -> None:
    knob = span.knob
    label = f"{knob.label} ({knob.unit})" if knob.unit else knob.label
    _place("knob", span, label=label, about=knob.help, step=knob.step)


def row(span: Range) -> None:
    _place("cards", span, cards=[span.rows[value] for value in span.values])


def curve(span: Range, of: str, told: dict[Any, str], **words: Any) -> Callable[[], None]:
    """of: the metric; told: value -> what its point says beside its mean, of the points of the curve; words: axis, metric, title,
    ticks."""
    intervals = [span.points[value].intervals[of] for value in span.values]
    columns = {name: [getattr(interval, name) for interval in intervals] for name in ("mean", "low", "high")}
    spoken = {value: words.replace("<br>", ", ") for value, words in told.items()}
    beside = [
        spoken.get(value) if interval.mean is not None else None for value, interval in zip(span.values, intervals, strict=True)
    ]
    return lambda: _place("curve", span, **columns, told=beside, log=span.knob.kind == "grid" and span.values[0] > 0, **words)
