"""The tab Dimension and bytes: a metric over the size of a vector."""

from collections.abc import Sequence

import streamlit as st

from app import session
from app.ui import cards, charts, jobs
from app.ui.encoders.cells import color
from app.ui.encoders.press import button, cancellable
from core.labs.encoders import trade_off
from core.labs.encoders.comparison import EncoderResult
from core.labs.trials.comparison import label
from core.workbench import one_phase

DASHES = {
    "none": "solid",
    "int8": "dash",
    "binary": "dot",
    "opq": "longdash",
    "float16": "dashdot",
    "pq": "longdashdot",
}  # of a format
SLOW_POINTS = 150_000  # chunks times points of a curve: of more it is computed on a button


def curve(row: EncoderResult, ready: Sequence[EncoderResult], metric: str) -> None:
    workbench, config = session.workbench(), row.config
    if len(row.transform.chunks) < 2:
        return st.info(
            "This corpus is one chunk in these settings: nothing varies that could be left out.", icon=":material/info:"
        )
    if not row.intervals[metric].n:
        return st.caption("There are no questions with evidence to measure.")
    shape = config.transform
    # what was asked for stays while the dimension moves
    about = row.offer.id, shape.model_copy(update={"quantise": "none", "dimensions": 0, "code_bytes": 32, "rescore": 1})
    pressed = [name for name in ("curve", "more_formats") if st.session_state.get(name) == about]
    formats = (*trade_off.FORMATS, *(trade_off.MORE_FORMATS if "more_formats" in pressed else ()))
    todo = jobs.drain(trade_off.points_left(workbench, config, formats))
    press = jobs.Press("encoders-trade-off", one_phase(cards.count(todo, "point"), units=todo))
    if not pressed and todo * len(row.transform.chunks) > SLOW_POINTS:
        st.caption("Retrieval at each dimension and number format.")
        button(f"Measure {todo} points", press, "do_curve", "curve", about)
        return
    work = trade_off.trade_off(workbench, config, formats)
    now, points = cancellable(work, pressed[-1], press) if pressed and todo else jobs.drain(work)
    traces, data = [], []
    for name in formats:
        some = sorted((p for p in points if p.format == name), key=lambda p: p.bytes_per_vector)
        bounds = [p.intervals[metric] for p in some]
        traces += (
            charts.line(
                [p.bytes_per_vector for p in some],
                [b.mean for b in bounds],
                low=[b.low for b in bounds],
                high=[b.high for b in bounds],
                name=trade_off.format_name(name),
                color=color(row, ready),
                dash=DASHES[name],
                hover="%{customdata} dimensions, %{x:,.0f} bytes: %{y:.3f}",
            )
            if some
            else []
        )
        traces[-1]["customdata"] = [f"{p.dimensions:,}" for p in some]
        data += [
            {
                "dimensions": p.dimensions,
                "format": trade_off.format_name(name),
                "bytes_per_vector": p.bytes_per_vector,
                metric: b.mean,
                "low": b.low,
                "high": b.high,
            }
            for p, b in zip(some, bounds, strict=True)
        ]
    here = now.intervals[metric]
    traces += charts.line(
        [now.bytes_per_vector],
        [here.mean],
        current=now.bytes_per_vector,
        color=color(row, ready),
        hover="This setting, %{x:,.0f} bytes: %{y:.3f}",
    )
    if shape.projection == "none":  # the curves are projected, so it lies off them
        traces[-1]["name"] += ", no projection"
    ticks = [2**e for e in range(0, 14, 2)]
    drawn = charts.figure(
        traces,
        "Bytes per vector",
        label(metric, config.evaluation.k),
        legend=True,
        height=340,
        xaxis={"type": "log", "tickvals": ticks, "ticktext": [f"{t:,}" for t in ticks]},
    )
    kind = "Whitening" if shape.projection == "whitening" else "PCA"
    charts.show(
        drawn,
        "dimension-and-bytes",
        data=data,
        config=config,
        command=workbench.command(config, "encoders-trade-off", *(["--more"] if "more_formats" in pressed else [])),
        title=f"{row.offer.name}: {kind} dimensions in each number format",
        caption=f"n {here.n:,}, {100 * config.evaluation.confidence:g}% intervals; ringed: the setting on the left",
    )
    if "more_formats" not in pressed:
        more = jobs.drain(trade_off.points_left(workbench, config, trade_off.MORE_FORMATS))
        takes = one_phase(f"{cards.count(more, 'point')}, codebooks trained for codes of 4 to 128 bytes", units=more)
        button("Add float16, PQ and OPQ", jobs.Press("encoders-trade-off", takes), "more", "more_formats", about)
