"""Traces: where the time of a request went, against its peers, and which stage owns the slowest."""

import streamlit as st

from app import session
from app.ui import cards, charts, tables
from app.ui.serving import playground, waterfall
from core.errors import WorkbenchError
from core.report.table import COUNT, DAY_TIME, ONE, PERCENT, Column, Table
from core.serving import stored_spans
from core.serving import traces as asked
from core.workbench import command_line

PEERS = 200
COLUMNS = (
    Column("began", format=DAY_TIME, width=130),
    Column("name", width=220),
    Column("ms", "Length (ms)", ONE, direction=-1),
    Column("spans", format=COUNT),
    Column("errors", format=COUNT),
    Column("service", width=140),
    Column("trace", width=280),
)
OWN = (
    Column("stage", width=280),
    Column("own_ms", "Own time (ms)", ONE),
    Column("median_ms", "Usual (ms)", ONE, "Median of its peers."),
    Column("excess_ms", "More by (ms)", ONE),
    Column("slower_than", "Slower than", PERCENT, "Of its peers."),
)
ALIGNED = (
    Column("stage", width=280),
    Column("first_ms", "This (ms)", ONE),
    Column("second_ms", "Other (ms)", ONE),
    Column("difference_ms", "Other minus this (ms)", ONE),
    Column("own_difference_ms", "Of its own time (ms)", ONE),
    Column("first_tokens", "Tokens", COUNT),
    Column("second_tokens", "Other's tokens", COUNT),
)
OWNERS = (
    Column("stage", width=280),
    Column("median_ms", "Median (ms)", ONE),
    Column("drop_ms", "p99 drops by (ms)", ONE, "If it took its usual time in every trace."),
    Column("low", "From", ONE),
    Column("high", "To", ONE),
    Column("share", format=PERCENT),
    Column("note", width=200),
)
WHY = "Each request to a service leaves a trace. Start a service and ask it, or read a file with `python -m core serving import-traces`."


def draw() -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input("With the words", key="trace_text", placeholder="in a name, a message or an attribute")
        slower = st.number_input("Slower than (ms)", 0, 600_000, 0, key="trace_slower", width=150)
        failed = st.toggle("Failed", key="trace_failed")
    workbench = session.workbench()
    rows = stored_spans.traces(workbench, stored_spans.TraceSearch(text, "", float(slower), failed, ""), 100)
    if lost := stored_spans.dropped(workbench):
        st.caption(f"{lost:,} spans were lost, as the buffer was full or they could not be written.")
    if not rows:
        cards.empty("No traces" if not text else "No trace holds these words", WHY)
        return
    chosen = tables.choose(Table("traces", COLUMNS, rows), [row["trace"] for row in rows], param="trace")
    if chosen is not None:
        opened(rows[chosen]["trace"], rows[chosen]["name"])
        beside(rows[chosen]["trace"], {row["trace"]: f"{row['name']}, {row['ms']:.0f} ms, {row['trace'][:8]}" for row in rows})
        playground.draw(rows[chosen]["trace"], rows[chosen]["service"])
    tail()


def opened(trace: str, name: str) -> None:
    workbench = session.workbench()
    spans = stored_spans.spans(workbench, [trace])
    falls = asked.waterfalls(spans)
    command = command_line("serving", "trace", trace, "--peers", str(PEERS))
    charts.show(
        waterfall.figure(falls),
        "waterfall",
        command=command,
        title=f"Trace {trace[:8]}",
        caption=f"{falls.total[0] / 1e6:.0f} ms",
    )
    others = [span for span in stored_spans.latest(workbench, name, PEERS) if span.trace != trace]
    if others:
        excess = asked.slow_against(asked.waterfalls((*spans, *others)), 0)
        tables.draw(Table("slow_against", OWN, [row._asdict() for row in excess], "Against its peers"))


def beside(trace: str, listed: dict[str, str]) -> None:
    """Another trace, stage by stage. listed: id -> what it is called."""
    others = [other for other in listed if other != trace]
    look = {"format_func": lambda other: cards.plain(listed[other]), "placeholder": "another of these traces"}
    other = st.selectbox("Stage by stage beside", others, index=None, key=f"beside/{trace}", **look)
    if other is None:
        return
    falls = asked.waterfalls(stored_spans.spans(session.workbench(), [trace, other]))
    rows = [row._asdict() for row in asked.aligned(falls, falls.number(trace), falls.number(other))]
    command = command_line("serving", "trace", trace, "--beside", other)
    tables.draw(Table("trace_beside", ALIGNED, rows, f"Trace {trace[:8]} beside {other[:8]}", command=command))


def tail() -> None:
    box = st.expander(
        "Which stage slows the slowest traces", key="tail", on_change="rerun"
    )  # a thousand traces, resampled a thousand times
    if not box.open:
        return
    with box:
        falls = asked.waterfalls(stored_spans.latest(session.workbench(), "", 1000))
        charts.show(
            waterfall.percentile_figure(asked.percentile_waterfall(falls)),
            "percentile_waterfall",
            command=command_line("serving", "tail"),
            title=f"The usual waterfall of {cards.count(len(falls.traces), 'trace')}",
            caption="bar: median, whisker: p95",
        )
        try:
            owners = asked.tail_owners(falls)
        except WorkbenchError as error:
            return st.caption(cards.plain(error.what))
        tables.draw(Table("tail_owners", OWNERS, [row._asdict() for row in owners], "Owners of the p99"))
