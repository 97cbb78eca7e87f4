"""Chunks: what a chunker makes of the documents, and of the evidence in them."""

from typing import NamedTuple

import streamlit as st

from app import session
from app.ui import cards, charts, evidence, forms, jobs
from core.chunking.chunk import Summary, cut_spans, gold_spans, readable_tokens, size_bins, summarize
from core.config import TrialConfig
from core.pipeline import Trace
from core.records import Chunks, Corpus
from core.statistics.mcnemar import exact_p
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
def gold_of(_corpus: Corpus, key: str):
    return gold_spans(_corpus.documents, _corpus.queries)


def page() -> None:
    cards.page_title("Chunks", "Where does a chunker cut the documents, and does it cut through the evidence?")
    strip, config = st.empty(), session.config()
    left, right = st.columns([1, 2], gap="medium")
    with left:
        recipes = [chunker_form(session.CURRENT)]
        if st.toggle("Compare with a second chunker", key="compare", bind="query-params", on_change=second_differs):
            recipes.append(chunker_form(SECOND))
    with right:
        corpus = jobs.drain(session.workbench().pipeline.corpus(config), "Reading the corpus")
        gold, trace = gold_of(corpus, f"{corpus.name}/{corpus.fingerprint}/{config.corpus.questions}"), Trace()
        results = [chunked(recipe, corpus, gold, color, trace) for recipe, color in zip(recipes, charts.COLORS, strict=False)]
        with strip.container():
            status(config, corpus, trace)
        if None in results:
            return
        metric_cards(results, gold, readable_tokens(config.embedding))
        size_chart(results, config)
        document_view(results, corpus, gold)


def chunker_form(name: str) -> TrialConfig:
    """Settings apply as the slider moves; those that embed sentences first, on a button."""
    embeds = hasattr(session.config(name).chunking, "texts_to_embed")
    return forms.stage_form("chunking", name=name, apply=embeds, expanded=True)


def second_differs() -> None:
    """A comparison starts with two different chunkers."""
    first = session.config().chunking
    if st.session_state.compare and session.config(SECOND).chunking == first:
        session.change({"chunking.part": "recursive" if first.part == "fixed" else "fixed"}, SECOND)


def chunked(recipe: TrialConfig, corpus: Corpus, gold, color: str, trace: Trace) -> Result | None:
    """The chunks of the corpus with their summary; None where embedding a large corpus waits for its button."""
    pipeline, recipe = session.workbench().pipeline, recipe.model_copy(update={"embedding": session.config().embedding})
    name = forms.describe(recipe.chunking)
    large = sum(len(document.text) for document in corpus.documents) > LIVE_CHARACTERS
    if hasattr(recipe.chunking, "texts_to_embed") and large and not pipeline.cache.has("chunks", pipeline.key("chunks", recipe, corpus)):
        if not cards.empty(f"Chunks of {name}", f"Every sentence of {len(corpus.documents):,} documents has to be embedded first.",
                           "Embed now", key=f"embed/{color}", icon=":material/bolt:"):  # fmt: skip
            return None
    chunks = jobs.drain(pipeline.chunks(recipe, corpus, trace), "Chunking documents")
    tools, limit = pipeline.tools(recipe, corpus), readable_tokens(recipe.embedding)
    return Result(name, color, chunks, summarize(chunks, gold, corpus.documents, tools, limit, recipe.evaluation.confidence))


def status(config: TrialConfig, corpus: Corpus, trace: Trace) -> None:
    cards.status_strip([
        f"{corpus.name}, {len(corpus.documents):,} documents", f"{len(corpus.queries):,} questions ({config.corpus.questions})",
        f"tokens of {config.embedding.part}", f"{cards.duration(sum(trace.ms.values()) / 1000)}{', cached' * all(trace.cached.values())}",
    ])  # fmt: skip


def metric_cards(results: list[Result], gold, limit: int | None) -> None:
    for result in results:
        if len(results) > 1:
            st.markdown(f"**{'First' if result is results[0] else 'Second'}:** {cards.plain(result.name)}")
        one = result.summary
        share = f"{one.repeated / one.tokens:.1%} of all" if one.tokens else ""
        none = "no gold spans in this corpus" if not gold.whole_documents else "all gold is whole documents"
        cards.row([
            cards.Card("Chunks", one.chunks, digits=0, direction=0),
            cards.Card("Mean size", one.mean_tokens, unit="tokens", digits=1, direction=0, note=f"{one.tokens:,} in all"),
            cards.Card("Evidence cut", one.cut.mean, (one.cut.low, one.cut.high), n=one.cut.n, direction=-1,
                       note=none if one.cut.n == 0 else against(result, results[0], gold),
                       help="Share of gold spans that no single chunk holds whole, with Wilson's interval."),
            cards.Card("Embedded twice", one.repeated, unit="tokens", digits=0, direction=-1, note=share,
                       help="Tokens that an earlier chunk holds too: the price of overlap."),
            cards.Card("Longer than read", one.too_long, unit="chunks", digits=0, direction=-1,
                       note="the encoder's limit is unknown" if limit is None else f"the encoder reads {limit:,} tokens",
                       help="Chunks whose end the encoder never sees. Dense retrieval cannot find what stands there."),
        ])  # fmt: skip


def against(result: Result, first: Result, gold) -> str:
    """McNemar's exact test on the same gold spans."""
    if result is first:
        return ""
    here, there = cut_spans(result.chunks, gold), cut_spans(first.chunks, gold)
    only_here, only_there = int((here & ~there).sum()), int((there & ~here).sum())
    return f"{only_here:,} cut only here, {only_there:,} only by the first, p {exact_p(only_here, only_there):.3f}"


def size_chart(results: list[Result], config: TrialConfig) -> None:
    edges, limit = size_bins([result.chunks for result in results]), readable_tokens(config.embedding)
    traces = [trace for r in results for trace in charts.histogram(r.chunks.tokens, name=r.name if len(results) > 1 else "", bins=edges, color=r.color)]
    mark = charts.mark_line(limit, "encoder reads", vertical=True) if limit and limit < edges[-1] else {}
    shape = charts.figure(traces, "Size of a chunk (tokens)", "Chunks", height=220, barmode="overlay", bargap=0, **mark)
    rows = [{"chunker": r.name, "from_tokens": t["customdata"][i][0] + 0.5, "to_tokens": t["customdata"][i][1] - 0.5, "chunks": count}
            for r, t in zip(results, traces, strict=True) for i, count in enumerate(t["y"])]  # fmt: skip
    charts.show(shape, "chunk-sizes", data=rows, config=config, title="Sizes", caption=f"n {' and '.join(f'{len(r.chunks):,}' for r in results)}")


def document_view(results: list[Result], corpus: Corpus, gold) -> None:
    cut = {int(d) for d in gold.document[cut_spans(results[0].chunks, gold)]}
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    only_cut = right.toggle("Only with cut evidence", key="only_cut", disabled=not cut)
    offered = [i for i in range(len(corpus.documents)) if not only_cut or i in cut][:MOST]
    asked = next((i for i, d in enumerate(corpus.documents) if d.id == st.query_params.get("document")), None)
    offered += [asked] if asked is not None and asked not in offered and not only_cut else []
    number = left.selectbox("Document", offered, offered.index(asked) if asked in offered else 0, key=f"document/{corpus.name}/{only_cut}",
                            format_func=lambda i: corpus.documents[i].title or corpus.documents[i].id)  # fmt: skip
    if number is None:
        return
    text, st.query_params["document"] = corpus.documents[number].text, corpus.documents[number].id
    parts = -(-len(text) // PART)
    begin = PART * (st.pagination(parts, key=f"part/{number}") - 1) if parts > 1 else 0
    for column, result in zip(st.columns(len(results)), results, strict=True):
        with column:
            inside = gold.document == number
            lost = int((cut_spans(result.chunks, gold) & inside).sum())
            spans = [(int(s) - begin, int(e) - begin) for d, s, e in zip(result.chunks.document, result.chunks.start, result.chunks.end, strict=True) if d == number]
            cards.status_strip([result.name if len(results) > 1 else "", f"{len(spans):,} chunks", f"{lost:,} of {inside.sum():,} gold spans cut"])
