"""The editor's gate: which answers may go out, by whose ratings, and every decision on each that was ever made."""

from html import escape
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, jobs, tables
from app.ui.cards import Card
from app.ui.scores import panel
from app.ui.scores.behind import said
from app.ui.scores.sources import Shown
from core.judging.gate import ACCEPT, DIMENSIONS, LEAST, LEAST_MEAN, MOST_REVISIONS, REJECT, REVISE, UNDECIDED
from core.labs.scores import judges, sets
from core.report.table import TWO, Column, Table

WORDS = {ACCEPT: "Accept", REVISE: "Revise", REJECT: "Reject", UNDECIDED: "Undecided"}
FIELDS = {name: name.replace("_", " ").capitalize() for name in DIMENSIONS}


def draw(shown: Shown) -> None:
    workbench, rows = session.workbench(), shown.answers.rows
    least = " and ".join(f"{FIELDS[name].lower()} of at least {value:g}" for name, value in LEAST.items())
    st.caption(
        f"Accepted: {least}, a mean of all four of at least {LEAST_MEAN:g}, and no confident hallucination. What fails is revised, "
        f"and after {MOST_REVISIONS} revisions rejected; an unmeasured rating leaves it undecided. Each decision is kept."
    )
    who = panel.asked("gate")
    path = shown.arguments[1] if shown.file is not None else str(sets.answers_file(workbench, rows))
    command = ["review", path, *who, *workbench.arguments(session.config())]
    if takes := panel.takes(len(rows), "answer", "gate"):
        jobs.start_button(f"Judge {cards.count(len(rows), 'answer')}", command, f"Quality gate: {shown.answers.name}", takes)
    decisions = judges.decided(workbench, [row.case for row in rows])
    latest = [some[0] if some else None for some in decisions]
    if not any(latest):
        return cards.empty("Decisions on these answers", "None of them was judged yet.")
    made = [each["verdict"] for each in latest if each]
    cards.row(
        Card(word, made.count(verdict), of=len(rows), n=len(made), digits=0, direction=0) for verdict, word in WORDS.items()
    )
    agreement(command)
    place = table(shown, latest)
    if place is not None:
        with tables.opened():
            opened(decisions[place])
    return None


def agreement(command: list[str]) -> None:
    """Of a panel, from the job that asked it."""
    job = jobs.latest(command)
    told = job.result.get("agreement") if job and job.status == "done" and isinstance(job.result, dict) else None
    if told:
        words = [
            f"{FIELDS[name].lower()} {each['value']:.2f}"
            if each["value"] is not None
            else f"{FIELDS[name].lower()}: {each['note']}"
            for name, each in told.items()
        ]
        st.caption(cards.plain(f"Agreement of the judges (Krippendorff's alpha): {'; '.join(words)}."))


def table(shown: Shown, latest: list[dict[str, Any] | None]) -> int | None:
    """The place of the answer that was chosen; those that are not accepted first."""
    rows = shown.answers.rows
    order = [place for place, each in enumerate(latest) if each]
    order.sort(key=lambda place: (latest[place]["verdict"] == ACCEPT, place))
    told = [
        {
            "question": rows[place].case.question,
            "answer": rows[place].case.answer,
            "verdict": WORDS[latest[place]["verdict"]],
            "why": "; ".join(latest[place]["reasons"]),
            **{name: latest[place][name] for name in FIELDS},
        }
        for place in order
    ]
    widths = {"question": 220, "answer": 220, "verdict": 84, "why": 230}
    columns = [Column(name, width=width) for name, width in widths.items()]
    columns += [Column(name, label, TWO) for name, label in FIELDS.items()]
    ids = [rows[place].id or rows[place].place for place in order]
    chosen = tables.choose(Table("gate_table", columns, told), ids, param="answer")
    return None if chosen is None else order[chosen]


def opened(decisions: list[dict[str, Any]]) -> None:
    """The newest decision with all ratings behind it, and those before."""
    newest = decisions[0]
    cards.question_title(newest["question"] or "Answer without a question")
    st.html(f'<div class="gw gw-passage">{escape(newest["answer"])}</div>')
    rows = [
        {
            "Judge": judge,
            "Run": str(run),
            **{label: str(each.get(name, "–")) for name, label in FIELDS.items()},
            "Confident hallucination": {True: "yes", False: "no"}.get(each.get("confident_hallucination"), "–"),
            "Its words": each.get("words") or said(each),
        }
        for judge, runs in zip(newest["judges"], newest["ratings"], strict=True)
        for run, each in enumerate(runs, 1)
    ]
    tables.wrapped_table(rows)
    if len(decisions) > 1:
        st.caption("Decisions before this one")
        tables.wrapped_table(
            [
                {
                    "When": str(each["created"])[:16],
                    "Verdict": WORDS[each["verdict"]],
                    "Judges": ", ".join(each["judges"]),
                    "Why": "; ".join(each["reasons"]) or "–",
                }
                for each in decisions[1:]
            ]
        )
    st.caption("All decisions: table decisions on the page SQL.")
