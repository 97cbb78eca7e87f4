"""The table by question with its filters, and what was retrieved for the question chosen in it."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, evidence, forms, tables, ways
from app.ui.search import answers, asked, reranking, token_matches
from app.ui.search.parts import DISAGREEING, LOST_BY_RERANKING, Part
from core.evaluation.metric import MAIN, metric_names
from core.labs.trials.comparison import label
from core.report.table import MEAN, Column, Table
from core.workbench import Evaluation

RANK = "Rank of the first relevant chunk; empty: not in the ranking."
COLUMNS = (
    Column("value", "", MEAN),
    Column("change", "", MEAN),
    Column("rank", "", "%d", RANK),
    Column("baseline_rank", "Was", "%d", RANK),
    Column("outcome", width=72),
    Column("group", width=72),
)
FILTERS = (
    "Changed: the ranking differs, even if the metric is equal. Won, lost: the metric rose or fell. "
    "Missed: no relevant chunk among the first k."
)


def draw(current: Evaluation, baseline: Evaluation | None) -> None:
    """The tab: the table, and below it what its chosen row opens."""
    row = table(current, baseline)
    if row is not None:
        with tables.opened():
            side_by_side(current, baseline, row)


def table(current: Evaluation, baseline: Evaluation | None) -> int | None:
    """Every question with its value; returns the row of the one that was chosen."""
    parts: dict[str, Callable[[], Part]] = {}
    if reranking.reranks(current):
        parts[LOST_BY_RERANKING] = lambda: reranking.lost(current)
    if baseline and answers.possible(current):
        parts |= {name: partial(answers.parted, current, baseline, which) for which, name in enumerate(DISAGREEING)}
    wanted, metric, text = filters(current.config.evaluation.k, baseline is not None, list(parts))
    columns = session.workbench().by_question(current, baseline, metric)
    part = parts[wanted]() if wanted in parts else Part(fitting(columns, wanted), {})
    places = [place for place, row in enumerate(part.rows) if text.lower() in columns["question"][row].lower()]
    rows = [part.rows[place] for place in places]
    st.caption(f"{len(rows):,} of {len(columns['id']):,} questions. Click one to see what was retrieved for it.")
    shown = [Column("question", width=300 if baseline else 410), *(each for each in COLUMNS if any(columns.get(each.key, ())))]
    left = {name: [column[row] for row in rows] for name, column in columns.items()}
    left |= {name: [values[place] for place in places] for name, values in part.beside.items()}
    told = [dict(zip(left, row, strict=True)) for row in zip(*left.values(), strict=True)]
    shown += [Column(name, name, MEAN) for name in part.beside]
    place = tables.choose(Table("questions_table", shown, told), [columns["id"][row] for row in rows])
    return None if place is None else rows[place]


def filters(k: int, compared: bool, parts: list[str]) -> tuple[str, str, str]:
    """(which questions, metric, words); they wrap where the window is narrow."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        offered = [*(["all", "changed", "won", "lost", "missed"] if compared else ["all", "missed"]), *parts]
        titles, about = {name: name.capitalize() for name in offered}, FILTERS if compared else None
        wanted = forms.one_of("Show", titles, "show", bind="query-params", width="content", help=about)
        metrics = {name: label(name, k) for name in metric_names()}
        metric = forms.one_of_many("Metric", metrics, "metric", MAIN, bind="query-params", width=150)
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
    with st.container(horizontal=True):
        ways.link("explain_failures", "Where it is lost", "stairs", chosen=query.id)
        ways.link("compare_encoders", "On the encoder's map", "scatter_plot", view="Map", point=query.id)
    asked.beside(current, row)
    systems = ({"Baseline": baseline} if baseline else {}) | {"This recipe": current}
    for column, (name, evaluation) in zip(st.columns(len(systems)), systems.items(), strict=True):
        with column:
            st.markdown(f"**{name}**")
            answers.beside(evaluation, row)
            hits = session.workbench().hits(evaluation, row)[: current.config.evaluation.k]
            evidence.show([evidence.hit_html(hit, gold=query.gold, query=query.text) for hit in hits])
    token_matches.draw(current.config, query.text, hits)
