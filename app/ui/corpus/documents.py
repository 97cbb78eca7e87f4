"""The documents, and the one that was chosen with the evidence of its questions marked."""

from zlib import crc32

import streamlit as st

from app.ui import cards, cells, evidence
from app.ui.corpus.contents import contents, key_of
from core.labs.corpus.contents import documents_with
from core.records import Corpus, Document, Gold

PART = 40_000  # characters of a long document shown at once
# the box scrolls, not the page; the number makes it another script for each text: the same one would not run again
TO_EVIDENCE = """<script>/* {} */ {{ const box = document.querySelector(".gw-scroll"), gold = box?.querySelector(".gw-gold");
if (gold) box.scrollTop += gold.getBoundingClientRect().top - box.getBoundingClientRect().top - 48; }}</script>"""


def draw(corpus: Corpus) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        shown = matching_documents(corpus)
    place = contents(corpus).place.get(asked := st.query_params.get("document", ""))
    if asked and place is None:
        cards.elsewhere("document", asked)
    with right:
        if place is None and not shown:
            cards.empty("No document matches", "Other words, or all sources, will find more.")
        else:
            panel(corpus, corpus.documents[shown[0] if place is None else place])


def matching_documents(corpus: Corpus) -> list[int]:
    """The search and its table; returns the documents it leaves. A click writes the document into the address."""
    words = st.text_input(
        "Search in titles and texts",
        key="find",
        bind="query-params",
        icon=":material/search:",
        placeholder="Words of a title or a text",
    )
    sources = sorted({d.source for d in corpus.documents if d.source})
    source = None
    if 1 < len(sources) <= 500:
        source = st.selectbox("Source", sources, index=None, key="source", placeholder="All sources")
    shown = documents_with(corpus, words, source)
    cards.status_strip([f"{len(shown):,} of {len(corpus.documents):,} documents"])
    key = f"documents/{key_of(corpus)}/{words}/{source}"
    row = cells.clicked(
        contents(corpus).documents,
        shown,
        key,
        height=560,
        column_order=["Document", "Questions", "Characters"] + ["Source"] * (len(sources) > 1),
        column_config={
            "Document": st.column_config.TextColumn(width=224),
            "Characters": st.column_config.NumberColumn(format="localized", width=88),
            "Questions": st.column_config.NumberColumn(help="Questions whose evidence is in this document.", width=82),
        },
    )
    if row is not None:
        st.query_params["document"] = corpus.documents[row].id
    return shown


def panel(corpus: Corpus, document: Document) -> None:
    asked = contents(corpus).asked.get(document.id, [])
    st.subheader(cards.plain(document.title or document.id), anchor=False)
    pages = cards.count(len(document.pages), "page") if document.pages else ""
    cards.status_strip(
        [
            f"id {document.id}" if document.title else "",
            f"source {document.source}" if document.source not in ("", document.id) else "",
            f"{len(document.text):,} characters",
            pages,
            f"evidence of {cards.count(len(asked), 'question')}" if asked else "no question has evidence here",
        ]
    )
    chosen = None
    if asked:
        chosen = st.selectbox(
            "Evidence of",
            asked,
            index=None,
            placeholder=f"All of {cards.count(len(asked), 'question')}",
            format_func=lambda i: corpus.queries[i].text,
            key=f"evidence/{document.id}",
        )
    queries = [corpus.queries[i] for i in (asked if chosen is None else [chosen])]
    gold = [gold for query in queries for gold in query.gold if gold.document_id == document.id]
    marked_text(document, gold, f"part/{document.id}/{chosen}")


def marked_text(document: Document, gold: list[Gold], key: str) -> None:
    """The text with its evidence; a long one in parts, at first the one where the evidence begins."""
    parts, part = -(-len(document.text) // PART), 0
    if parts > 1:
        first = min((g.start for g in gold), default=0) // PART
        part = st.pagination(parts, default=first + 1, key=key) - 1
    begin = part * PART
    text = document.text[begin : begin + PART]
    marks = evidence.gold_marks(begin, begin + len(text), gold)
    marks += evidence.term_marks(text, st.session_state.get("find") or "")
    body = f'<div class="gw gw-scroll"><div class="gw-text">{evidence.laid(text, marks)}</div></div>'
    evidence.show(body)
    st.html(TO_EVIDENCE.format(crc32(f"{key}/{body}".encode("utf-8", "replace"))), unsafe_allow_javascript=True)
