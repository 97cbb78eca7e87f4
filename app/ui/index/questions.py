"""Question by question: what the index lost, and both rankings of one side by side."""

from typing import Any

import streamlit as st

from app import session
from app.ui import cards, evidence, forms, jobs, tables
from app.ui.index.ranking_cost import metric_choice
from core.config import TrialConfig
from core.labs.index import questions
from core.labs.index.glance import Glance
from core.labs.index.points import title
from core.records import Corpus
from core.report.table import PERCENT, Column, Table

FILTERS = (
    "Lost: neighbours of exact search are missing. Better, worse: the metric rose or fell. All others: same as exact search."
)
MISSED = "border-left:3px solid #D55E00;padding-left:.55rem;border-radius:.2rem"


def question_table(here: Glance, corpus: Corpus) -> int | None:
    st.subheader("By question", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        shown = {name: name.capitalize() for name in ("all", "lost", "worse", "better")}
        wanted = forms.one_of("Show", shown, "index_show", width="content", help=FILTERS)
        metric = metric_choice(here, "index_metric", 150)
        text = st.text_input("Search the questions", key="index_find", placeholder="words of a question", width=180)
    table = questions.by_question(here.cost, corpus, metric, fused=True)
    fits = {"all": lambda row: True, "lost": lambda row: table["lost"][row]}.get(wanted) or (
        lambda row: table["outcome"][row] == wanted
    )
    rows = [row for row, question in enumerate(table["question"]) if fits(row) and text.lower() in question.lower()]
    st.caption(f"{len(rows):,} of {len(corpus.queries):,} questions. Click one to see both rankings.")
    table["points"] = [change and change * 100 for change in table["change"]]  # as the cards and the chart tell it
    columns = (
        Column("question", width=360),
        Column("recall", "Found", PERCENT, f"Of the first {here.point.k} of exact search."),
        Column("points", "Change", "%+.1f", "Of the metric, against exact search, in points."),
        Column("outcome", "Ranking", width=86),
        Column("group", width=72),
    )
    columns = [column for column in columns if any(table[column.key])]
    made = Table("index_table", columns, [{column.key: table[column.key][row] for column in columns} for row in rows])
    row = tables.choose(made, [corpus.queries[row].id for row in rows])
    return None if row is None else rows[row]


def side_by_side(config: TrialConfig, corpus: Corpus, row: int) -> None:
    """Both rankings by the vectors alone; what the index missed is marked in the exact one."""
    query, both = corpus.queries[row], jobs.drain(questions.side_by_side(session.workbench(), config, row))
    cards.question_title(query.text)
    names = "Exact search", title(config.index.part)
    for column, name, ranked, absent in zip(
        st.columns(2), names, both, ("missed by the index", "not among exact's"), strict=True
    ):
        with column:
            lost = sum(hit.elsewhere is None for hit in ranked)
            st.markdown(f"**{name}**" + (f" · {lost} {absent}" if lost else ""))
            evidence.show([passage(hit, query, absent) for hit in ranked])


def passage(ranked: questions.RankedHit, query: Any, absent: str) -> str:
    hit = ranked.hit
    place = absent if ranked.elsewhere is None else "" if ranked.elsewhere == hit.rank else f"rank {ranked.elsewhere} there"
    gold = evidence.gold_marks(hit.start, hit.end, query.gold, hit.document_id)
    html = evidence.passage_html(
        hit.text,
        title=hit.title or hit.document_id,
        facts=[f"rank {hit.rank}", f"score {hit.score:.3f}", place],
        gold=gold,
        query=query.text,
    )
    return f'<div style="{MISSED}">{html}</div>' if ranked.elsewhere is None else html
