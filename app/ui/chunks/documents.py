"""A document as each chunker cuts it, with its gold evidence."""

import streamlit as st

from app.ui import cards, evidence
from app.ui.chunks.cuts import Shown
from core.labs.corpus.chunks import GoldSpans, cut_spans, spans_of
from core.records import Corpus, Gold

PART = 40_000  # characters of a long document shown at once
MOST = 1000  # documents offered at once in the select box


def draw(shown: list[Shown], corpus: Corpus, gold: GoldSpans) -> None:
    number = choice(shown, corpus, gold)
    if number is None:
        return
    text = corpus.documents[number].text
    parts = -(-len(text) // PART)
    begin = PART * (st.pagination(parts, key=f"part/{number}") - 1) if parts > 1 else 0
    for column, place, each in zip(st.columns(len(shown)), ("First", "Second"), shown, strict=False):
        with column:
            cut(each, place if len(shown) > 1 else "", number, text, begin, gold)
    st.caption("Blue and orange: chunks in turn. Purple: text in two chunks. Underlined green: gold evidence.")


def choice(shown: list[Shown], corpus: Corpus, gold: GoldSpans) -> int | None:
    """Place of the document in the select box, which the address names too; None where none is left."""
    with_cuts = set(gold.document[cut_spans(shown[0].chunks, gold)].tolist())
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    only_cut = with_cuts and right.toggle("Cut only", key="only_cut", help="Documents in which the first chunker cuts evidence.")
    wanted = st.query_params.get("document", "")
    asked = next((i for i, d in enumerate(corpus.documents) if d.id == wanted), None)
    if wanted and asked is None:
        cards.elsewhere("document", wanted)
    there = [i for i in range(len(corpus.documents)) if not only_cut or i in with_cuts]
    offered = there[:MOST]
    offered += [asked] if asked is not None and asked not in offered and not only_cut else []
    number = left.selectbox(
        "Document",
        offered,
        offered.index(asked) if asked in offered else 0,
        key="shown",
        format_func=lambda i: corpus.documents[i].title or corpus.documents[i].id,
        help=f"The first {MOST:,} of {len(there):,}; `?document=ID` in the address opens any other."
        if len(there) > MOST
        else None,
    )
    if number is not None and (asked is not None or number != offered[0]):
        # an address written without need costs a press of the back button
        st.query_params["document"] = corpus.documents[number].id
    return number


def cut(shown: Shown, place: str, number: int, text: str, begin: int, gold: GoldSpans) -> None:
    """A part of the document's text with the chunks of one chunker; begin: where the part starts."""
    inside = gold.document == number
    marks = [
        Gold("", start - begin, end - begin)
        for start, end in zip(gold.start[inside].tolist(), gold.end[inside].tolist(), strict=True)
    ]
    lost = int(cut_spans(shown.chunks, gold)[inside].sum())
    spans = [(start - begin, end - begin) for start, end in spans_of(shown.chunks, number)]
    cards.status_strip([place, cards.count(len(spans), "chunk"), f"{lost:,} of {len(marks):,} gold spans cut" if marks else ""])
    evidence.show(evidence.document_html(text[begin : begin + PART], marks, spans))
