"""The questions, and the evidence of the one that was chosen in the text around it."""

from typing import Any

import streamlit as st

from app import session
from app.ui import cards, cells, evidence
from app.ui.corpus.contents import contents, key_of
from app.ui.halves import no_questions
from core.labs.corpus.contents import questions_with
from core.records import Corpus, Gold, Query

AROUND = 300  # characters shown before and after the evidence
MOST = 20  # pieces of evidence shown of a question


def draw(corpus: Corpus) -> None:
    if not corpus.queries:
        instead = ", under Own documents. Metrics need questions with evidence; searching and asking work without"
        return no_questions(session.config(), instead=instead, title="No questions")
    query = choice(corpus)
    if query is None:
        cards.empty("Evidence", "Click a question to see its gold evidence in the text around it.")
    else:
        panel(corpus, query)


def choice(corpus: Corpus) -> Query | None:
    """The filters and what they leave; returns the question that was clicked."""
    shown, kinds, filters = fitting(contents(corpus).question_rows)
    cards.status_strip([f"{len(shown):,} of {len(corpus.queries):,} questions"])
    key = f"questions/{key_of(corpus)}/{filters}"
    row = cells.clicked(
        contents(corpus).questions,
        shown,
        key,
        height=330,
        column_order=["Question", "Answers", "Group", "Evidence"] + ["Answerable"] * kinds,
        column_config={
            "Evidence": st.column_config.NumberColumn(help="Pieces of gold evidence; alternatives count once.", width="small"),
            "Question": st.column_config.TextColumn(width=400),
            "Answers": st.column_config.TextColumn(width=340),
        },
    )
    return None if row is None else corpus.queries[row]


def fitting(rows: list[dict[str, Any]]) -> tuple[list[int], bool, str]:
    """(rows that the filters leave, whether there are unanswerable questions, the filters in words)."""
    kinds = len({row["answerable"] for row in rows}) > 1
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input(
            "Search in questions and answers",
            key="find_question",
            bind="query-params",
            icon=":material/search:",
            width=360,
            placeholder="Words of a question or an answer",
        )
        groups = sorted({row["group"] for row in rows} - {""})
        group = st.selectbox("Group", groups, index=None, placeholder="All groups", width=220) if len(groups) > 1 else None
        kind = st.selectbox("Kind", ["Answerable", "Unanswerable"], index=None, placeholder="All", width=180) if kinds else None
    shown = questions_with(rows, words, group, None if kind is None else kind == "Answerable")
    return shown, kinds, f"{words}/{group}/{kind}"


def panel(corpus: Corpus, query: Query) -> None:
    cards.question_title(query.text)
    if not query.relevant:
        cards.empty(
            "No evidence",
            "The corpus does not hold the answer to this question; it is not counted in retrieval metrics."
            if not query.answerable
            else "No evidence is known for this question, so it cannot be measured.",
        )
    for number, gold in enumerate(query.gold[:MOST]):
        piece(corpus, query, gold, number)


def piece(corpus: Corpus, query: Query, gold: Gold, number: int) -> None:
    """One piece of evidence, and the way to its document."""
    document = corpus.documents[contents(corpus).place[gold.document_id]]
    begin, end = max(0, gold.start - AROUND), min(len(document.text), gold.end + AROUND)
    evidence.show(
        evidence.passage_html(
            document.text[begin:end],
            title=document.title or document.id,
            facts=[f"characters {gold.start:,} to {gold.end:,}", f"grade {gold.grade}"],
            gold=evidence.gold_marks(begin, end, [gold]),
            query=query.text,
            cut=1000,
        )
    )
    cards.press("Open the document", "open_in_full", f"open/{number}", open_document, document.id, type="tertiary")


def open_document(document_id: str) -> None:
    st.query_params["document"] = document_id
    st.session_state["tab"] = "Documents"
