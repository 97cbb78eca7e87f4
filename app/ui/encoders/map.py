"""The tab Map: chunks and questions in the plane."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, charts, evidence, jobs
from app.ui.encoders.press import button, cancellable, everything_asked
from core.labs.encoders.comparison import EncoderResult
from core.labs.encoders.geometry import VectorMap, chunk_texts, map_ready, vector_map
from core.workbench import one_phase

SLOW_MAP = 300  # points: t-SNE of more is drawn on a button
REST = "#a8adb3"
RING = {"size": 14, "symbol": "circle-open", "color": charts.COLORS[3], "line": {"width": 2.5}}


def corpus_map(row: EncoderResult, ready: Sequence[EncoderResult], metric: str) -> None:
    workbench, queries = session.workbench(), row.evaluation.corpus.queries
    with st.container(horizontal=True, vertical_alignment="bottom"):
        method = st.segmented_control(
            "Map",
            ["pca", "tsne"],
            default="pca",
            key="map_method",
            required=True,
            format_func={"pca": "PCA", "tsne": "t-SNE"}.get,
            width="content",
            help="PCA is true to large distances, t-SNE to who is near whom: there, the size of a cluster "
            "and the distance between two mean nothing.",
        )
        by = st.segmented_control(
            "Colour",
            ["success", "source"],
            default="success",
            key="map_colour",
            required=True,
            format_func={"success": "Retrieval success", "source": "Source"}.get,
            width="content",
        )
        words = st.text_input("Find", key="map_find", placeholder="words of a chunk or question", width=240)
        words = words.strip().lower()
    about = row.offer.id, row.config
    slow = method == "tsne" and len(row.transform.chunks) > SLOW_MAP and not map_ready(workbench, row, method)
    chunks = len(row.transform.chunks)
    press = jobs.Press("encoders-map", one_phase(f"t-SNE of {chunks:,} chunks", units=chunks))
    if slow and st.session_state.get("drawn_map") != about:
        st.caption("Once for each encoder and transform.")
        button("Draw the map", press, "draw_map", "drawn_map", about)
        return
    work = vector_map(workbench, row, method)
    plane = cancellable(work, "drawn_map", press) if slow else jobs.drain(work)
    texts = jobs.drain(chunk_texts(workbench, row))
    picked = [f"chunk {i}" for i in plane.flat.chunk_rows if words and words in texts[i].lower()]
    picked += [f"question {i}" for i in plane.flat.query_rows if words and words in queries[i].text.lower()]
    event = draw_map(row, plane, texts, by, set(picked))
    clicked = [p["customdata"] for p in event.selection.points] if event else []
    opened = [point[0] if isinstance(point, list) else point for point in clicked] or picked[:3]
    if words:
        more = " The first three:" if len(picked) > 3 else ""
        st.caption(f"{len(picked):,} points have these words and are ringed.{more}")
    elif not opened:
        st.caption("Click a point to read its chunk or question.")
    for point in dict.fromkeys(opened):
        kind, _, place = point.partition(" ")
        (open_chunk if kind == "chunk" else open_question)(row, plane, int(place))


def draw_map(row: EncoderResult, plane: VectorMap, texts: Sequence[str], by: str, picked: set[str]) -> Any:
    flat, corpus, k = plane.flat, row.evaluation.corpus, row.config.evaluation.k
    chunks = [
        (f"chunk {i}", *xy, f"{title_of(row, plane, i)}: {texts[i]}")
        for i, xy in zip(flat.chunk_rows, flat.chunk_xy.tolist(), strict=True)
    ]
    asked = [
        (f"question {i}", *xy, corpus.queries[i].text) for i, xy in zip(flat.query_rows, flat.query_xy.tolist(), strict=True)
    ]
    state, hit = plane.evidence[flat.chunk_rows], plane.hit[flat.query_rows]
    groups = (
        sources(row, plane)
        if by == "source"
        else [
            ("No question's evidence", state == 0, REST),
            (f"Evidence, in the first {k}", state == 2, charts.COLORS[0]),
            ("Evidence, missed", state == 1, charts.COLORS[1]),
        ]
    )
    traces = [trace for name, mask, shade in groups for trace in dots(chunks, mask, name, shade, 5, "circle")]
    for name, mask, shade, symbol in (
        ("Question, found", hit, charts.COLORS[2], "diamond"),
        ("Question, missed", ~hit, charts.COLORS[5], "diamond-open"),
    ):
        traces += dots(asked, mask & plane.measured[flat.query_rows], name, shade, 7, symbol)
    data = [
        {"point": point, "group": t["name"], "x": x, "y": y}
        for t in traces
        for point, x, y in zip(t["customdata"], t["x"], t["y"], strict=True)
    ]
    both = [*chunks, *asked]
    traces += [trace | {"marker": RING} for trace in dots(both, [point in picked for point, *_ in both], "", "", 14, "")]
    axes = [f"Principal direction {i}, {share:.1%} of the variance" for i, share in enumerate(flat.variance or (), 1)]
    x, y = axes or ("", "")
    bare = {} if flat.variance else {"showticklabels": False, "ticks": ""}
    shape = charts.figure(traces, x, y, height=520, legend=True, xaxis=bare, yaxis=bare, clickmode="event+select")
    most = "" if len(chunks) == len(plane.chunks) else f"of {len(plane.chunks):,} "
    return charts.show(
        shape,
        "map",
        data=data,
        config=row.config,
        command=session.workbench().command(
            row.config, "encoders-map", "--method", flat.method, *everything_asked(session.config())
        ),
        title=f"{row.offer.name}: chunks and questions",
        on_select="rerun",
        caption=f"{len(chunks):,} {most}chunks, {len(asked):,} questions, seed {flat.seed}",
    )


def dots(points: Sequence[tuple], mask: Sequence[bool], name: str, shade: str, size: int, symbol: str) -> list[dict]:
    """A trace of the points (id, x, y, text) in the mask; none where it is empty."""
    some = [point for point, yes in zip(points, mask, strict=True) if yes]
    if not some:
        return []
    ids, x, y, texts = zip(*some, strict=True)
    [trace] = charts.scatter(x, y, ids=ids, name=name, color=shade, hover="%{hovertext}")
    return [
        trace
        | {
            "hovertext": [charts.safe(" ".join(text.split())[:90]) for text in texts],
            "marker": trace["marker"] | {"size": size, "symbol": symbol},
        }
    ]


def sources(row: EncoderResult, plane: VectorMap) -> list[tuple[str, list[bool], str]]:
    """The five sources with most chunks on the map, and the rest; documents, where all are of one source."""
    of = [row.evaluation.corpus.documents[plane.chunks.document[i]].source for i in plane.flat.chunk_rows]
    if len(set(of)) == 1:
        of = [title_of(row, plane, i) for i in plane.flat.chunk_rows]
    largest = sorted(set(of), key=lambda name: (-of.count(name), name))[:5]
    groups = [
        (name if len(name) <= 28 else name[:27].rstrip() + "…", [source == name for source in of], shade)
        for name, shade in zip(largest, charts.COLORS, strict=False)
    ]
    return [("Others", [source not in largest for source in of], REST), *groups]


def title_of(row: EncoderResult, plane: VectorMap, chunk: int) -> str:
    document = row.evaluation.corpus.documents[plane.chunks.document[chunk]]
    return document.title or document.id


def open_chunk(row: EncoderResult, plane: VectorMap, chunk: int) -> None:
    corpus, chunks, pairs = row.evaluation.corpus, plane.chunks, row.evaluation.judged.relevance
    document, start, end = corpus.documents[chunks.document[chunk]], int(chunks.start[chunk]), int(chunks.end[chunk])
    asking = [corpus.queries[q] for q in pairs.pair_row[pairs.pair_chunk == chunk]]
    gold = evidence.gold_marks(start, end, [g for query in asking for g in query.gold], document.id)
    facts = [f"{chunks.tokens[chunk]:,} tokens", *([f"evidence of {cards.count(len(asking), 'question')}"] if asking else [])]
    name = title_of(row, plane, chunk)
    evidence.show(evidence.passage_html(document.text[start:end], title=name, facts=facts, gold=gold))
    for query in asking[:3]:
        st.text(query.text)


def open_question(row: EncoderResult, plane: VectorMap, place: int) -> None:
    query = row.evaluation.corpus.queries[place]
    cards.question_title(query.text)
    hits = session.workbench().hits(row.evaluation, place)[:3]
    evidence.show([evidence.hit_html(hit, gold=query.gold, query=query.text) for hit in hits])
