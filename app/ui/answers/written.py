"""What a way of answering tells of its answer besides the text: a tab a way, named first."""

from collections.abc import Callable
from typing import NamedTuple

import streamlit as st

from app.ui import evidence
from app.ui.answers import sources
from core.records import Answer, Corpus, Query


def quotes(answer: Answer, corpus: Corpus, query: Query | None) -> None:
    """Each quote with its place in a document, which a button opens."""
    st.caption(
        "A grammar let only words of the passages through, as they stand there one after the other, white space aside. "
        "That says where each word comes from, not that it answers the question."
    )
    if not answer.detail["quotes"]:
        st.caption("The model took the one way out: that it does not know.")
    for number, quote in enumerate(answer.detail["quotes"]):
        hit = answer.hits[quote["passage"] - 1]
        place = [f"characters {quote['from']:,} to {quote['to']:,}", f"page {hit.page}" if hit.page else ""]
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


class Tab(NamedTuple):
    title: str
    draw: Callable[[Answer, Corpus, Query | None], None]


TABS = {"quotes": Tab("Quotes", quotes)}  # part of the kind answering -> what it tells
