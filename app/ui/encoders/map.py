"""The tab Map: chunks and questions in the plane."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import streamlit as st

from app import session
from app.ui import cards, charts, evidence, forms, jobs, ways
from app.ui.encoders.press import button, cancellable, everything_asked
from core.labs.encoders.comparison import EncoderResult
from core.labs.encoders.geometry import (
    BOTH,
    NEITHER,
    ONLY_HERE,
    ONLY_THERE,
    VectorMap,
    chunk_texts,
    lost_against,
    map_ready,
    vector_map,
)
from core.labs.encoders.maps import Density
from core.workbench import Evaluation, one_phase

SLOW_MAP = 300  # points: t-SNE of more is drawn on a button
REST = "#a8adb3"
MOST_OPENED = 5  # points of a selection that are read below
RING = {"size": 14, "symbol": "circle-open", "color": charts.COLORS[3], "line": {"width": 2.5}}


def corpus_map(row: EncoderResult, ready: Sequence[EncoderResult], metric: str) -> None:
    workbench, queries = session.workbench(), row.evaluation.corpus.queries
    if (there := len(row.transform.chunks)) < 3:
        return st.info(f"A map needs three chunks; this corpus has {there} in these settings.", icon=":material/info:")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        about = "PCA preserves large distances, t-SNE neighbourhoods: in t-SNE, sizes of clusters and distances between them mean nothing."
        method = forms.one_of("Map", {"pca": "PCA", "tsne": "t-SNE"}, "map_method", width="content", help=about)
        colours = {"success": "Retrieval success", "lost": "Questions lost", "source": "Source"}
        by = forms.one_of("Colour", colours, "map_colour", width="content")
        against = _against(row, ready) if by == "lost" else None
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
    asked = st.query_params.get("point", "")  # a question's id: where a link from another page leads
    led = [f"question {i}" for i in plane.flat.query_rows if asked and queries[i].id == asked]
    picked = [f"chunk {i}" for i in plane.flat.chunk_rows if words and words in texts[i].lower()]
    picked += [f"question {i}" for i in plane.flat.query_rows if words and words in queries[i].text.lower()]
    event = draw_map(row, plane, texts, by, {*picked, *led}, against)
    clicked = [p["customdata"] for p in event.selection.points] if event else []
    opened = [point[0] if isinstance(point, list) else point for point in clicked] or picked[:3] or led
    if words:
        more = " The first three:" if len(picked) > 3 else ""
        st.caption(f"{len(picked):,} points have these words and are ringed.{more}")
    elif not opened:
        st.caption("Click a point to read its chunk or question.")
    for point in list(dict.fromkeys(opened))[:MOST_OPENED]:
        kind, _, place = point.partition(" ")
        (open_chunk if kind == "chunk" else open_question)(row, plane, int(place))


class Against(NamedTuple):
    """What an encoder's questions are held against: the whole recipe, or another encoder. option: as the command line calls it."""

    name: str
    option: str
    evaluation: Evaluation


def _against(row: EncoderResult, ready: Sequence[EncoderResult]) -> Against | None:
    """Chosen here; the recipe only where it is prepared."""
    workbench, config = session.workbench(), session.config()
    names = {other.offer.id: other.offer.name for other in ready if other.offer != row.offer}
    plan = workbench.plan(config)
    offered = {"recipe": "The recipe"} | names if plan.live else names
    if not offered:
        st.caption("Nothing else is measured: prepare the recipe on Search, live, or another encoder.")
        return None
    if st.session_state.get("map_against") not in offered:
        st.session_state.pop("map_against", None)
    chosen = st.selectbox("Against", list(offered), key="map_against", format_func=offered.get, width=170)
    if chosen == "recipe":
        return Against("the recipe", "recipe", jobs.drain(workbench.evaluating(plan.run or config), "Measuring the recipe"))
    other = next(other for other in ready if other.offer.id == chosen)
    return Against(other.offer.name, chosen, other.evaluation)


def questions_of(row: EncoderResult, plane: VectorMap, against: Against | None) -> list[tuple[str, Any, str, str]]:
    """(group, which of the drawn questions, colour, symbol)."""
    rows = plane.flat.query_rows
    if against is None:
        hit, measured = plane.hit[rows], plane.measured[rows]
        return [
            ("Question, found", hit & measured, charts.COLORS[2], "diamond"),
            ("Question, missed", ~hit & measured, charts.COLORS[5], "diamond-open"),
        ]
    outcome = lost_against(row, against.evaluation)[rows]
    return [
        (f"{title} ({int((outcome == which).sum()):,})", outcome == which, shade, symbol)
        for which, title, shade, symbol in (
            (BOTH, "Found by both", charts.COLORS[2], "diamond"),
            (ONLY_HERE, f"Lost by {against.name} alone", charts.COLORS[3], "diamond"),
            (ONLY_THERE, f"Lost by {row.offer.name} alone", charts.COLORS[5], "diamond"),
            (NEITHER, "Lost by both", charts.COLORS[1], "diamond-open"),
        )
    ]


def draw_map(
    row: EncoderResult, plane: VectorMap, texts: Sequence[str], by: str, picked: set[str], against: Against | None = None
) -> Any:
    flat, corpus, k = plane.flat, row.evaluation.corpus, row.config.evaluation.k
    chunks = [
        (f"chunk {i}", *xy, f"{title_of(row, plane, i)}: {texts[i]}")
        for i, xy in zip(flat.chunk_rows, flat.chunk_xy.tolist(), strict=True)
    ]
    asked = [
        (f"question {i}", *xy, corpus.queries[i].text) for i, xy in zip(flat.query_rows, flat.query_xy.tolist(), strict=True)
    ]
    state = plane.evidence[flat.chunk_rows]
    groups = (
        sources(row, plane)
        if by == "source"
        else [("Chunks", state >= 0, REST)]
        if against
        else [
            ("No question's evidence", state == 0, REST),
            (f"Evidence, in the first {k}", state == 2, charts.COLORS[0]),
            ("Evidence, missed", state == 1, charts.COLORS[1]),
        ]
    )
    rest = 2 if flat.density else 5  # the density says where most are
    traces = [t for name, mask, shade in groups for t in dots(chunks, mask, name, shade, rest if shade == REST else 5, "circle")]
    for name, mask, shade, symbol in questions_of(row, plane, against):
        traces += dots(asked, mask, name, shade, 7, symbol)
    data = [
        {"point": point, "group": t["name"], "x": x, "y": y}
        for t in traces
        for point, x, y in zip(t["customdata"], t["x"], t["y"], strict=True)
    ]
    if flat.density:
        traces.insert(0, crowd(flat.density))
        data += crowd_rows(flat.density)
    both = [*chunks, *asked]
    traces += [trace | {"marker": RING} for trace in dots(both, [point in picked for point, *_ in both], "", "", 14, "")]
    axes = [f"Principal direction {i}, {share:.1%} of the variance" for i, share in enumerate(flat.variance or (), 1)]
    x, y = axes or ("", "")
    bare = {} if flat.variance else {"showticklabels": False, "ticks": ""}
    shape = charts.figure(traces, x, y, height=520, legend=True, xaxis=bare, yaxis=bare, clickmode="event+select")
    most = "" if len(chunks) == len(plane.chunks) else f"of {len(plane.chunks):,} "
    grey = "; grey: density of all chunks" if flat.density else ""
    return charts.show(
        shape,
        "map",
        data=data,
        config=row.config,
        command=session.workbench().command(
            row.config,
            "encoders-map",
            *("--method", flat.method),
            *(("--against", against.option) if against else ()),
            *everything_asked(session.config()),
        ),
        title=f"{row.offer.name}: chunks and questions",
        on_select="rerun",
        caption=f"{len(chunks):,} {most}chunks, {len(asked):,} questions, seed {flat.seed}{grey}",
    )


def crowd(density: Density) -> dict[str, Any]:
    """All chunks as a grey ground, by logarithms so that single ones show beside many equal ones; it takes no clicks."""
    return {
        "type": "heatmap",
        "x": density.x.tolist(),
        "y": density.y.tolist(),
        "z": np.log1p(density.count).round(2).tolist(),
        "colorscale": [[0, "rgba(140,146,154,0)"], [0.1, "rgba(140,146,154,0.25)"], [1, "rgba(140,146,154,1)"]],
        "showscale": False,
        "showlegend": False,
        "hoverinfo": "skip",
    }


def crowd_rows(density: Density) -> list[dict[str, Any]]:
    """A row for each cell with chunks."""
    return [
        {"point": f"{density.count[row, column]:,} chunks", "group": "All chunks", "x": density.x[column], "y": density.y[row]}
        for row, column in zip(*np.nonzero(density.count), strict=True)
    ]


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
    with st.container(horizontal=True):
        ways.link("search_live", "In Search, live", "tune", chosen=query.id)
        ways.link("explain_failures", "Where it is lost", "stairs", chosen=query.id)
    hits = session.workbench().hits(row.evaluation, place)[:3]
    evidence.show([evidence.hit_html(hit, gold=query.gold, query=query.text) for hit in hits])
