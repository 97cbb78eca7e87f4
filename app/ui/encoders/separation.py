"""The tab Gold against random: how far evidence stands out from other chunks."""

from collections.abc import Sequence

import streamlit as st

from app import session
from app.ui import charts, jobs
from app.ui.encoders.cells import html_table, named, number
from app.ui.encoders.press import everything_asked
from core.labs.encoders.comparison import EncoderResult
from core.labs.encoders.geometry import separation_of


def separation(row: EncoderResult, ready: Sequence[EncoderResult], metric: str) -> None:
    separations = {encoder.offer.id: jobs.drain(separation_of(session.workbench(), encoder)) for encoder in ready}
    mine = separations[row.offer.id]
    if not len(mine.gold) or not len(mine.random):
        return st.caption("There are no questions with evidence to compare.")
    traces, data = [], []
    middles = ((mine.edges[:-1] + mine.edges[1:]) / 2).tolist()
    both = ("Random pairs", mine.random_counts, charts.BASELINE), ("Gold pairs", mine.gold_counts, charts.COLORS[2])
    for name, counts, shade in both:
        shares = (counts / counts.sum()).tolist()
        traces.append(
            {
                "type": "bar",
                "x": middles,
                "y": shares,
                "name": name,
                "marker": {"color": shade, "line": {"width": 0}},
                "opacity": 0.7,
                "hovertemplate": "cosine %{x:.2f}: %{y:.1%}<extra>" + name + "</extra>",
            }
        )
        data += [{"pairs": name, "cosine": x, "share": y} for x, y in zip(middles, shares, strict=True)]
    shape = charts.figure(
        traces, "Cosine of question and chunk", "Share of pairs", barmode="overlay", bargap=0, yaxis={"tickformat": ".0%"}
    )
    charts.show(
        shape,
        "gold-against-random",
        data=data,
        config=row.config,
        command=session.workbench().command(row.config, "encoders-separation", *everything_asked(session.config())),
        title=f"{row.offer.name}: similarity of a question with its evidence, and with random chunks",
        caption=f"{len(mine.gold):,} gold, {len(mine.random):,} random pairs",
    )
    html_table(
        ["Encoder", "AUC", "d′"],
        [
            [
                named(encoder, ready),
                number(f"{separations[encoder.offer.id].auc:.3f}"),
                number(f"{separations[encoder.offer.id].d_prime:.2f}"),
            ]
            for encoder in ready
        ],
    )
    st.caption(
        "AUC: the chance that a question is nearer to its evidence than to a random chunk; 0.5 is guessing. d′: the distance of "
        "the two means in standard deviations. Both cover all chunks, while ranking depends on the nearest few: a high AUC is "
        "necessary, not sufficient."
    )
