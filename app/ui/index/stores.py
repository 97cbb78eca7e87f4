"""The tab Vector stores: engines that keep vectors, searched, written, shared by agents and killed under the same conditions."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, charts, jobs, tables
from core.labs.index.glance import Glance
from core.labs.stores import advice
from core.labs.stores import tables as lab
from core.labs.stores.bench import price
from core.labs.stores.contention import WORKLOADS
from core.records import Corpus
from core.workbench import command_line

BENCHMARKS = {  # name -> its button, its options when it is short
    "contention": ("Let four agents write", ()),
    "measure": ("Measure all stores", ("--quick",)),
    "kill": ("Kill while they write", ("--moments", "5")),
}
MOST_LANES = 60  # operations in the drawing
LOOKS = {"lost": ("Confirmed, then lost", charts.COLORS[5], 9), "there": ("Confirmed", charts.COLORS[0], 5)}


def stores(here: Glance, corpus: Corpus) -> None:
    for place, (name, (label, options)) in zip(st.columns(3), BENCHMARKS.items(), strict=True):
        arguments = ["stores", name, *options, *(["--dataset", corpus.name] if name == "measure" else [])]
        with place:
            jobs.start_button(label, arguments, label, price(name), place=f"stores/{name}", kind="secondary")
    seen = advice.evidence(session.workbench())
    if not any(seen):
        cards.empty(
            "No store was tried yet",
            "Each of the three buttons starts a job of minutes; python -m core stores measure runs the whole "
            "measurement, on an idle machine.",
        )
        return left_out()
    for sentence in advice.advice(seen):
        st.markdown(f"- {cards.plain(sentence)}")
    if seen.histories:
        contention(seen.histories)
    if seen.measured:
        measured(seen.measured)
    if seen.kills:
        st.markdown("**Killed while they write**")
        tables.draw(lab.kill_table(seen.kills), "stores/kill")
    if seen.measured:
        st.markdown("**Claims of a well-known note on stores**")
        tables.draw(advice.claims_table(seen.measured), "stores/claims")
        tables.draw(advice.note_table(seen.measured), "stores/note")
    left_out()


def left_out() -> None:
    of: dict[str, list[str]] = {}
    for row in lab.left_out(session.workbench()):
        of.setdefault(" ".join(filter(None, (f"{row['store']}: {row['reason']}", row["command"]))), []).append(row["of"])
    if of:
        words = [f"{reason} ({', '.join(benchmarks)})" for reason, benchmarks in of.items()]
        st.caption("Left out. " + " ".join(map(cards.plain, words)))


def contention(histories: Sequence[Mapping[str, Any]]) -> None:
    st.markdown("**Four agents, one memory**")
    drawn = [row for row in histories if row["workload"] in ("list", "compare_and_set")]
    if drawn:
        names = {f"{row['title']}: {WORKLOADS[row['workload']]}, {row['arm']}": row for row in drawn}
        row = names[st.selectbox("History", list(names), key="store_history")]
        charts.show(
            timeline(row["history"][:MOST_LANES]),
            "store-history",
            data=row["history"],
            command=command_line("stores", "show", "contention"),
            title="What four agents wrote",
            caption=f"{row['acknowledged']:,} confirmed, {row['lost']:,} lost",
        )
    tables.draw(lab.contention_table(histories), "stores/contention")


def timeline(history: Sequence[Mapping[str, Any]]) -> charts.Figure:
    """A lane an agent; each operation from its beginning to its confirmation, lost writes in red."""
    traces = []
    for name, (words, color, width) in LOOKS.items():
        some = [each for each in history if each["acknowledged"] and each["lost"] == (name == "lost")]
        x, y = [], []
        for each in some:
            x += [each["began"], each["ended"], None]
            y += [f"Agent {each['agent'] + 1}"] * 2 + [None]
        look = {"color": color, "width": width}
        traces.append({"type": "scatter", "mode": "lines", "x": x, "y": y, "name": words, "line": look, "hoverinfo": "x"})
    lanes = {"categoryorder": "array", "categoryarray": [f"Agent {number}" for number in (4, 3, 2, 1)]}
    return charts.figure(traces, "Milliseconds from the first operation", "", legend=True, height=240, yaxis=lanes)


def measured(rows: Sequence[Mapping[str, Any]]) -> None:
    st.markdown("**At the same recall**")
    tables.draw(lab.recall_table(rows), "stores/recall")
    st.markdown("**Under a filter**")
    tables.draw(lab.filter_table(rows), "stores/filters")
    written = lab.writers_table(rows)
    if written.rows:
        st.markdown("**Written by several processes**")
        charts.show(
            writers([row for row in rows if row["quantity"] == "writes"]),
            "store-writers",
            data=written.rows,
            command=command_line("stores", "show", "writers"),
            title="Rows a second, one a commit",
            caption=written.note,
        )
        tables.draw(written, "stores/writers")
    mixed = lab.mixed_table(rows)
    if mixed.rows:
        tables.draw(mixed, "stores/mixed")


def writers(rows: Sequence[Mapping[str, Any]]) -> charts.Figure:
    """Rows a second by the number of writers, a curve a store and setting; those of one writer alone are points of the table."""
    curves: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        curves.setdefault(f"{row['title']}, {row['setting']}", []).append(row)
    traces = []
    for place, (name, points) in enumerate((name, points) for name, points in curves.items() if len(points) > 1):
        points = sorted(points, key=lambda row: row["writers"])
        ends = {end: [row[end] for row in points] for end in ("low", "high")}
        numbers, values = [row["writers"] for row in points], [row["value"] for row in points]
        traces += charts.line(
            numbers,
            values,
            name=name,
            color=charts.look(place)[0],
            hover="%{x}: %{y:.0f} rows/s",
            interval="range of the repeats",
            **ends,
        )
    axes = {
        "xaxis": {"tickvals": sorted({row["writers"] for row in rows})},
        "yaxis": charts.log_axis([row["value"] for row in rows]),
    }
    return charts.figure(traces, "Writers at once", "Rows a second", legend=True, height=340, **axes)
