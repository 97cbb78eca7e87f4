"""Chunks: what a chunker makes of the documents, and of the evidence in them."""

from html import escape
from typing import NamedTuple

import streamlit as st

from app import session
from app.ui import cards, charts, evidence, forms, jobs
from core.config import TrialConfig
from core.labs.chunks import (
    GoldSpans,
    Summary,
    compare_cuts,
    cut_spans,
    gold_spans,
    readable_tokens,
    size_bins,
    spans_of,
    summarize,
)
from core.pipeline.stages import Trace
from core.records import Chunks, Corpus, Gold
from core.workbench import LIVE_CHARACTERS

SECOND = "second"  # name of the recipe compared with the current one; only its chunking is used
PART = 40_000  # characters of a long document shown at once
MOST = 1000  # documents offered at once in the select box


class Result(NamedTuple):
    name: str
    color: str
    chunks: Chunks
    summary: Summary


@st.cache_resource(show_spinner=False, max_entries=4)
def gold_of(_corpus: Corpus, key: str) -> GoldSpans:
    return gold_spans(_corpus.documents, _corpus.queries)


def page() -> None:
    cards.page_title("Chunks", "Where does a chunker cut the documents, and does it cut through the evidence?")
    strip, config, trace = st.empty(), session.config(), Trace()
    left, right = st.columns([1, 2], gap="medium")
    with left:
        recipes = [forms.stage_form("chunking", apply=False, expanded=True)]
        if st.toggle("Compare two", key="compare", bind="query-params", on_change=second_differs):
            recipes.append(forms.stage_form("chunking", name=SECOND, apply=False, expanded=True))
    with right:
        corpus = jobs.drain(session.workbench().read_corpus(config), "Reading the corpus")
        gold = gold_of(corpus, f"{corpus.fingerprint}/{session.workbench().pipeline.queries_key(corpus)}")
        results = [chunked(*pair, corpus, gold, trace) for pair in zip(recipes, charts.COLORS, strict=False)]
        with strip.container():
            status(config, corpus, trace)
        if None not in results:
            metric_cards(results, gold, readable_tokens(config.embedding))
            size_chart(results, config)
            document_view(results, corpus, gold)


def second_differs() -> None:
    """A comparison starts with two different chunkers."""
    first = session.config().chunking
    if st.session_state.compare and session.config(SECOND).chunking == first:
        session.change({"chunking.part": "recursive" if first.part == "fixed" else "fixed"}, SECOND)


def chunked(recipe: TrialConfig, color: str, corpus: Corpus, gold: GoldSpans, trace: Trace) -> Result | None:
    """The corpus in chunks; None where embedding a large one waits for its button."""
    pipeline, config = session.workbench().pipeline, session.config()
    recipe = recipe.model_copy(update={"corpus": config.corpus, "embedding": config.embedding})
    name, embeds = forms.describe(recipe.chunking), hasattr(recipe.chunking, "texts_to_embed")
    large = embeds and sum(len(document.text) for document in corpus.documents) > LIVE_CHARACTERS
    if large and not pipeline.cache.has("chunks", pipeline.key("chunks", recipe, corpus)):
        why = f"Every sentence of {len(corpus.documents):,} documents has to be embedded first."
        if not cards.empty(f"Chunks of {name}", why, "Embed now", key=f"embed/{color}", icon=":material/bolt:"):
            return None
    chunks = jobs.drain(pipeline.chunks(recipe, corpus, trace), "Chunking documents")
    limit, confidence = readable_tokens(recipe.embedding), config.evaluation.confidence
    tools = pipeline.tools(recipe, corpus)
    return Result(name, color, chunks, summarize(chunks, gold, corpus.documents, tools, limit, confidence))


def status(config: TrialConfig, corpus: Corpus, trace: Trace) -> None:
    time = cards.duration(sum(trace.ms.values()) / 1000)
    cards.status_strip(
        [
            f"{corpus.name}, {cards.count(len(corpus.documents), 'document')}",
            f"{cards.count(len(corpus.queries), 'question')} ({config.corpus.questions})",
            f"tokens of {config.embedding.part}",
            f"{time}, from the cache" if all(trace.cached.values()) else time,
        ]
    )


def metric_cards(results: list[Result], gold: GoldSpans, limit: int | None) -> None:
    none = "all gold is whole documents" if gold.whole_documents else "no gold spans in this corpus"
    lines = []
    for one, result in ((result.summary, result) for result in results):
        if len(results) > 1:
            place = "First" if result is results[0] else "Second"
            st.html(f'<span style="color:{result.color}">\u25cf</span> <b>{place}</b> {escape(result.name)}')
        other = compare_cuts(result.chunks, results[0].chunks, gold)
        p = "p < 0.001" if other.p < 0.001 else f"p {other.p:.3f}"
        versus = f"{other.only_one:,} cut only here, {other.only_other:,} only by the first, {p}"
        lines.append(
            [
                cards.Card("Chunks", one.chunks, digits=0, direction=0, note=f"mean {one.mean_tokens:,.1f} tokens"),
                cards.Card(
                    "Evidence cut",
                    one.cut.mean,
                    (one.cut.low, one.cut.high),
                    n=one.cut.n,
                    direction=-1,
                    note=none if not one.cut.n else versus if result is not results[0] else "",
                    help="Share of gold spans that no single chunk holds whole, with Wilson's interval.",
                ),
                cards.Card(
                    "Embedded twice",
                    one.repeated,
                    unit="tokens",
                    digits=0,
                    direction=-1,
                    note=f"{one.repeated / max(1, one.tokens):.1%} of {one.tokens:,}",
                    help="Tokens that an earlier chunk holds too: the price of overlap.",
                ),
                cards.Card(
                    "Longer than read",
                    one.too_long,
                    unit="chunks",
                    digits=0,
                    direction=-1,
                    note=f"the encoder reads {limit:,} tokens" if limit else "the encoder's limit is unknown",
                    help="Chunks whose end the encoder never sees. Dense retrieval cannot find what stands there.",
                ),
            ]
        )
        cards.row(lines[-1])
    cards.in_sight(*lines)


def size_chart(results: list[Result], config: TrialConfig) -> None:
    edges, limit = size_bins([result.chunks for result in results]), readable_tokens(config.embedding)
    traces = [
        charts.histogram(r.chunks.tokens, name=r.name if len(results) > 1 else "", bins=edges, color=r.color)[0] for r in results
    ]
    mark = charts.mark_line(limit, f"the encoder reads {limit}", vertical=True) if limit and limit < edges[-1] else {}
    shape = charts.figure(traces, "Size of a chunk (tokens)", "Chunks", height=240, barmode="overlay", **mark)
    for note in mark.get("annotations", ()):
        note["xanchor"] = "right" if limit > edges[-1] / 2 else "left"  # inside the chart
    rows = [
        {"chunker": result.name, "from_tokens": low + 0.5, "to_tokens": high - 0.5, "chunks": count}
        for result, trace in zip(results, traces, strict=True)
        for (low, high), count in zip(trace["customdata"], trace["y"], strict=True)
    ]
    counts = " and ".join(f"{len(result.chunks):,}" for result in results)
    charts.show(shape, "chunk-sizes", data=rows, config=config, title="Sizes", caption=f"n {counts}")


def document_view(results: list[Result], corpus: Corpus, gold: GoldSpans) -> None:
    cut = set(gold.document[cut_spans(results[0].chunks, gold)].tolist())
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    only_cut = cut and right.toggle("Cut only", key="only_cut", help="Documents in which the first chunker cuts evidence.")
    asked = next((i for i, d in enumerate(corpus.documents) if d.id == st.query_params.get("document")), None)
    offered = [i for i in range(len(corpus.documents)) if not only_cut or i in cut][:MOST]
    offered += [asked] if asked is not None and asked not in offered and not only_cut else []
    number = left.selectbox(
        "Document",
        offered,
        offered.index(asked) if asked in offered else 0,
        key="shown",
        format_func=lambda i: corpus.documents[i].title or corpus.documents[i].id,
    )
    if number is None:
        return
    text = corpus.documents[number].text
    if asked is not None or number != offered[0]:  # an address written without need costs a press of the back button
        st.query_params["document"] = corpus.documents[number].id
    parts = -(-len(text) // PART)
    begin = PART * (st.pagination(parts, key=f"part/{number}") - 1) if parts > 1 else 0
    inside = gold.document == number
    marks = [
        Gold("", start - begin, end - begin)
        for start, end in zip(gold.start[inside].tolist(), gold.end[inside].tolist(), strict=True)
    ]
    for column, place, result in zip(st.columns(len(results)), ("First", "Second"), results, strict=False):
        lost = int(cut_spans(result.chunks, gold)[inside].sum())
        spans = [(start - begin, end - begin) for start, end in spans_of(result.chunks, number)]
        with column:
            cards.status_strip(
                [
                    place if len(results) > 1 else "",
                    cards.count(len(spans), "chunk"),
                    f"{lost:,} of {len(marks):,} gold spans cut" if marks else "",
                ]
            )
            evidence.show(evidence.document_html(text[begin : begin + PART], marks, spans))
    st.caption("Blue and orange: chunks in turn. Purple: text in two chunks. Underlined green: gold evidence.")


page()
