"""An answer whose citations open what they cite: the page of a PDF, or the document, with the sentence marked."""

import base64
import re
from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, evidence, forms
from core.context import citations
from core.context.citations import BRACKETS
from core.context.passages import page_at
from core.errors import WorkbenchError
from core.judging.containment import THRESHOLD, Support, source_sentence
from core.labs.corpus.contents import has_pages, page_view
from core.records import Answer, Corpus, Document, Hit, Query

AROUND = 700  # characters of the document shown before and after an opened passage
CITED = re.compile(r"\[(\d+(?:\s*[,;]\s*\d+)*)\]")
# text is only ever set as text
SCRIPT = """export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector('.gw-text')
  root.replaceChildren(...data.pieces.map(piece => {
    if (!piece.number) return document.createTextNode(piece.text)
    const chip = document.createElement('button')
    chip.className = `gw-chip ${piece.kind}`
    chip.textContent = piece.number
    chip.title = piece.title
    chip.disabled = piece.kind === 'bad'
    chip.onclick = () => setTriggerValue('source', piece.number)
    return chip
  }))
}"""


def pieces(answer: Answer, rests: list[Support]) -> list[dict[str, Any]]:
    """The answer as text and chips: the model's own citations filled, an outlined one after a sentence that repeats a passage."""
    parts: list[dict[str, Any]] = []

    def chip(number: int, kind: str) -> None:
        valid = 1 <= number <= len(answer.hits)
        title = f"{'Cites' if kind == 'cited' else 'Repeats'} {named(answer.hits[number - 1])}" if valid else "No such passage"
        parts.append({"number": number, "kind": kind if valid else "bad", "title": title})

    ends = {rest.end: rest.passage for rest in rests if rest.containment >= THRESHOLD}
    if answer.citations == BRACKETS:
        cited = [(*match.span(), [int(n) for n in re.findall(r"\d+", match[1])]) for match in CITED.finditer(answer.text)]
    else:
        cited = citations.places(answer.text, answer.hits, answer.citations)
    last = 0
    for start, end, numbers in sorted([*cited, *((at, at, []) for at in ends)], key=lambda mark: mark[:2]):
        if start < last:  # a sentence that ends inside a citation
            start = last
        parts.append({"text": answer.text[last:start] + ("" if numbers else " ")})
        for number in numbers or [ends[end]]:
            chip(number, "cited" if numbers else "repeated")
        last = max(end, last)
    return [*parts, {"text": answer.text[last:]}]


SHEET = """export default function ({ data, parentElement }) {
  const box = parentElement.querySelector('.gw-sheet'), picture = box.querySelector('img')
  picture.alt = data.title
  picture.onload = () => { box.scrollTop = Math.max(data.top * picture.clientHeight - box.clientHeight / 4, 0) }
  picture.src = data.picture
}"""


@st.cache_resource(show_spinner=False)
def _sheet() -> Any:
    return st.components.v2.component(
        "groundwork.sheet", isolate_styles=False, js=SHEET, html='<div class="gw-sheet" tabindex="0"><img></div>'
    )


@st.cache_resource(show_spinner=False)
def _component() -> Any:
    return st.components.v2.component(
        "groundwork.cited", isolate_styles=False, js=SCRIPT, html='<div class="gw gw-text gw-cited"></div>'
    )


def draw(answer: Answer, rests: list[Support], corpus: Corpus, query: Query | None, key: str) -> None:
    """The answer; a press on a chip opens its source."""
    pressed = _component()(key=key, height="content", data={"pieces": pieces(answer, rests)}, on_source_change=lambda: None)
    if (number := getattr(pressed, "source", None)) and 1 <= int(number) <= len(answer.hits):
        open_source(answer, int(number), corpus, query)


def listed(corpus: Corpus, answer: Answer, rests: list[Support], query: Query | None) -> None:
    """The passages that the answer cites or repeats, each opening in its document."""
    repeated = {rest.passage for rest in rests if rest.containment >= THRESHOLD}
    with st.container(gap="xsmall"):
        for number in sorted({*answer.cited, *repeated}):
            hit = answer.hits[number - 1]
            why = " and ".join(["cited"] * (number in answer.cited) + ["repeated"] * (number in repeated))
            # most corpora have no pages: nothing is looked for in all of their documents
            page = _page_of(_document(corpus, hit), hit, _said(answer, number)) if hit.page else None
            label = f"{number} · {cards.plain(named(hit, page))} :gray[{why}]"
            if st.button(label, key=f"source/{number}", icon=":material/article:", type="tertiary"):
                open_source(answer, number, corpus, query)
    if rests and not answer.cited:
        outlined = " An outlined number marks a sentence that repeats a passage." if repeated else ""
        st.caption(f"The model cites no passage itself.{outlined}")


def named(hit: Hit, page: int | None = None) -> str:
    """page: the one that opens, where it is known."""
    return ", ".join(filter(None, (hit.title or hit.document_id, f"page {page}" if page else hit.pages)))


def _said(answer: Answer, number: int) -> tuple[int, int] | None:
    return source_sentence(answer.text, number, answer.hits[number - 1].text, answer.citations, answer.hits)


def _document(corpus: Corpus, hit: Hit) -> Document | None:
    return next((d for d in corpus.documents if d.id == hit.document_id), None)


def _page_of(document: Document | None, hit: Hit, said: tuple[int, int] | None) -> int | None:
    """The page that opens: a passage goes over several, what it is cited for stands on one."""
    begin, end = said or (0, len(hit.text))
    return page_at(document, hit.start + (begin + end) // 2) if document else None


def open_source(answer: Answer, number: int, corpus: Corpus, query: Query | None, said: tuple[int, int] | None = None) -> None:
    """said: characters of the passage to mark, where they are known."""
    hit = answer.hits[number - 1]
    said = said or _said(answer, number)
    st.dialog(cards.plain(hit.title or hit.document_id), width="large")(_source)(corpus, hit, said, query)


def _source(corpus: Corpus, hit: Hit, said: tuple[int, int] | None, query: Query | None) -> None:
    document = _document(corpus, hit)
    if document is None or document.text[hit.start : hit.end] != hit.text:
        st.warning("The document has changed or gone since. This is the passage as the model read it.")
        return evidence.show(evidence.hit_html(hit, cut=len(hit.text)))
    page = _page_of(document, hit, said)
    pages = f"page {page} of {len(document.pages)}" if page else ""
    cards.status_strip([document.source, pages, f"characters {hit.start:,} to {hit.end:,} of {len(document.text):,}"])
    if page and has_pages(session.workbench(), corpus.name, document.id):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            look = {"label_visibility": "collapsed", "width": "content"}
            view = forms.one_of("View", ["Page", "Text"], "source_view", **look)
            if view == "Page" and len(document.pages) > 1:
                page = int(
                    st.number_input(
                        "Page",
                        1,
                        len(document.pages),
                        page,
                        width=140,
                        label_visibility="collapsed",
                        key=f"source_page/{document.id}/{hit.start}",
                    )
                )
        if view == "Page":
            return _page(corpus, document.id, page, hit, said)
    marks = [evidence.Mark(*span, "a") for span in hit.excerpts or [(hit.start, hit.end)]]
    marks += [evidence.Mark(hit.start + said[0], hit.start + said[1], "said")] if said else []
    marks += evidence.gold_marks(0, len(document.text), query.gold if query else (), document.id)
    _text(document.text, hit, marks)


def _page(corpus: Corpus, document: str, page: int, hit: Hit, said: tuple[int, int] | None) -> None:
    """The page as it is printed, scrolled to what is marked."""
    texts = {"passage": hit.text} | ({"sentence": hit.text[slice(*said)]} if said else {})
    try:
        view = page_view(session.workbench(), corpus.name, document, page, texts)
    except WorkbenchError as error:
        return cards.problem(error)
    st.caption(_legend(view.marked))
    picture = f"data:image/png;base64,{base64.b64encode(view.png).decode()}"
    _sheet()(
        key="source_sheet", height="content", data={"picture": picture, "top": view.top, "title": f"Page {page} of {document}"}
    )


def _legend(marked: dict[str, float]) -> str:
    if marked.get("sentence", 0) > 0.5:
        return "Orange: the sentence that shares most words with the answer. Blue: the passage that the model read."
    if marked["passage"] > 0:
        return "Blue: the passage that the model read; the rest of it stands on another page."
    return "The passage was not found in this page's own text, so nothing is marked. *Text* shows it marked."


def _text(text: str, hit: Hit, marks: Sequence[evidence.Mark]) -> None:
    begin, end = max(0, hit.start - AROUND), min(len(text), hit.end + AROUND)
    if end - begin < len(text) and st.toggle("Whole document", key="whole"):
        begin, end = 0, len(text)
    body = evidence.laid(text, marks, begin, end)
    before, after = "…" if begin else "", "…" if end < len(text) else ""
    evidence.show(f'<div class="gw gw-scroll"><div class="gw-text">{before}{body}{after}</div></div>')
