"""The table by question with its filters, and what was retrieved for the question chosen in it."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, evidence, tables
from app.ui.search import answers, asked, token_matches
from core.evaluation.metric import MAIN, metric_names
from core.labs.trials.comparison import label
from core.workbench import Evaluation

COLUMNS = {
    "question": "Question",
    "value": "Value",
    "change": "Change",
    "rank": "Rank",
    "baseline_rank": "Was",
    "outcome": "Outcome",
    "group": "Group",
}
FILTERS = (
    "Changed: the ranking is another one, also where the metric is equal. Won, lost: the metric rose or fell. "
    "Missed: no relevant chunk among the first k."
)
NUMBER, WHOLE, TEXT = (
    st.column_config.NumberColumn(format="%.3f", width=70),
    st.column_config.NumberColumn(format="%d", width=60, help="Rank of the first relevant chunk; empty: not in the ranking."),
    st.column_config.TextColumn(width=72),
)
LOOKS = {"Value": NUMBER, "Change": NUMBER, "Rank": WHOLE, "Was": WHOLE, "Outcome": TEXT, "Group": TEXT}


def table(current: Evaluation, baseline: Evaluation | None) -> int | None:
    """Every question with its value; returns the row of the one that was chosen."""
    st.subheader("By question", anchor=False)
    wanted, metric, text = filters(current.config.evaluation.k, baseline is not None)
    columns = session.workbench().by_question(current, baseline, metric)
    rows = [row for row in fitting(columns, wanted) if text.lower() in columns["question"][row].lower()]
    st.caption(f"{len(rows):,} of {len(columns['id']):,} questions. Click one to see what was retrieved for it.")
    shown = {title: [columns[name][row] for row in rows] for name, title in COLUMNS.items() if any(columns.get(name, ()))}
    looks = LOOKS | {"Question": st.column_config.TextColumn(width=300 if baseline else 410)}
    place = tables.choose_columns(shown, [columns["id"][row] for row in rows], "questions_table", looks)
    return None if place is None else rows[place]


def filters(k: int, compared: bool) -> tuple[str, str, str]:
    """(which questions, metric, words); they wrap where the window is narrow."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wanted = (
            st.segmented_control(
                "Show",
                ["all", "changed", "won", "lost", "missed"] if compared else ["all", "missed"],
                default="all",
                key="show",
                bind="query-params",
                width="content",
                format_func=str.capitalize,
                required=True,
                help=FILTERS if compared else None,
            )
            or "all"
        )
        names = metric_names()
        metric = st.selectbox(
            "Metric",
            names,
            names.index(MAIN),
            key="metric",
            bind="query-params",
            width=150,
            format_func=lambda name: label(name, k),
        )
        text = st.text_input("Search the questions", key="find", placeholder="words of a question", width=180)
    return wanted, metric, text


def fitting(columns: dict[str, list[Any]], wanted: str) -> Sequence[int]:
    """Rows of the questions that a filter leaves."""
    rows = range(len(columns["id"]))
    if wanted == "all":
        return rows
    if wanted in ("changed", "missed"):
        return [row for row in rows if columns[wanted][row]]
    return [row for row in rows if columns["outcome"][row] == wanted]


def side_by_side(current: Evaluation, baseline: Evaluation | None, row: int) -> None:
    """What this recipe and the baseline retrieved for one question, with its evidence marked."""
    query = current.corpus.queries[row]
    cards.question_title(query.text)
    references = ", ".join(dict.fromkeys(query.answers)) or "none in this corpus"
    st.text(f"Gold answer: {' '.join(references.split())}")
    asked.beside(current, row)
    systems = ({"Baseline": baseline} if baseline else {}) | {"This recipe": current}
    for column, (name, evaluation) in zip(st.columns(len(systems)), systems.items(), strict=True):
        with column:
            st.markdown(f"**{name}**")
            answers.beside(evaluation, row)
            hits = session.workbench().hits(evaluation, row)[: current.config.evaluation.k]
            evidence.show([evidence.hit_html(hit, gold=query.gold, query=query.text) for hit in hits])
    token_matches.draw(current.config, query.text, hits)
