"""What a way of answering tells of its answer besides the text: a tab a way, named first."""

from collections.abc import Callable
from html import escape
from typing import Any, NamedTuple

import streamlit as st

from app.ui import cards, charts, evidence, tables
from app.ui.agents import steps
from app.ui.answers import sources
from core.records import Answer, Corpus, Query
from core.report.table import TWO, Column, Table

OF_QUOTES = {  # way of answering -> what its quotes are
    "quotes": "A grammar allowed only verbatim passages, white space aside. So each word has a source, but it need not answer the "
    "question.",
    "reader": "The likeliest span of the passages: each was read with the question alone. No language model wrote.",
}
WITHOUT_QUOTE = {
    "quotes": "The model chose the only alternative: that it does not know.",
    "reader": "No span was likelier than that there is none.",
}


def quotes(answer: Answer, corpus: Corpus, query: Query | None) -> None:
    """Each quote with its place in a document, which a button opens."""
    st.caption(OF_QUOTES[answer.way["part"]])
    if not answer.detail["quotes"]:
        st.caption(WITHOUT_QUOTE[answer.way["part"]])
    for number, quote in enumerate(answer.detail["quotes"]):
        hit = answer.hits[quote["passage"] - 1]
        place = [f"characters {quote['from']:,} to {quote['to']:,}", hit.pages]
        with st.container(gap=None):
            text = answer.text[quote["start"] : quote["end"]]
            evidence.show(
                evidence.passage_html(
                    text, title=hit.title or hit.document_id, facts=place, number=quote["passage"], relevant=False
                )
            )
            if st.button("Open in the document", key=f"quote/{number}", type="tertiary", icon=":material/article:"):
                said = quote["from"] - hit.start, quote["to"] - hit.start
                sources.open_source(answer, quote["passage"], corpus, query, said)
    if rows := answer.detail.get("candidates"):
        st.caption(
            "The likeliest spans, in nats: the reader's log-odds against no answer, the language model's log-likelihood of the answer, and "
            "their sum, which decides."
        )
        rows = sorted(({**row, "together": row["margin"] + row["logprob"]} for row in rows), key=lambda row: -row["together"])
        named = {"margin": "Reader", "logprob": "Language model", "together": "Sum"}
        columns = (Column("passage"), Column("text", "Span"), *(Column(key, name, TWO) for key, name in named.items()))
        tables.draw(Table("candidate_spans", columns, rows))


def responsible(answer: Answer, corpus: Corpus, query: Query | None) -> None:
    """Each token in the colour of the passage that has most of it, the stronger the surer; then what the passages weigh."""
    detail, sequence = answer.detail, answer.way["part"] == "rag_sequence"
    st.caption(
        "The colour names the passage of the greatest p(passage | token"
        + (" and all before it" if sequence else "")
        + "), the stronger the surer. It shows which passage made the token likely for the model, not that the passage says so."
    )
    evidence.show(f'<div class="gw gw-text">{"".join(map(_token, detail["tokens"]))}</div>')
    tokens = [row["shares"] for row in detail["tokens"]]
    rows = [
        {
            "Passage": number,
            "Document": hit.title or hit.document_id,
            "p(passage | question)": 100 * prior,
            "Mean share of a token": 100 * sum(row[number - 1] for row in tokens) / len(tokens) if tokens else None,
        }
        for number, (hit, prior) in enumerate(zip(answer.hits, detail["prior"], strict=True), 1)
    ]
    evidence.show("".join(f'<span class="gw gw-small">{_swatch(row["Passage"])} {row["Passage"]} </span>' for row in rows))
    shares = [Column(name, name, "%.1f%%") for name in ("p(passage | question)", "Mean share of a token")]
    tables.draw(Table("weighed_passages", (Column("Passage"), Column("Document"), *shares), rows))
    st.caption(tables.minus(f"Log-likelihood of the answer over all passages: {detail['logprob']:.2f} nats."))
    if sequence:
        st.caption("The answer from each passage alone, with its log-likelihood under all; the most likely one is taken.")
        columns = (Column("passage"), Column("text", "Answer"), Column("logprob", "Log-likelihood (nats)"))
        tables.draw(Table("answers_alone", columns, detail["answers"]))


def sentences(answer: Answer, corpus: Corpus, query: Query | None) -> None:
    """Each sentence: how sure the model was of it, what was searched for, and what it became."""
    rows = answer.detail["sentences"]
    searched = sum(bool(row["query"]) for row in rows)
    st.caption(
        f"Each sentence was written tentatively; where a token was less probable than {answer.way['threshold']:g} it was searched for and "
        f"written anew, {cards.count(searched, 'time')} of {answer.way['rounds']} at most. A model can be confident and wrong."
    )
    for number, row in enumerate(rows, 1):
        facts = [f"least probable token {row['least']:.1%}", f"passages {', '.join(map(str, row['passages']))}"]
        with st.container(gap=None):
            evidence.show(
                evidence.passage_html(row["text"] or "nothing", title=f"Sentence {number}", facts=facts, relevant=False)
            )
            if row["query"]:
                st.caption(f"First: {cards.plain(row['tentative'])}")
                st.caption(f":material/search: {cards.plain(row['query'])}")


def thoughts(answer: Answer, corpus: Corpus, query: Query | None) -> None:
    """Each sentence of the chain, and the passages that it found."""
    rows = answer.detail["thoughts"]
    searched = sum(bool(row["query"]) for row in rows)
    st.caption(
        f"{cards.count(searched, 'sentence')} of the chain of thought searched for more passages; the answer was then written over those "
        "that fit into its prompt. A thought need not be true; it is searched for as it is."
    )
    for number, row in enumerate(rows, 1):
        facts = (
            [f"passages {', '.join(map(str, row['passages']))}"] if row["query"] else ["a conclusion, or nothing to search for"]
        )
        evidence.show(evidence.passage_html(row["text"], title=f"Thought {number}", facts=facts, relevant=False))


def chain(answer: Answer, corpus: Corpus, query: Query | None) -> None:
    """What was thought before the answer."""
    st.caption("The prompt of the answer held this before the question. A thought need not be true.")
    for row in answer.detail["thoughts"]:
        evidence.show(evidence.passage_html(row["text"], title="Chain of thought", facts=[], relevant=False))
    if not answer.detail["thoughts"]:
        st.caption("The model wrote no thought.")


def decisions(answer: Answer, corpus: Corpus, query: Query | None) -> None:
    """What the model decided on its way, a row a decision."""
    st.caption(
        "The model's decisions on the way to its answer, each from a closed set. A small model's decisions are often wrong."
    )
    rows = [{**row, "passage": row["passage"] or None} for row in answer.detail["decisions"]]
    scored = any(row["score"] is not None for row in rows)
    columns = [Column("passage"), Column("text", "Of", width=260), Column("decision", width=180)]
    tables.draw(Table("decisions", (*columns, *[Column("score", "", TWO)] * scored), rows))


def answers(answer: Answer, corpus: Corpus, query: Query | None) -> None:
    """The answer from each passage alone."""
    st.caption(
        "One answer was written from each passage alone, the final one from these, without those that do not know. What "
        "a first answer left out cannot reach the final one."
    )
    for row in answer.detail["answers"]:
        hit = answer.hits[row["passage"] - 1]
        facts = [] if row["used"] else ["left out"]
        title, text = hit.title or hit.document_id, row["text"] or row["ended"]
        evidence.show(evidence.passage_html(text, title=title, facts=facts, number=row["passage"], relevant=False))


def _token(row: dict[str, Any]) -> str:
    best = max(range(len(row["shares"])), key=row["shares"].__getitem__)
    shares = ", ".join(f"{number}: {share:.0%}" for number, share in enumerate(row["shares"], 1))
    # the share that even weights would give has no colour
    even = 1 / len(row["shares"])
    sure = (row["shares"][best] - even) / (1 - even) if even < 1 else 1.0
    return f'<span style="background:{_colour(best, 0.12 + 0.5 * sure)}" title="{escape(shares)}">{escape(row["text"])}</span>'


def _swatch(number: int) -> str:
    return f'<span style="background:{_colour(number - 1, 0.62)}">&emsp;</span>'


def _colour(place: int, alpha: float) -> str:
    return charts.faint(charts.shade(charts.COLORS[place % len(charts.COLORS)]), round(alpha, 2))


class Tab(NamedTuple):
    title: str
    draw: Callable[[Answer, Corpus, Query | None], None]


TABS = {  # part of the kind answering -> what it tells
    **dict.fromkeys(OF_QUOTES, Tab("Quotes", quotes)),
    "flare": Tab("Retrievals", sentences),
    "ircot": Tab("Thoughts", thoughts),
    "chain_of_thought": Tab("Thoughts", chain),
    **dict.fromkeys(("react", "react_crewai", "react_langgraph"), Tab("Steps", steps.tab)),
    **dict.fromkeys(("adaptive", "corrective", "plan_and_solve", "self_rag"), Tab("Decisions", decisions)),
    "per_passage": Tab("Answers by passage", answers),
    "rag_token": Tab("Passage by token", responsible),
    "rag_sequence": Tab("Passage by token", responsible),
}
