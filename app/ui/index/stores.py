"""The tab Vector stores: engines that keep vectors, searched, written, shared by agents and killed under the same conditions."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, charts, jobs, tables
from core.labs.index.glance import Glance
from core.labs.stores import advice, answers
from core.labs.stores import tables as lab
from core.labs.stores.bench import price
from core.labs.stores.contention import WORKLOADS
from core.records import Corpus
from core.workbench import command_line

BENCHMARKS = {  # name -> its button, its options when it is short
    "contention": ("Let four agents write", ()),
    "measure": ("Measure all stores", ("--quick",)),
    "kill": ("Kill while they write", ("--moments", "5")),
    "answers": ("Compare the answers", ()),
}
MOST_LANES = 60  # operations in the drawing
WIDE, LEAF = 42, 0.1  # of the tree: characters a line, and where its leaves begin, of its width
POINTS = {"mode": "markers+text", "textposition": "middle right"}
LOOKS = {"lost": ("Confirmed, then lost", charts.COLORS[5], 9), "there": ("Confirmed", charts.COLORS[0], 5)}


def stores(here: Glance, corpus: Corpus) -> None:
    workbench, config, margin = session.workbench(), here.cost.config, here.cost.margin_points
    seen, cost = advice.evidence(workbench), answers.standing(workbench, config, answers.AnswersPlan(margin))
    if any(seen):
        choices(seen)
    else:
        cards.empty(
            "No store was tried yet",
            "Each of the buttons starts a job of minutes; python -m core stores measure runs the whole "
            "measurement, on an idle machine.",
        )
    buttons({"measure": ["--dataset", corpus.name], "answers": ["--margin", f"{margin:g}", *workbench.arguments(config)]})
    if cost:
        st.markdown("**What a store costs the answer**")
        tables.draw(cost, "stores/answers")
        st.caption(cards.plain(f"{cost.note}."))
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
        st.markdown("**The note's table, repeated**")
        tables.draw(advice.note_table(seen.measured), "stores/note")
    left_out()


def buttons(own: Mapping[str, Sequence[str]]) -> None:
    """Two and two. own: what a benchmark's arguments say of the page besides."""
    for place, (name, (label, options)) in zip([*st.columns(2), *st.columns(2)], BENCHMARKS.items(), strict=True):
        arguments = ["stores", name, *options, *own.get(name, [])]
        with place:
            jobs.start_button(label, arguments, label, price(name), place=f"stores/{name}", kind="secondary")


def choices(seen: advice.StoreEvidence) -> None:
    """Which store for whom, as a tree of questions and in sentences."""
    questions, table = advice.tree(seen), advice.tree_table(seen)
    charts.show(
        decision_tree(questions),
        "store-tree",
        data=table.rows,
        command=table.command,
        title=table.title,
        caption="by the newest measurements here; from the top, the first yes decides",
    )
    for sentence in advice.advice(seen):
        st.markdown(f"- {cards.plain(sentence)}")


def decision_tree(questions: Sequence[advice.StoreQuestion]) -> charts.Figure:
    """A row a question and, where the answer is yes, one below it for its leaf; the line goes on where it is no."""
    number, asked = len(questions), [broken(each.question) for each in questions]
    leaves, ends = [leaf(each.choice) for each in questions], [f"{question} yes" for question in asked]
    look = {"type": "scatter", "hoverinfo": "skip", "showlegend": False, "line": {"color": charts.BASELINE, "width": 1.5}}
    chosen = [charts.COLORS[0] if each.choice.title else charts.BASELINE for each in questions]
    nodes = {"x": [0] * number, "y": asked, "marker": {"size": 9, "color": charts.BASELINE}, "text": asked}
    branches = {"x": [0, LEAF, None] * number, "y": [each for end in ends for each in (end, end, None)]}
    words = {"x": [-0.02] * (number - 1) + [LEAF / 2] * number, "y": asked[1:] + ends}
    words |= {"text": ["no"] * (number - 1) + ["yes"] * number}
    words |= {"textposition": ["middle left"] * (number - 1) + ["top center"] * number}
    marks = {"x": [LEAF] * number, "y": ends, "marker": {"size": 9, "color": chosen}, "text": leaves}
    traces = [
        look | {"x": [0, 0], "y": [asked[0], ends[-1]], "mode": "lines"},
        look | branches | {"mode": "lines"},
        look | words | {"mode": "text"},
        look | nodes | POINTS,
        look | marks | POINTS,
    ]
    rows = [row for pair in zip(asked, ends, strict=True) for row in pair]
    lines = max(map(lines_of, asked)) + max(map(lines_of, leaves))
    layout = {
        "xaxis": {"visible": False, "range": [-0.09, 1], "fixedrange": True},
        "yaxis": {"visible": False, "categoryorder": "array", "categoryarray": rows[::-1], "fixedrange": True},
        "dragmode": False,
        "margin": {"l": 4, "r": 4, "t": 4, "b": 4},
    }
    return charts.figure(traces, height=number * (12 + 17 * lines), **layout)


def leaf(choice: advice.StoreChoice) -> str:
    """The store, below it its number, and which others are not told from it."""
    level = ", ".join(choice.level) if len(choice.level) < 3 else f"{len(choice.level)} others"
    words = "; ".join(filter(None, (choice.number, level and f"{level} not distinguishable")))
    return "<br>".join(filter(None, (choice.title and f"<b>{broken(choice.title)}</b>", broken(words))))


def lines_of(text: str) -> int:
    return 1 + text.count("<br>")


def broken(text: str) -> str:
    return charts.safe("\n".join(textwrap.wrap(text, WIDE))).replace("\n", "<br>")


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
        st.markdown("**Searched while four write**")
        tables.draw(mixed, "stores/mixed")


def writers(rows: Sequence[Mapping[str, Any]]) -> charts.Figure:
    """Rows a second by the number of writers, a curve a store and setting; those of one writer alone are points of the table."""
    curves: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: row["writers"]):
        curves.setdefault((row["title"], row["setting"]), []).append(row)
    curves = {name: points for name, points in curves.items() if len(points) > 1}
    stores, drawn = [title for title, _ in curves], [row for points in curves.values() for row in points]
    traces = []
    for place, ((title, setting), points) in enumerate(curves.items()):
        traces += charts.line(
            [row["writers"] for row in points],
            [row["value"] for row in points],
            name=f"{title}, {setting}" if stores.count(title) > 1 else title,
            color=charts.look(place)[0],
            hover="%{x}: %{y:.0f} rows/s",
            interval="range of the repeats",
            **{end: [row[end] for row in points] for end in ("low", "high")},
        )
    axes = {
        "xaxis": {"tickvals": sorted({row["writers"] for row in drawn})},
        "yaxis": charts.log_axis([row[end] for row in drawn for end in ("low", "high")]),
    }
    return charts.figure(traces, "Writers at once", "Rows a second", legend=True, height=340, **axes)
