"""The tab Geometry: how encoders use their dimensions."""

from collections.abc import Sequence
from itertools import accumulate

import streamlit as st

from app import session
from app.ui import charts, jobs
from app.ui.encoders.cells import color, html_table, number
from core.labs.encoders.comparison import EncoderResult
from core.labs.encoders.geometry import Geometry, geometry_of

MEASURES = {  # what -> (name, how to read it, format)
    "average_cosine": ("Average cosine", "Mean cosine of two random texts. 0: no common direction; near 1: all in a narrow "
    "cone, where similarities differ little. Centring helps.", ".3f"),
    "isotropy": ("Isotropy", "Are all directions used? 1: all equally; lower: a few dominate.", ".3f"),
    "effective_rank": ("Effective rank", "Dimensions in use, of those there are. Far below them: PCA can drop the rest.", ",.0f"),
    "two_nn": ("Intrinsic dimension, TwoNN", "Degrees of freedom of the texts, from the two nearest neighbours of each. Fewer "
    "dimensions than this lose neighbourhoods.", ".1f"),
    "mle": ("Intrinsic dimension, MLE", "The same by maximum likelihood from 10 to 20 neighbours: less local.", ".1f"),
    "skewness": ("Hubness", "Skewness of how often a chunk is among the 10 nearest of others. Above 1: hubs, which are found "
    "for any question.", ".2f"),
    "antihubs": ("Anti-hubs", "Share of chunks that are among the nearest of no other: hard to find.", ".1%"),
}  # fmt: skip


def geometry(row: EncoderResult, ready: Sequence[EncoderResult], metric: str) -> None:
    shapes = {encoder.offer.id: jobs.drain(geometry_of(session.workbench(), encoder)) for encoder in ready}
    rows = []
    for name, (title, how, form) in MEASURES.items():
        under = f'<div class="gw-small" style="white-space:normal">{how}</div>'
        cells = [f'<td style="min-width:13rem">{title}{under}</td>']
        for encoder in ready:
            values = (
                getattr(diagnosis.hubness if name in ("skewness", "antihubs") else diagnosis, name)
                for diagnosis in shapes[encoder.offer.id]
                if diagnosis
            )
            before, *after = ("–" if value != value else format(value, form).replace("-", "−") for value in values)
            cells.append(number(after[0], f"was {before}") if after else number(before))
        rows.append(cells)
    html_table(["Measure", *(encoder.offer.name for encoder in ready)], rows)
    some = shapes[row.offer.id].before
    st.caption(
        f"Of all {some.n:,} chunks as directions; hubs and intrinsic dimension from {some.n_neighbours:,}. With a transform, "
        "the small number is the value without it."
    )
    spectrum(ready, shapes)


def spectrum(ready: Sequence[EncoderResult], shapes: dict[str, Geometry]) -> None:
    traces, data = [], []
    for encoder in ready:
        for state, dash, diagnosis in zip(("", " after"), ("solid", "dot"), shapes[encoder.offer.id], strict=True):
            if diagnosis:
                held = list(accumulate(diagnosis.spectrum.tolist()))
                at = sorted({*range(1, min(33, len(held) + 1)), *range(1, len(held) + 1, 4), len(held)})
                traces += charts.line(
                    at,
                    [held[d - 1] for d in at],
                    color=color(encoder, ready),
                    name=encoder.offer.name + state,
                    dash=dash,
                    hover="%{x} components: %{y:.1%}",
                )
                traces[-1]["mode"] = "lines"
                data += [{"encoder": encoder.offer.name + state, "directions": d, "share": y} for d, y in enumerate(held, 1)]
    shape = charts.figure(
        traces, "Principal components", "Cumulative variance", legend=True, yaxis={"range": [0, 1.02], "tickformat": ".0%"}
    )
    charts.show(
        shape,
        "spectrum",
        data=data,
        config=ready[0].config,
        command=session.workbench().command(
            session.config(), "encoders-geometry", *(word for encoder in ready for word in ("--encoder", encoder.offer.id))
        ),
        title="Variance explained by the first components",
        caption="steep: few components explain most; straight: all explain the same",
    )
