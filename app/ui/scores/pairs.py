"""Judges on pairs of answers in both orders: what place and length are worth to each, and what a panel says."""

from collections import Counter
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, cells, forms, jobs, tables
from app.ui.cards import Card
from app.ui.scores import panel
from app.ui.scores.sources import Shown
from core.labs.scores import answer_file, judges, sets
from core.progress import drain

BIASES = {
    "position": ("Position bias", 0, "Above 0: the answer shown first wins more often; below 0: the second."),
    "length": ("Length bias", 0, "Above 0: the longer answer wins more often, over both orders; it may well be better."),
    "consistent": ("Same in both orders", 1, "Share of pairs and runs in which both orders name the same winner."),
    "right": ("With people", 1, "Share of the pairs decided by people in which the judge names the same winner."),
}
MINE, FILE = "These answers and their comparison", "A file of pairs"
WON = {"a": "A", "b": "B", "tie": "Neither", None: "Unmeasured"}


def draw(shown: Shown | None) -> None:
    able = shown is not None and shown.other is not None
    options = [MINE, FILE] if able else [FILE]
    if st.session_state.get("pairs_of") not in (None, *options):
        del st.session_state.pairs_of
    source = FILE if len(options) == 1 else forms.one_of("Pairs", options, "pairs_of")
    if not able:
        st.caption("Choose what to compare the answers with (a baseline, a second system, a second file) to judge those pairs.")
    path = of_file() if source == FILE else of_answers(shown)
    if path is None:
        return
    pairs, notes = drain(judges.read_pairs(path))
    for note in notes:
        st.caption(cards.plain(note))
    workbench = session.workbench()
    who = panel.asked("pairs")
    command = ["judge-bias", str(path), *who, *workbench.arguments(session.config())]
    if takes := panel.takes(2 * len(pairs), "comparison", "pairs"):
        jobs.start_button(f"Judge {cards.count(len(pairs), 'pair')} in both orders", command, "Judges on pairs", takes)
    job = jobs.latest(command)
    if job and job.status == "done" and isinstance(job.result, dict):
        results(job.result, pairs)


def of_file() -> Path | None:
    sent = st.file_uploader("A file of pairs", ["jsonl", "gz"], key="pair_file", help=judges.FORM)
    if sent is None:
        cards.empty("Judges on your pairs", f"JSON lines. {judges.FORM}")
        return None
    return answer_file.receive(session.workbench().home, sent.getvalue())


def of_answers(shown: Shown) -> Path | None:
    path, count = sets.pairs_file(session.workbench(), shown.answers, shown.other)
    if not count:
        cards.empty("Judges on these answers", "There is no question that both sets answer.")
        return None
    st.caption(cards.plain(f"A is {shown.answers.name}, B is {shown.other.name}."))
    return path


def results(record: Mapping[str, Any], pairs: list) -> None:
    """A row of cards a judge with what it says in words, then every pair with the panel's verdict."""
    for each in record["judges"]:
        st.html(f'<div class="gw gw-title"><span>{escape(each["judge"])}</span></div>')
        cards.row(card(each, name) for name in BIASES)
        why = "; ".join(f"{reason}: {count:,}" for reason, count in each["unmeasured"].items())
        spread = "" if each["spread"] is None else f" A pair's runs lie {each['spread']:.2f} apart (standard deviation)."
        coverage = f" {each['measured']:,} of {each['asked']:,} judgements measured{f' ({why})' if why else ''}."
        st.caption(cards.plain(in_words(each) + spread + coverage))
    if record["agreement"]:
        told = record["agreement"]
        limits = "" if told["low"] is None else tables.minus(f" ({told['low']:.2f} to {told['high']:.2f})")
        value = told["note"] if told["value"] is None else f"{told['value']:.2f}{limits}"
        st.caption(cards.plain(f"Agreement of the judges (Krippendorff's alpha): {value}."))
    counts = Counter(record["panel"])
    won = ", ".join(f"{WON[name]} {counts[name]:,}" for name in WON if counts[name])
    st.caption(cards.plain(f"Better of {cards.count(len(pairs), 'pair')}, by most judges: {won}."))
    rows = [
        {"Question": pair.question, "A": pair.a, "B": pair.b, "Better": WON[winner]}
        for pair, winner in zip(pairs, record["panel"], strict=True)
    ]
    text = st.column_config.TextColumn
    looks = {"Question": text(width=240), "A": text(width=260), "B": text(width=260), "Better": text(width=100)}
    cells.show(rows, looks, hide_index=True, key="pairs_table")
    tables.export(rows, "pairs_table")


def card(each: Mapping[str, Any], name: str) -> Card:
    told, (label, direction, help_) = each[name], BIASES[name]
    bounds = None if told["low"] is None else (told["low"], told["high"])
    return Card(
        label, told["mean"], bounds, n=told["n"], digits=2, direction=direction, help=help_, note="" if told["n"] else "undecided"
    )


def in_words(each: Mapping[str, Any]) -> str:
    """What its intervals say of it."""

    def side(name: str, above: str, below: str) -> str:
        low, high = each[name]["low"], each[name]["high"]
        return "" if low is None or low <= 0 <= high else above if low > 0 else below

    sides = [
        side("position", "prefers the first answer", "prefers the second answer"),
        side("length", "prefers the longer answer", "prefers the shorter answer"),
    ]
    said = " and ".join(filter(None, sides))
    return f"It {said}." if said else "No significant preference for a place or a length."
