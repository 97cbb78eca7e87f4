"""The tabs of the page Encoders: dimension and bytes, geometry, gold against random, map, training; and its table cells."""

from collections.abc import Generator, Sequence
from html import escape
from itertools import accumulate
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, charts, evidence, forms, jobs
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.encoders import trade_off, training
from core.labs.encoders.comparison import EncoderResult
from core.labs.encoders.geometry import Geometry, VectorMap, geometry_of, map_ready, separation_of, vector_map
from core.labs.trials.comparison import label
from core.training.encoders.settings import TrainConfig
from core.training.encoders.validation import METRICS as TRAINED_METRICS

FORMAT_COLORS = dict(zip(("none", "int8", "binary", "opq", "float16", "pq"), charts.COLORS, strict=True))
SLOW_POINTS = 150_000  # chunks times points of a curve: of more it is computed on a button
SLOW_MAP = 300  # points: t-SNE of more is drawn on a button
REST = "#a8adb3"
RING = {"size": 14, "symbol": "circle-open", "color": charts.COLORS[3], "line": {"width": 2.5}}
KNOBS_FIRST = ("method", "learning_rate", "temperature", "batch_size", "hard_negatives", "max_steps")
MEASURES = {  # what -> (name, how to read it, format)
    "average_cosine": ("Average cosine", "Of two texts taken at random. 0: no common direction; near 1: all in a narrow cone, "
                       "where similarities differ little. Centring helps.", ".3f"),
    "isotropy": ("Isotropy", "Are all directions used? 1: none is preferred; lower: a few decide.", ".3f"),
    "effective_rank": ("Effective rank", "Dimensions in use, of those there are. Far below them: PCA can drop the rest.", ",.0f"),
    "two_nn": ("Intrinsic dimension, TwoNN", "Degrees of freedom of the texts, from each one's two nearest. Fewer dimensions "
               "than this lose neighbourhoods.", ".1f"),
    "mle": ("Intrinsic dimension, MLE", "The same by maximal likelihood from 10 to 20 neighbours: a less local view.", ".1f"),
    "skewness": ("Hubness", "Skewness of how often a chunk is among the 10 nearest of others. Above 1: hubs, which come up "
                 "whatever is asked.", ".2f"),
    "antihubs": ("Anti-hubs", "Share of chunks that are among the nearest of no other: hard to find.", ".1%"),
}  # fmt: skip
VERDICTS = {
    "better": "Better on questions it never saw.",
    "worse": "Worse than its start on questions it never saw: do not use it here.",
    "not distinguishable": "Not better: on questions it never saw, the difference to its start cannot be told from zero.",
    "equal": "Not better: no step beat the start on validation, so the encoder equals its start.",
    "unknown": "How it was trained is not recorded.",
}


# Long work of a press ------------------------------------------------------------------------------------------------


def keep(name: str, value: Any) -> None:
    st.session_state[name] = value


def cancellable(work: Generator, pressed: str) -> Any:
    """Drains work that `pressed` in the session asked for, under a button that takes the press back."""
    stop = st.empty()
    stop.button("Cancel", key=f"stop/{pressed}", icon=":material/close:", on_click=keep, args=(pressed, None))
    found = jobs.drain(work)
    stop.empty()
    return found


# Table cells ---------------------------------------------------------------------------------------------------------


def html_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Cells of two lines, which a grid does not have; wider than the page, it scrolls."""
    first, *rest = (escape(head) for head in heads)
    top = f"<th>{first}</th>" + "".join(f'<th class="num">{head}</th>' for head in rest)
    body = "".join(f"<tr>{''.join(cells)}</tr>" for cells in rows)
    st.html(
        f'<div class="gw" style="overflow-x:auto"><table class="gw-table"><thead><tr>{top}</tr></thead><tbody>{body}</tbody>'
        "</table></div>"
    )


def number(text: str, under: str = "", strong: bool = False) -> str:
    weight = ' style="font-weight:600"' if strong else ""
    return f'<td class="num"><span{weight}>{escape(text)}</span><div class="gw-small">{escape(under)}</div></td>'


def difference(paired: Any, p: float | None, verdict: str) -> str:
    if paired is None or paired.low is None:
        return number("–" if paired is None else signed(paired.difference), "" if paired is None else paired.note)
    style, arrow = {"better": ("up", "▲ "), "worse": ("down", "▼ ")}.get(verdict, ("", ""))
    said = "" if p is None else ", p &lt; 0.001" if p < 0.001 else f", p {p:.3f}"
    return (
        f'<td class="num"><div class="gw-delta {style}" style="margin:0"><b>{arrow}{signed(paired.difference)}</b>'
        f'<div class="gw-small">{signed(paired.low)} to {signed(paired.high)}{said}</div></div></td>'
    )


def signed(value: float) -> str:
    text = f"{value:+.3f}"
    return (text if text.strip("+-0.") else text.lstrip("+-")).replace("-", "−")


def named(row: EncoderResult, rows: Sequence[EncoderResult], under: str = "") -> str:
    wrap = "white-space:nowrap" if len(row.offer.name) < 24 else "overflow-wrap:anywhere"
    return (
        f'<td><span style="{wrap}"><span style="color:{color(row, rows)}">●</span> {escape(row.offer.name)}</span>'
        f'<div class="gw-small">{escape(under)}</div></td>'
    )


def color(row: EncoderResult, rows: Sequence[EncoderResult]) -> str:
    return charts.COLORS[[one.offer.id for one in rows].index(row.offer.id) % len(charts.COLORS)]


# Dimension and bytes -------------------------------------------------------------------------------------------------


def curve(row: EncoderResult, ready: Sequence[EncoderResult], metric: str) -> None:
    workbench, config = session.workbench(), row.config
    shape = config.transform
    # what was asked for stays while the dimension moves
    about = row.offer.id, shape.model_copy(update={"quantise": "none", "dimensions": 0, "code_bytes": 32, "rescore": 1})
    pressed = [name for name in ("curve", "more_formats") if st.session_state.get(name) == about]
    formats = (*trade_off.FORMATS, *(trade_off.MORE_FORMATS if "more_formats" in pressed else ()))
    todo = jobs.drain(trade_off.points_left(workbench, config, formats))
    if not pressed and todo * len(row.transform.chunks) > SLOW_POINTS:
        st.caption("Retrieval at each dimension and number format.")
        st.button(f"Measure {todo} points", icon=":material/play_arrow:", key="do_curve", on_click=keep, args=("curve", about))
        return
    work = trade_off.trade_off(workbench, config, formats)
    now, points = cancellable(work, pressed[-1]) if pressed and todo else jobs.drain(work)
    traces, data = [], []
    for name in formats:
        some = sorted((p for p in points if p.format == name), key=lambda p: p.bytes_per_vector)
        bounds = [p.intervals[metric] for p in some]
        traces += (
            charts.line(
                [p.bytes_per_vector for p in some],
                [b.mean for b in bounds],
                low=[b.low for b in bounds],
                high=[b.high for b in bounds],
                name=trade_off.format_name(name),
                color=FORMAT_COLORS[name],
                hover="%{customdata} dimensions, %{x:,.0f} bytes: %{y:.3f}",
            )
            if some
            else []
        )
        traces[-1]["customdata"] = [f"{p.dimensions:,}" for p in some]
        data += [
            {
                "dimensions": p.dimensions,
                "format": trade_off.format_name(name),
                "bytes_per_vector": p.bytes_per_vector,
                metric: b.mean,
                "low": b.low,
                "high": b.high,
            }
            for p, b in zip(some, bounds, strict=True)
        ]
    here = now.intervals[metric]
    traces += charts.line(
        [now.bytes_per_vector],
        [here.mean],
        current=now.bytes_per_vector,
        color=FORMAT_COLORS[now.format],
        hover="This setting, %{x:,.0f} bytes: %{y:.3f}",
    )
    ticks = [2**e for e in range(0, 14, 2)]
    drawn = charts.figure(
        traces,
        "Bytes a vector",
        label(metric, config.evaluation.k),
        legend=True,
        height=340,
        xaxis={"type": "log", "tickvals": ticks, "ticktext": [f"{t:,}" for t in ticks]},
    )
    kind = "Whitening" if shape.projection == "whitening" else "PCA"
    charts.show(
        drawn,
        "dimension-and-bytes",
        data=data,
        config=config,
        command=workbench.command(config),
        title=f"{row.offer.name}: {kind} dimensions in each number format",
        caption=f"n {here.n:,}, {config.evaluation.confidence:.0%} intervals; ringed: the setting on the left",
    )
    if "more_formats" not in pressed:
        st.button(
            "Add float16, PQ and OPQ",
            icon=":material/add:",
            key="more",
            on_click=keep,
            args=("more_formats", about),
            help="Codes of 4 to 128 bytes have codebooks to train: seconds each.",
        )


# Geometry, gold pairs ------------------------------------------------------------------------------------------------


def geometry(row: EncoderResult, ready: Sequence[EncoderResult], metric: str) -> None:
    shapes = {one.offer.id: jobs.drain(geometry_of(session.workbench(), one)) for one in ready}
    rows = []
    for name, (title, how, form) in MEASURES.items():
        under = f'<div class="gw-small" style="white-space:normal">{how}</div>'
        cells = [f'<td style="min-width:13rem">{title}{under}</td>']
        for one in ready:
            values = (
                getattr(found.hubness if name in ("skewness", "antihubs") else found, name)
                for found in shapes[one.offer.id]
                if found
            )
            before, *after = ("–" if value != value else format(value, form).replace("-", "−") for value in values)
            cells.append(number(after[0], f"was {before}") if after else number(before))
        rows.append(cells)
    html_table(["Measure", *(one.offer.name for one in ready)], rows)
    some = shapes[row.offer.id].before
    st.caption(
        f"Of all {some.n:,} chunks as directions; hubs and intrinsic dimension from {some.n_neighbours:,}. With a transform set, "
        "the small figure is what it was before."
    )
    spectrum(ready, shapes)


def spectrum(ready: Sequence[EncoderResult], shapes: dict[str, Geometry]) -> None:
    traces, data = [], []
    for one in ready:
        for state, dash, found in zip(("", " after"), ("solid", "dot"), shapes[one.offer.id], strict=True):
            if found:
                held = list(accumulate(found.spectrum.tolist()))
                at = sorted({*range(1, min(33, len(held) + 1)), *range(1, len(held) + 1, 4), len(held)})
                traces += charts.line(
                    at,
                    [held[d - 1] for d in at],
                    color=color(one, ready),
                    name=one.offer.name + state,
                    dash=dash,
                    hover="%{x} directions: %{y:.1%}",
                )
                traces[-1]["mode"] = "lines"
                data += [{"encoder": one.offer.name + state, "directions": d, "share": y} for d, y in enumerate(held, 1)]
    shape = charts.figure(
        traces, "Principal directions", "Share of variance", legend=True, yaxis={"range": [0, 1.02], "tickformat": ".0%"}
    )
    charts.show(
        shape,
        "spectrum",
        data=data,
        config=ready[0].config,
        title="Variance held by the first directions",
        caption="steep: few directions say most; straight: all say the same",
    )


def separation(row: EncoderResult, ready: Sequence[EncoderResult], metric: str) -> None:
    found = {one.offer.id: jobs.drain(separation_of(session.workbench(), one)) for one in ready}
    mine = found[row.offer.id]
    if not len(mine.gold) or not len(mine.random):
        return st.caption("There are no questions with evidence to compare.")
    traces, data = [], []
    middles = ((mine.edges[:-1] + mine.edges[1:]) / 2).tolist()
    both = ("Random pairs", mine.random_counts, charts.BASELINE), ("Gold pairs", mine.gold_counts, charts.COLORS[2])
    for name, counts, shade in both:
        shares = (counts / counts.sum()).tolist()
        traces.append(
            {
                "type": "bar",
                "x": middles,
                "y": shares,
                "name": name,
                "marker": {"color": shade, "line": {"width": 0}},
                "opacity": 0.7,
                "hovertemplate": "cosine %{x:.2f}: %{y:.1%}<extra>" + name + "</extra>",
            }
        )
        data += [{"pairs": name, "cosine": x, "share": y} for x, y in zip(middles, shares, strict=True)]
    shape = charts.figure(
        traces, "Cosine of question and chunk", "Share of pairs", barmode="overlay", bargap=0, yaxis={"tickformat": ".0%"}
    )
    charts.show(
        shape,
        "gold-against-random",
        data=data,
        config=row.config,
        command=session.workbench().command(row.config),
        title=f"{row.offer.name}: similarity of a question with its evidence, and with random chunks",
        caption=f"{len(mine.gold):,} gold, {len(mine.random):,} random pairs",
    )
    html_table(
        ["Encoder", "AUC", "d′"],
        [
            [named(one, ready), number(f"{found[one.offer.id].auc:.3f}"), number(f"{found[one.offer.id].d_prime:.2f}")]
            for one in ready
        ],
    )
    st.caption(
        "AUC: the chance that a question is nearer to its evidence than to a random chunk; 0.5 is guessing. d′: the distance of "
        "the two means in standard deviations. Both look at all chunks; ranking decides among the nearest few, so a high AUC is "
        "needed and not enough."
    )


# The map -------------------------------------------------------------------------------------------------------------


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
    if slow and st.session_state.get("drawn_map") != about:
        st.caption("t-SNE takes some 10 seconds, once for each encoder and transform.")
        st.button("Draw the map", icon=":material/play_arrow:", key="draw_map", on_click=keep, args=("drawn_map", about))
        return
    work = vector_map(workbench, row, method)
    found = cancellable(work, "drawn_map") if slow else jobs.drain(work)
    texts = jobs.drain(workbench.pipeline.texts(row.config, row.evaluation.corpus))
    picked = [f"chunk {i}" for i in found.flat.chunk_rows if words and words in texts[i].lower()]
    picked += [f"question {i}" for i in found.flat.query_rows if words and words in queries[i].text.lower()]
    event = draw_map(row, found, texts, by, set(picked))
    clicked = [p["customdata"] for p in event.selection.points] if event else []
    opened = [one[0] if isinstance(one, list) else one for one in clicked] or picked[:3]
    if words:
        more = " The first three:" if len(picked) > 3 else ""
        st.caption(f"{len(picked):,} points have these words and are ringed.{more}")
    elif not opened:
        st.caption("Click a point to read its chunk or question.")
    for id in dict.fromkeys(opened):
        kind, _, place = id.partition(" ")
        (open_chunk if kind == "chunk" else open_question)(row, found, int(place))


def draw_map(row: EncoderResult, found: VectorMap, texts: Sequence[str], by: str, picked: set[str]) -> Any:
    flat, corpus, k = found.flat, row.evaluation.corpus, row.config.evaluation.k
    chunks = [
        (f"chunk {i}", *xy, f"{title_of(row, found, i)}: {texts[i]}")
        for i, xy in zip(flat.chunk_rows, flat.chunk_xy.tolist(), strict=True)
    ]
    asked = [
        (f"question {i}", *xy, corpus.queries[i].text) for i, xy in zip(flat.query_rows, flat.query_xy.tolist(), strict=True)
    ]
    state, hit = found.evidence[flat.chunk_rows], found.found[flat.query_rows]
    groups = (
        sources(row, found)
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
        traces += dots(asked, mask & found.measured[flat.query_rows], name, shade, 7, symbol)
    data = [
        {"point": id, "group": t["name"], "x": x, "y": y}
        for t in traces
        for id, x, y in zip(t["customdata"], t["x"], t["y"], strict=True)
    ]
    both = [*chunks, *asked]
    traces += [one | {"marker": RING} for one in dots(both, [id in picked for id, *_ in both], "", "", 14, "")]
    axes = [f"Principal direction {i}, {share:.1%} of the variance" for i, share in enumerate(flat.variance or (), 1)]
    x, y = axes or ("", "")
    bare = {} if flat.variance else {"showticklabels": False, "ticks": ""}
    shape = charts.figure(traces, x, y, height=520, legend=True, xaxis=bare, yaxis=bare, clickmode="event+select")
    most = "" if len(chunks) == len(found.chunks) else f"of {len(found.chunks):,} "
    return charts.show(
        shape,
        "map",
        data=data,
        config=row.config,
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


def sources(row: EncoderResult, found: VectorMap) -> list[tuple[str, list[bool], str]]:
    """The five sources with most chunks on the map, and the rest; documents, where all are of one source."""
    of = [row.evaluation.corpus.documents[found.chunks.document[i]].source for i in found.flat.chunk_rows]
    if len(set(of)) == 1:
        of = [title_of(row, found, i) for i in found.flat.chunk_rows]
    largest = sorted(set(of), key=lambda name: (-of.count(name), name))[:5]
    groups = [
        (name if len(name) <= 28 else name[:27].rstrip() + "…", [one == name for one in of], shade)
        for name, shade in zip(largest, charts.COLORS, strict=False)
    ]
    return [("Others", [one not in largest for one in of], REST), *groups]


def title_of(row: EncoderResult, found: VectorMap, chunk: int) -> str:
    document = row.evaluation.corpus.documents[found.chunks.document[chunk]]
    return document.title or document.id


def open_chunk(row: EncoderResult, found: VectorMap, chunk: int) -> None:
    corpus, chunks, pairs = row.evaluation.corpus, found.chunks, row.evaluation.judged.relevance
    document, start, end = corpus.documents[chunks.document[chunk]], int(chunks.start[chunk]), int(chunks.end[chunk])
    asking = [corpus.queries[q] for q in pairs.pair_row[pairs.pair_chunk == chunk]]
    gold = evidence.gold_marks(start, end, [g for query in asking for g in query.gold], document.id)
    facts = [f"{chunks.tokens[chunk]:,} tokens", *([f"evidence of {cards.count(len(asking), 'question')}"] if asking else [])]
    name = title_of(row, found, chunk)
    evidence.show(evidence.passage_html(document.text[start:end], title=name, facts=facts, gold=gold))
    for query in asking[:3]:
        st.text(query.text)


def open_question(row: EncoderResult, found: VectorMap, place: int) -> None:
    query = row.evaluation.corpus.queries[place]
    cards.question_title(query.text)
    hits = session.workbench().hits(row.evaluation, place)[:3]
    evidence.show([evidence.hit_html(hit, gold=query.gold, query=query.text) for hit in hits])


# Training ------------------------------------------------------------------------------------------------------------


def train(config: TrialConfig) -> None:
    workbench = session.workbench()
    last = next((job for job in workbench.jobs.list() if job.arguments[:1] == ("train-encoder",)), None)
    made = training.trained(workbench)
    if last and last.status != "done" and last.arguments[1] not in [one.name for one in made]:
        jobs.watch(last.id)
        st.fragment(curves, run_every=2.0 if last.active else None)(last.arguments[1])
    if not (last and last.active):
        training_form(config, made)
    st.subheader("Trained encoders", anchor=False)
    if not made:
        st.caption("None yet. One that is trained here stands in the list of encoders, as any other.")
    for one in made:
        trained_card(one)


def training_form(config: TrialConfig, made: Sequence[training.TrainedEncoder]) -> None:
    workbench = session.workbench()
    st.caption(
        "Trains a copy of an encoder on this corpus' questions and their evidence, against other chunks (DPR). Documents are split "
        "into train, validation and test, so no evidence leaks; the test questions are asked once, before and after."
    )
    knobs = {knob.name: knob for knob in forms.knobs(TrainConfig)}
    left, right = st.columns(2)
    fresh = training.free_name(workbench, config.corpus.dataset)
    name = left.text_input("Name", fresh, key=f"train/name/{fresh}", help="Letters, digits, points, hyphens.")
    settings: dict[str, Any] = {
        "base": right.selectbox(
            "Start from",
            ["minilm", *(one.name for one in made)],
            key="train/base",
            help=knobs.pop("base").help,
            format_func=lambda name: "MiniLM" if name == "minilm" else name,
        )
    }
    for place, knob in enumerate(KNOBS_FIRST):
        with (left, right)[place % 2]:
            settings[knob] = training_knob(knobs.pop(knob))
    with st.expander("More", key="train/more"):
        columns = st.columns(2)
        for place, knob in enumerate(knobs):
            with columns[place % 2]:
                settings[knob] = training_knob(knobs[knob])
    try:
        arguments = training.training_arguments(workbench, config, name, settings)
    except WorkbenchError as error:
        return cards.problem(error)
    st.caption("The command")
    st.code(training.command(arguments), language="bash", wrap_lines=True)
    if not name.strip() or (workbench.home / "encoders" / name).exists():
        wrong = "There is an encoder of this name: take another." if name.strip() else "Give it a name."
        return st.warning(wrong, icon=":material/error:")
    st.button(
        "Train",
        type="primary",
        icon=":material/model_training:",
        key="train/start",
        on_click=workbench.jobs.start,
        args=(arguments, f"Training {name}"),
    )


def training_knob(knob: forms.Knob) -> Any:
    st.session_state.setdefault(f"train/{knob.name}", getattr(TrainConfig(), knob.name))
    return forms.widget(knob, f"train/{knob.name}")


def curves(name: str) -> None:
    with cards.calm():
        draw_curves(name, training.training_log(session.workbench(), name))


def draw_curves(name: str, log: Sequence[dict[str, Any]]) -> None:
    steps = [line for line in log if line["kind"] == "step" and line["loss"] is not None]
    checks = [line for line in log if line["kind"] == "evaluation"]
    if not steps and not checks:
        return st.caption(
            "Loss and validation are drawn here from the first step on. Before it the corpus is embedded and negatives are mined."
        )
    left, right = st.columns(2)
    with left:
        at, loss = [line["step"] for line in steps], [line["loss"] for line in steps]
        smooth = [sum(some) / len(some) for some in (loss[max(0, i - 9) : i + 1] for i in range(len(loss)))]
        traces = [
            *charts.scatter(at, loss, color=charts.COLORS[0], faint=True, ids=[f"step {s}" for s in at]),
            *charts.line(at, smooth, name="Mean of 10"),
        ]
        traces[-1]["mode"] = "lines"
        charts.show(
            charts.figure(traces, "Step", "Loss", legend=False, height=240),
            f"loss-{name}",
            data=steps,
            title="Training loss",
            caption="line: mean of 10",
        )
    with right:
        k = session.config().evaluation.k
        traces = [
            trace
            for shade, (metric, part) in zip(charts.COLORS, TRAINED_METRICS.items(), strict=False)
            for trace in charts.line(
                [c["step"] for c in checks], [c[metric] for c in checks], name=part.label.format(k=k), color=shade
            )
        ]
        charts.show(
            charts.figure(traces, "Step", legend=True, height=240),
            f"validation-{name}",
            data=checks,
            title="Validation",
            caption="step 0: the start",
        )


def trained_card(one: training.TrainedEncoder) -> None:
    record, workbench, encoder = one.record, session.workbench(), session.config().embedding
    with st.container(border=True):
        st.markdown(f"**{cards.plain(one.name)}**")
        st.markdown(VERDICTS[one.verdict])
        if not record:
            return
        sizes, rows = record["sizes"], []
        for metric, part in TRAINED_METRICS.items():
            change, test = record["comparison"][metric], one.paired(metric)
            rows.append(
                [
                    f"<td>{escape(part.label.format(k=record['evaluation']['k']))}</td>",
                    number(f"{change['before']:.3f}"),
                    number(f"{change['after']:.3f}"),
                    difference(test, test.p, one.change(metric)),
                ]
            )
        html_table(["On the test questions", "Before", "After", "Difference"], rows)
        early = "stopped early, as validation did not improve"
        stopped = "all steps done" if record["stopped"] == "all steps" else early
        cards.facts(
            [
                ("Corpus", record["corpus"]["name"]),
                ("Start", record["config"]["base"]),
                ("Questions", f"{sizes['train']:,} to train, {sizes['validation']:,} to validate, {sizes['test']:,} to test"),
                ("Steps", f"{record['steps']:,}, {stopped}; kept: step {record['best_step']:,}"),
                ("Time", cards.duration(sum(record["seconds"].values()))),
            ]
        )
        using = encoder.part == "trained" and encoder.name == one.name
        with st.container(horizontal=True):
            st.button(
                "In use" if using else "Use this encoder",
                key=f"use/{one.name}",
                disabled=using,
                icon=":material/check:",
                on_click=session.change,
                args=({"embedding.part": "trained", "embedding.name": one.name},),
                help="Makes it the recipe's encoder, on every page.",
            )
            with st.popover("Curves", icon=":material/show_chart:"):
                draw_curves(one.name, training.training_log(workbench, one.name))
