"""Encoders: which one finds the evidence, what a transform makes of its vectors, and what those look like."""

import time
from collections.abc import Sequence
from html import escape
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, charts, evidence, forms, jobs
from core import encoder_lab as lab
from core.comparison import label
from core.config import TransformConfig, TrialConfig
from core.embedding.train import METRICS as TRAINED_METRICS
from core.embedding.train import TrainConfig
from core.encoder_lab import Offer, Row
from core.errors import WorkbenchError
from core.workbench import METRICS

SHOWN = ("ndcg_linear", "recall", "mrr")
MOST = len(charts.COLORS)  # encoders at once: each has a colour of its own
SIMILARITIES = {"cosine": "Cosine", "dot": "Dot", "l2": "L2"}
PROJECTIONS = {"none": "None", "pca": "PCA", "whitening": "Whitening"}
FORMAT_COLORS = dict(zip(("none", "int8", "binary", "opq", "float16", "pq"), charts.COLORS, strict=True))
KNOBS_FIRST = ("base", "method", "learning_rate", "temperature", "batch_size", "hard_negatives", "max_steps")
RING = {"size": 14, "symbol": "circle-open", "color": charts.COLORS[3], "line": {"width": 2.5}}
SLOW_MAP = 300  # points: t-SNE of more is drawn on a button
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
FILTERS = {"all": "All", "changed": "Changed", "won": "Won", "lost": "Lost", "missed": "Missed"}
VERDICTS = {
    "better": "Better on questions it never saw.",
    "worse": "Worse than its start on questions it never saw: do not use it here.",
    "not distinguishable": "Not better: on questions it never saw, the difference to its start cannot be told from zero.",
    "equal": "Not better: no step beat the start on validation, so the encoder equals its start.",
    "unknown": "How it was trained is not recorded.",
}


def page() -> None:
    cards.page_title("Encoders", "Which encoder, and which treatment of its vectors, finds the evidence, "
                     "and what do its vectors look like?")  # fmt: skip
    config = session.config()
    offers = lab.offers(config)
    left, right = st.columns([1, 2], gap="medium")
    with left:
        chosen = controls(config, offers)
    with right:
        if not chosen:
            return cards.empty("A table of encoders", "Choose at least one encoder on the left.") and None
        own = lab.own(offers, config)
        reference = own if own in chosen else chosen[0]
        metric = st.session_state["metric"]
        rows = results(config, chosen, reference, metric)
        pair = tabs(config, rows, reference, metric)
    if pair:
        side_by_side(*pair)


# Left: what is compared ----------------------------------------------------------------------------------------------


def controls(config: TrialConfig, offers: Sequence[Offer]) -> list[Offer]:
    known = {offer.id: offer for offer in offers}
    usual = dict.fromkeys([lab.own(offers, config).id, "minilm-mean", "minilm-cls", "lsa"])
    chosen = st.pills("Encoders side by side", list(known), selection_mode="multi", wrap=True, default=list(usual)[:3], key="encoders",
                      bind="query-params", format_func=lambda id: known[id].name if id in known else id,
                      help="The recipe's own encoder is the reference, or the first one. Each is measured alone: dense retrieval by "
                      "exact search.")  # fmt: skip
    if len(chosen) > MOST:
        st.caption(f"At most {MOST} at once: the first are shown.")
    st.selectbox("Judged by", METRICS, METRICS.index(SHOWN[0]), key="metric", bind="query-params",
                 format_func=lambda name: label(name, config.evaluation.k))  # fmt: skip
    choice("Similarity", "index.metric", SIMILARITIES, config.index.metric,
           "How question and chunk are compared: cosine, dot product or distance. On vectors of length 1 all rank alike.")  # fmt: skip
    choice("Projection", "transform.projection", PROJECTIONS, config.transform.projection,
           "PCA keeps the directions of most variance; whitening also gives them equal weight. Both centre.")  # fmt: skip
    dimension_slider(config)
    with st.container(gap="xsmall"):
        forms.stage_form("transform", baseline=session.baseline(), expanded=True, only=steps(config.transform))
        forms.stage_form("chunking", baseline=session.baseline())
        forms.stage_form("evaluation", baseline=session.baseline())
    st.caption("Chunk sizes are counted in each encoder's own tokens, so chunks may differ between encoders. Evidence is judged by "
               "characters, which keeps the numbers comparable.")  # fmt: skip
    return [offer for offer in offers if offer.id in chosen][:MOST]


def steps(transform: TransformConfig) -> tuple[str, ...]:
    """The knobs that act: the projection stands above the form, and only a code has bytes to choose."""
    idle = {
        "projection": True,
        "dimensions": True,
        "code_bytes": transform.quantise not in lab.CODES,
        "rescore": transform.quantise == "none",
    }
    return tuple(name for name in TransformConfig.model_fields if not idle.get(name))


def choice(title: str, setting: str, options: dict[str, str], now: str, help: str) -> None:
    """A setting of the recipe whose few values stand side by side."""
    forms.show_value(f"lab/{setting}", now)
    st.segmented_control(title, list(options), default=now, key=f"lab/{setting}", format_func=options.get, required=True,
                         on_change=change, args=(setting,), width="stretch", wrap=True, help=help)  # fmt: skip


def dimension_slider(config: TrialConfig) -> None:
    """The dimension that the projection keeps, in the steps of the trade-off curve; all, 0 in the recipe, stands at the right."""
    whole, now = lab.dimension(session.workbench(), config), config.transform.dimensions
    stops = [*sorted({*(d for d in lab.DIMENSIONS if not whole or d < whole), *([now] if now else [])}), 0]
    forms.show_value("lab/transform.dimensions", now)
    st.select_slider("Dimensions kept", stops, now, key="lab/transform.dimensions", on_change=change, args=("transform.dimensions",),
                     format_func=lambda d: f"{d:,}" if d else f"all {whole:,}" if whole else "all",
                     disabled=config.transform.projection == "none",
                     help="By PCA or whitening: choose one first. Fewer are smaller and faster, and lose detail.")  # fmt: skip


def change(setting: str) -> None:
    session.change({setting: st.session_state[f"lab/{setting}"]})


# Right: the answer ---------------------------------------------------------------------------------------------------


def results(config: TrialConfig, chosen: Sequence[Offer], reference: Offer, metric: str) -> list[Row]:
    started = time.perf_counter()
    rows = jobs.drain(lab.leaderboard(session.workbench(), config, chosen, reference))
    strip(config, rows, time.perf_counter() - started)
    ready = [row for row in rows if row.evaluation]
    if ready and not ready[0].intervals[metric].n:
        st.info("This corpus has no questions with gold evidence, so nothing can be measured. The geometry and the map work "
                "without. Add a questions file on the page Corpus.", icon=":material/info:")  # fmt: skip
    elif ready:
        leaderboard(config, rows, reference, metric)
    for row in rows:
        if row.error:
            st.warning(f"**{cards.plain(row.offer.name)}:** {cards.plain(row.error.what)} {cards.plain(row.error.todo)}",
                       icon=":material/error:")  # fmt: skip
    if waiting := [row for row in rows if row.plan]:
        still_to_do(config, waiting, bool(ready))
    return rows


def strip(config: TrialConfig, rows: Sequence[Row], seconds: float) -> None:
    workbench = session.workbench()
    ready = [row for row in rows if row.evaluation]
    corpus = ready[0].evaluation.corpus if ready else None
    asked = (
        corpus
        and f"{sum(bool(q.gold) for q in corpus.queries):,} of {len(corpus.queries):,} questions ({config.corpus.questions})"
    )
    cards.status_strip([
        f"{config.corpus.dataset}, {cards.count(len(corpus.documents), 'document')}" if corpus else config.corpus.dataset,
        asked or "", f"{len(ready)} of {cards.count(len(rows), 'encoder')} measured", config.embedding.device(),
        cards.duration(seconds),
    ])  # fmt: skip
    with st.popover("Reproduce", icon=":material/terminal:"):
        st.caption("The commands that measure each encoder and store a trial")
        st.code("\n".join(workbench.command(row.config) for row in rows), language="bash", wrap_lines=True)
        st.caption("The recipe. The address of this page restores the view: copy it to share.")
        st.json(config.model_dump(mode="json"), expanded=1)


def leaderboard(config: TrialConfig, rows: Sequence[Row], reference: Offer, metric: str) -> None:
    """Best first. The difference is coloured only where it is distinguishable after the correction."""
    k, shown = config.evaluation.k, list(dict.fromkeys([metric, *SHOWN]))
    ready = sorted((row for row in rows if row.evaluation), key=lambda row: -row.intervals[metric].mean)
    first, *others = (label(name, k) for name in shown)
    heads = ["Encoder", first, "Against the reference", *others, "Dimensions", "Speed"]
    body = "".join(f"<tr>{''.join(leader_cells(row, rows, shown, metric, reference))}</tr>" for row in ready)
    html_table(heads, body)
    n = ready[0].intervals[metric]
    tests = sum(metric in row.p_holm for row in rows)
    said = f"n {n.n:,} of {n.total:,} questions, {config.evaluation.confidence:.0%} intervals"
    said += f"; p corrected for {tests} comparisons (Holm)" if tests > 1 else ""
    left, right = st.columns([1, 0.2], vertical_alignment="center")
    left.caption(f"{said}. Speed: texts embedded a second when this machine last did it.")
    right.download_button("CSV", lambda: charts.to_csv(lab.table(rows, shown, reference)), "encoders.csv", "text/csv",
                          icon=":material/download:", type="tertiary", on_click="ignore", key="export/leaderboard")  # fmt: skip
    trained = lab.trained(session.workbench()) if any(row.offer.part.part == "trained" for row in ready) else []
    for row in ready:
        if lab.learnt_from(row, trained):
            st.warning(f"{cards.plain(row.offer.name)} learnt from questions of this corpus, and is asked them again here. Choose the "
                       "questions *Test* in the sidebar: those it never saw.", icon=":material/info:")  # fmt: skip


def leader_cells(row: Row, rows: Sequence[Row], shown: Sequence[str], metric: str, reference: Offer) -> list[str]:
    about = "reference" if row.offer == reference else ""
    if row.transform.lost:
        about = f"{about}, " * bool(about) + f"{cards.count(row.transform.lost, 'chunk')} left without a direction"
    cells = [f'<td>{named(row, rows)}<div class="gw-small">{about}</div></td>']
    for name in shown:
        one = row.intervals[name]
        span = "" if one.low is None else f"{one.low:.3f} to {one.high:.3f}"
        cells.append(number(f"{one.mean:.3f}", span, strong=name == metric))
    cells.insert(2, difference_cell(row.paired.get(metric), row.p_holm.get(metric), lab.verdict(row, metric)))
    cells.append(number(f"{row.transform.dim:,}", f"{row.transform.bytes_per_vector:,.0f} bytes"))
    cells.append(number(f"{row.texts_per_s:,.0f}" if row.texts_per_s else "–", "texts/s"))
    return cells


def difference_cell(paired: Any, p: float | None, verdict: str) -> str:
    if paired is None or paired.low is None:
        return number("–" if paired is None else signed(paired.difference), "" if paired is None else paired.note)
    style = {"better": "up", "worse": "down"}.get(verdict, "")
    arrow = {"up": "▲ ", "down": "▼ "}.get(style, "")
    said = "" if p is None else ", p < 0.001" if p < 0.001 else f", p {p:.3f}"
    return (f'<td class="num"><div class="gw-delta {style}" style="margin:0"><b>{arrow}{signed(paired.difference)}</b>'
            f'<div class="gw-small">{signed(paired.low)} to {signed(paired.high)}{escape(said)}</div></div></td>')  # fmt: skip


def signed(value: float) -> str:
    text = f"{value:+.3f}"
    return (text if text.strip("+-0.") else text.lstrip("+-")).replace("-", "−")


def number(text: str, under: str = "", strong: bool = False) -> str:
    weight = ' style="font-weight:600"' if strong else ""
    return f'<td class="num"><span{weight}>{escape(text)}</span><div class="gw-small">{escape(under)}</div></td>'


def named(row: Row, rows: Sequence[Row]) -> str:
    cut = "white-space:nowrap" if len(row.offer.name) < 24 else "overflow-wrap:anywhere"
    return f'<span style="{cut}"><span style="color:{color(row, rows)}">●</span> {escape(row.offer.name)}</span>'


def color(row: Row, rows: Sequence[Row]) -> str:
    return charts.COLORS[[one.offer.id for one in rows].index(row.offer.id) % len(charts.COLORS)]


def html_table(heads: Sequence[str], body: str) -> None:
    """Cells of two lines, which a grid does not have; wider than the page, it scrolls."""
    first, *rest = (escape(head) for head in heads)
    top = f"<th>{first}</th>" + "".join(f'<th class="num">{head}</th>' for head in rest)
    st.html(f'<div class="gw" style="overflow-x:auto"><table class="gw-table"><thead><tr>{top}</tr></thead><tbody>{body}</tbody>'
            "</table></div>")  # fmt: skip


def still_to_do(config: TrialConfig, waiting: Sequence[Row], some: bool) -> None:
    """Encoders that need more than a moment: jobs do it, which outlive this page."""
    workbench = session.workbench()
    if not some:
        cards.empty("A table of encoders with their differences", "Nothing is embedded yet. Prepare an encoder, and it is measured here; "
                    "everything after that answers at once.")  # fmt: skip
    for row in waiting:
        about = f", about {cards.duration(row.plan.seconds)}" if row.plan.seconds else ""
        with st.container(horizontal=True, vertical_alignment="center", key=f"todo/{row.offer.id}"):
            st.markdown(f"**{cards.plain(row.offer.name)}** still needs {cards.plain(row.plan.what + about)}.")
            jobs.start_button(f"Prepare {row.offer.name}", ["prepare", *workbench.arguments(lab.prepared(row.config))],
                              f"Preparing {row.offer.name} on {config.corpus.dataset}", icon=":material/bolt:")  # fmt: skip


# Right: a closer look ------------------------------------------------------------------------------------------------


def tabs(config: TrialConfig, rows: Sequence[Row], reference: Offer, metric: str) -> tuple[Row, Row | None, int] | None:
    """The tabs, then the questions; returns what to show side by side: (this encoder, the reference, question)."""
    ready = [row for row in rows if row.evaluation]
    looked = look(ready, reference) if ready else None
    names = ["Dimension and bytes", "Geometry", "Gold against random", "Map", "Train"]
    views = [curve_tab, geometry_tab, separation_tab, map_tab]
    *shapes, train = st.tabs(names, key="view", on_change="rerun")
    for tab, view in zip(shapes, views, strict=True):
        if tab.open:
            with tab, cards.calm():
                view(looked, ready, metric) if looked else st.caption("Prepare an encoder first.")
    if train.open:
        with train, cards.calm():
            train_tab(config)
    measured = looked and looked.intervals[metric].n and not train.open
    return (
        by_question(looked, next((row for row in ready if row.offer == reference), None), metric) if measured else None
    )


def look(ready: Sequence[Row], reference: Offer) -> Row:
    known = {row.offer.id: row for row in ready}
    if st.session_state.get("look") not in known:
        st.session_state["look"] = next((id for id, row in known.items() if row.offer != reference), next(iter(known)))
    st.selectbox("Look closer at", list(known), list(known).index(st.session_state["look"]), key="look",
                 format_func=lambda id: known[id].offer.name, width=320)  # fmt: skip
    return known[st.session_state["look"]]


def curve_tab(row: Row, ready: Sequence[Row], metric: str) -> None:
    workbench, k = session.workbench(), row.config.evaluation.k
    wanted = (row.offer.id, row.config.transform.model_copy(update={"quantise": "none", "code_bytes": 32}))
    formats = lab.FORMATS + (lab.CODES if st.session_state.get("codes") == wanted else ())
    now, points = jobs.drain(lab.trade_off(workbench, row.config, formats))
    traces, data = [], []
    for name in formats:
        some = sorted((p for p in points if p.format == name), key=lambda p: p.bytes_per_vector)
        if not some:
            continue
        bounds = [p.intervals[metric] for p in some]
        found = charts.line([p.bytes_per_vector for p in some], [b.mean for b in bounds], low=[b.low for b in bounds],
                            high=[b.high for b in bounds], name=lab.format_name(name), color=FORMAT_COLORS[name],
                            hover="%{customdata} dimensions, %{x:,.0f} bytes: %{y:.3f}")  # fmt: skip
        found[-1]["customdata"] = [f"{p.dimensions:,}" for p in some]
        traces += found
        data += [{"dimensions": p.dimensions, "format": lab.format_name(name), "bytes_per_vector": p.bytes_per_vector,
                  metric: b.mean, "low": b.low, "high": b.high} for p, b in zip(some, bounds, strict=True)]  # fmt: skip
    here = now.intervals[metric]
    traces += charts.line([now.bytes_per_vector], [here.mean], current=now.bytes_per_vector, color=FORMAT_COLORS[now.format],
                          hover="This setting, %{x:,.0f} bytes: %{y:.3f}")  # fmt: skip
    ticks = [2**e for e in range(0, 14, 2)]
    shape = charts.figure(traces, "Bytes a vector", label(metric, k), legend=True, height=340,
                          xaxis={"type": "log", "tickvals": ticks, "ticktext": [f"{t:,}" for t in ticks]})  # fmt: skip
    kind = "Whitening" if row.config.transform.projection == "whitening" else "PCA"
    charts.show(shape, "dimension-and-bytes", data=data, config=row.config, command=workbench.command(row.config),
                title=f"{row.offer.name}: {kind} dimensions in each number format",
                caption=f"n {here.n:,}, {row.config.evaluation.confidence:.0%} intervals; ringed: the setting on the left")  # fmt: skip
    if formats == lab.FORMATS:
        st.button("Add PQ and OPQ", icon=":material/add:", key="add_codes", on_click=add_codes, args=(wanted,),
                  help="Trains the codebooks of codes of 4 to 128 bytes; seconds each.")  # fmt: skip


def add_codes(wanted: tuple) -> None:
    st.session_state["codes"] = wanted


def geometry_tab(row: Row, ready: Sequence[Row], metric: str) -> None:
    shapes = {one.offer.id: jobs.drain(lab.geometry(session.workbench(), one)) for one in ready}
    body = []
    for name, (title, how, form) in MEASURES.items():
        cells = [
            f'<td style="min-width:13rem">{title}<div class="gw-small" style="white-space:normal">{how}</div></td>'
        ]
        for one in ready:
            before, after = (
                None if d is None else format(measure(d, name), form).replace("-", "−") for d in shapes[one.offer.id]
            )
            cells.append(number(after or before, f"was {before}" if after else ""))
        body.append(f"<tr>{''.join(cells)}</tr>")
    html_table(["Measure", *(one.offer.name for one in ready)], "".join(body))
    some = shapes[row.offer.id].before
    st.caption(f"Of all {some.n:,} chunks as directions; hubs and intrinsic dimension from {some.n_neighbours:,}. With a transform set, "
               "the small figure is what it was before.")  # fmt: skip
    spectrum(ready, shapes)


def measure(found: Any, name: str) -> float:
    return getattr(found.hubness if name in ("skewness", "antihubs") else found, name)


def spectrum(ready: Sequence[Row], shapes: dict[str, lab.Shape]) -> None:
    traces, data = [], []
    for one in ready:
        for state, found in zip(("before", "after"), shapes[one.offer.id], strict=True):
            if found is None:
                continue
            shares, total = [], 0.0
            for share in found.spectrum.tolist():
                total += share
                shares.append(total)
            at = sorted({*range(1, min(33, len(shares) + 1)), *range(1, len(shares) + 1, 4), len(shares)})
            traces += charts.line(at, [shares[d - 1] for d in at], color=color(one, ready),
                                  name=one.offer.name + (" after" if state == "after" else ""), dash="dot" if state == "after" else "solid",
                                  hover="%{x} directions: %{y:.1%}")  # fmt: skip
            traces[-1]["mode"] = "lines"
            data += [
                {"encoder": one.offer.name, "state": state, "directions": d, "share": shares[d - 1]}
                for d in range(1, len(shares) + 1)
            ]
    shape = charts.figure(traces, "Principal directions", "Share of variance", legend=True,
                          yaxis={"range": [0, 1.02], "tickformat": ".0%"})  # fmt: skip
    charts.show(shape, "spectrum", data=data, config=ready[0].config, title="Variance held by the first directions",
                caption="steep: few directions say most; straight: all say the same")  # fmt: skip


def separation_tab(row: Row, ready: Sequence[Row], metric: str) -> None:
    found = {one.offer.id: jobs.drain(lab.separation(session.workbench(), one)) for one in ready}
    mine = found[row.offer.id]
    if not len(mine.gold):
        return st.caption("There are no questions with evidence to compare.")
    traces, data = [], []
    middles = ((mine.edges[:-1] + mine.edges[1:]) / 2).tolist()
    for name, counts, shade in (
        ("Random pairs", mine.random_counts, charts.BASELINE),
        ("Gold pairs", mine.gold_counts, charts.COLORS[2]),
    ):
        shares = (counts / counts.sum()).tolist()
        traces.append({"type": "bar", "x": middles, "y": shares, "name": name, "marker": {"color": shade, "line": {"width": 0}},
                       "opacity": 0.7, "hovertemplate": "cosine %{x:.2f}: %{y:.1%}<extra>" + name + "</extra>"})  # fmt: skip
        data += [{"pairs": name, "cosine": x, "share": y} for x, y in zip(middles, shares, strict=True)]
    shape = charts.figure(traces, "Cosine of question and chunk", "Share of pairs", barmode="overlay", bargap=0,
                          yaxis={"tickformat": ".0%"})  # fmt: skip
    charts.show(shape, "gold-against-random", data=data, config=row.config, command=session.workbench().command(row.config),
                title=f"{row.offer.name}: similarity of a question with its evidence, and with random chunks",
                caption=f"{len(mine.gold):,} gold, {len(mine.random):,} random pairs")  # fmt: skip
    body = "".join(f"<tr><td>{named(one, ready)}</td>{number(f'{found[one.offer.id].auc:.3f}')}"
                   f"{number(f'{found[one.offer.id].d_prime:.2f}')}</tr>" for one in ready)  # fmt: skip
    html_table(["Encoder", "AUC", "d′"], body)
    st.caption("AUC: the chance that a question is nearer to its evidence than to a random chunk; 0.5 is guessing. d′: the distance of "
               "the two means in standard deviations. Both look at all chunks; ranking decides among the nearest few, so a high AUC is "
               "needed and not enough.")  # fmt: skip


# The map -------------------------------------------------------------------------------------------------------------


def map_tab(row: Row, ready: Sequence[Row], metric: str) -> None:
    workbench = session.workbench()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        method = st.segmented_control("Map", ["pca", "tsne"], default="pca", key="map_method", required=True,
                                      format_func={"pca": "PCA", "tsne": "t-SNE"}.get, width="content",
                                      help="PCA is true to large distances, t-SNE to who is near whom: there, the size of a cluster "
                                      "and the distance between two mean nothing.")  # fmt: skip
        by = st.segmented_control("Colour", ["success", "source"], default="success", key="map_colour", required=True,
                                  format_func={"success": "Retrieval success", "source": "Source"}.get, width="content")  # fmt: skip
        find = st.text_input("Find", key="map_find", placeholder="words of a chunk or a question", width=240)
    slow = method == "tsne" and len(row.transform.chunks) > SLOW_MAP and not lab.map_ready(workbench, row, method)
    if slow and not st.button("Draw the t-SNE map", icon=":material/play_arrow:", key="draw_map"):
        return st.caption("It takes some 10 seconds, once for each encoder and transform.")
    found = jobs.drain(lab.corpus_map(workbench, row, method))
    texts = jobs.drain(workbench.pipeline.texts(row.config, row.evaluation.corpus))
    words = find.strip().lower()
    picked = [f"chunk {i}" for i in found.flat.chunk_rows if words and words in texts[i].lower()]
    picked += [
        f"question {i}"
        for i in found.flat.query_rows
        if words and words in row.evaluation.corpus.queries[i].text.lower()
    ]
    event = draw_map(row, found, texts, by, set(picked))
    clicked = [p["customdata"] for p in event.selection.points] if event else []
    opened = [one[0] if isinstance(one, list) else one for one in clicked] or picked[:3]
    if words:
        st.caption(
            f"{len(picked):,} points have these words and are ringed."
            + (" The first three:" if len(picked) > 3 else "")
        )
    elif not opened:
        st.caption("Click a point to read its chunk or question.")
    for id in dict.fromkeys(opened):
        kind, _, place = id.partition(" ")
        open_chunk(row, found, int(place)) if kind == "chunk" else open_question(row, int(place))


def draw_map(row: Row, found: lab.Map, texts: Sequence[str], by: str, picked: set[str]) -> Any:
    flat, corpus, k = found.flat, row.evaluation.corpus, row.config.evaluation.k
    groups = chunk_groups(row, found) if by == "source" else [
        ("No question's evidence", [not e for e in found.evidence[flat.chunk_rows]], "#a8adb3"),
        (f"Evidence, in the first {k}", [e == 2 for e in found.evidence[flat.chunk_rows]], charts.COLORS[0]),
        ("Evidence, missed", [e == 1 for e in found.evidence[flat.chunk_rows]], charts.COLORS[1]),
    ]  # fmt: skip
    traces = []
    for name, mask, shade in groups:
        at = [place for place, yes in enumerate(mask) if yes]
        traces += dots([flat.chunk_xy[p] for p in at], [f"chunk {flat.chunk_rows[p]}" for p in at],
                       [chunk_title(row, found, flat.chunk_rows[p], texts) for p in at], name, shade, 5, "circle")  # fmt: skip
    asked = {
        "Question, found": (True, charts.COLORS[2], "diamond"),
        "Question, missed": (False, charts.COLORS[5], "diamond-open"),
    }
    for name, (hit, shade, symbol) in asked.items():
        at = [p for p, q in enumerate(flat.query_rows) if found.measured[q] and found.found[q] == hit]
        traces += dots([flat.query_xy[p] for p in at], [f"question {flat.query_rows[p]}" for p in at],
                       [corpus.queries[flat.query_rows[p]].text for p in at], name, shade, 7, symbol)  # fmt: skip
    for trace in list(traces):
        at = [p for p, id in enumerate(trace["customdata"]) if id in picked]
        if at:
            traces.append(trace | {"x": [trace["x"][p] for p in at], "y": [trace["y"][p] for p in at], "showlegend": False,
                                   "customdata": [trace["customdata"][p] for p in at], "hovertext": [trace["hovertext"][p] for p in at],
                                   "marker": RING})  # fmt: skip
    traces = [trace for trace in traces if trace["x"]]
    x, y = (f"Principal direction {i}, {share:.1%} of the variance" for i, share in zip("12", flat.variance, strict=True)) \
        if flat.variance else ("", "")  # fmt: skip
    bare = {} if flat.variance else {"showticklabels": False, "ticks": ""}
    shape = charts.figure(traces, x, y, height=520, legend=True, xaxis=bare, yaxis=bare, clickmode="event+select")
    everything = len(flat.chunk_rows) == len(found.chunks)
    data = [
        {"point": id, "group": t["name"], "x": x, "y": y}
        for t in traces
        for id, x, y in zip(t["customdata"], t["x"], t["y"], strict=True)
    ]
    return charts.show(shape, "map", data=data, config=row.config, title=f"{row.offer.name}: chunks and questions", on_select="rerun",
                       caption=f"{len(flat.chunk_rows):,} {'' if everything else f'of {len(found.chunks):,} '}chunks, "
                       f"{len(flat.query_rows):,} questions, seed {flat.seed}")  # fmt: skip


def dots(
    xy: Sequence, ids: Sequence[str], hover: Sequence[str], name: str, shade: str, size: int, symbol: str
) -> list[dict]:
    traces = charts.scatter([float(x) for x, _ in xy], [float(y) for _, y in xy], ids=ids, name=name, color=shade,
                            hover="%{hovertext}")  # fmt: skip
    short = [" ".join(text.split())[:90] for text in hover]
    traces[0] |= {"hovertext": [charts.safe(text) for text in short],
                  "marker": traces[0]["marker"] | {"size": size, "symbol": symbol}}  # fmt: skip
    return traces


def chunk_groups(row: Row, found: lab.Map) -> list[tuple[str, list[bool], str]]:
    """The five sources with most chunks on the map, and the rest; documents, where all are of one source."""
    documents = row.evaluation.corpus.documents
    of = [documents[found.chunks.document[i]].source for i in found.flat.chunk_rows]
    if len(set(of)) == 1:
        of = [documents[d].title or documents[d].id for d in found.chunks.document[found.flat.chunk_rows]]
    largest = sorted(set(of), key=lambda name: (-of.count(name), name))[:5]
    groups = [(cut(name), [one == name for one in of], charts.COLORS[i]) for i, name in enumerate(largest)]
    return [("Others", [one not in largest for one in of], "#a8adb3"), *groups]


def cut(text: str, most: int = 28) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def chunk_title(row: Row, found: lab.Map, chunk: int, texts: Sequence[str]) -> str:
    document = row.evaluation.corpus.documents[found.chunks.document[chunk]]
    return f"{document.title or document.id}: {texts[chunk]}"


def open_chunk(row: Row, found: lab.Map, chunk: int) -> None:
    corpus, chunks = row.evaluation.corpus, found.chunks
    document, start, end = corpus.documents[chunks.document[chunk]], int(chunks.start[chunk]), int(chunks.end[chunk])
    pairs = row.evaluation.judged.relevance
    asking = [corpus.queries[q] for q in pairs.pair_row[pairs.pair_chunk == chunk]]
    gold = evidence.gold_marks(start, end, [g for query in asking for g in query.gold], document.id)
    facts = [
        f"{chunks.tokens[chunk]:,} tokens",
        f"evidence of {cards.count(len(asking), 'question')}" if asking else "",
    ]
    evidence.show(
        evidence.passage_html(document.text[start:end], title=document.title or document.id, facts=facts, gold=gold)
    )
    for query in asking[:3]:
        st.text(query.text)


def open_question(row: Row, place: int) -> None:
    query = row.evaluation.corpus.queries[place]
    cards.question_title(query.text)
    evidence.show(
        [
            evidence.hit_html(hit, gold=query.gold, query=query.text)
            for hit in session.workbench().hits(row.evaluation, place)[:3]
        ]
    )


# Training ------------------------------------------------------------------------------------------------------------


def train_tab(config: TrialConfig) -> None:
    workbench = session.workbench()
    last = next((job for job in workbench.jobs.list() if job.arguments[:1] == ("train-encoder",)), None)
    made = lab.trained(workbench)
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


def training_form(config: TrialConfig, made: Sequence[lab.Trained]) -> None:
    workbench = session.workbench()
    st.caption("Trains a copy of an encoder on this corpus' questions and their evidence, against other chunks (DPR). Documents are split "
               "into train, validation and test, so no evidence leaks; the test questions are asked once, before and after.")  # fmt: skip
    knobs = {knob.name: knob for knob in forms.knobs(TrainConfig)}
    usual = TrainConfig()
    settings: dict[str, Any] = {}
    left, right = st.columns(2)
    fresh = lab.free_name(workbench, config.corpus.dataset)
    name = left.text_input(
        "Name", fresh, key=f"train/name/{fresh}", help="Of the new encoder. Letters, digits, points, hyphens."
    )
    bases = ["minilm", *(one.name for one in made)]
    settings["base"] = right.selectbox("Start from", bases, key="train/base", help=knobs["base"].help,
                                       format_func=lambda name: "MiniLM" if name == "minilm" else name)  # fmt: skip
    for place, knob in enumerate(KNOBS_FIRST[1:]):
        with (left, right)[place % 2]:
            settings[knob] = training_knob(knobs[knob], usual)
    with st.expander("More", key="train/more"):
        columns = st.columns(2)
        for place, knob in enumerate(knob for knob in knobs if knob not in KNOBS_FIRST):
            with columns[place % 2]:
                settings[knob] = training_knob(knobs[knob], usual)
    try:
        arguments = lab.training_arguments(workbench, config, name, settings)
    except WorkbenchError as error:
        return cards.problem(error)
    st.caption("The command")
    st.code(lab.command(arguments), language="bash", wrap_lines=True)
    if (workbench.home / "encoders" / name).exists() or not name.strip():
        return st.warning(
            "There is an encoder of this name: take another." if name.strip() else "Give it a name.",
            icon=":material/error:",
        )
    st.button("Train", type="primary", icon=":material/model_training:", key="train/start",
              on_click=workbench.jobs.start, args=(arguments, f"Training {name}"))  # fmt: skip


def training_knob(knob: forms.Knob, usual: TrainConfig) -> Any:
    key = f"train/{knob.name}"
    st.session_state.setdefault(key, getattr(usual, knob.name))
    value = st.session_state[key]
    if knob.name == "learning_rate":
        return st.select_slider(knob.label, sorted({*knob.options, value}), value, key=key, help=knob.help,
                                format_func=lambda rate: f"{rate:g}" if rate else "automatic")  # fmt: skip
    if knob.name == "method":
        return st.selectbox(knob.label, knob.options, knob.options.index(value), key=key, help=knob.help,
                            format_func={"lora": "LoRA", "full": "All weights"}.get)  # fmt: skip
    return forms.widget(knob._replace(label="Steps at most", unit="") if knob.name == "max_steps" else knob, key)


def curves(name: str) -> None:
    with cards.calm():
        draw_curves(name, lab.training_log(session.workbench(), name))


def draw_curves(name: str, log: Sequence[dict[str, Any]]) -> None:
    steps = [line for line in log if line["kind"] == "step" and line["loss"] is not None]
    checks = [line for line in log if line["kind"] == "evaluation"]
    if not steps and not checks:
        return st.caption("Loss and validation are drawn here from the first step on. Before it the corpus is embedded and negatives "
                          "are mined.")  # fmt: skip
    left, right = st.columns(2)
    with left:
        at, loss = [line["step"] for line in steps], [line["loss"] for line in steps]
        smooth = [sum(some) / len(some) for some in (loss[max(0, i - 9) : i + 1] for i in range(len(loss)))]
        traces = [*charts.scatter(at, loss, color=charts.COLORS[0], faint=True, ids=[f"step {s}" for s in at]),
                  *charts.line(at, smooth, name="Mean of 10")]  # fmt: skip
        traces[-1]["mode"] = "lines"
        charts.show(charts.figure(traces, "Step", "Loss", legend=False, height=240), f"loss-{name}", data=steps, title="Training loss",
                    caption="line: mean of 10")  # fmt: skip
    with right:
        k = session.config().evaluation.k
        traces = [trace for place, (metric, part) in enumerate(TRAINED_METRICS.items())
                  for trace in charts.line([c["step"] for c in checks], [c[metric] for c in checks], name=part.label.format(k=k),
                                           color=charts.COLORS[place])]  # fmt: skip
        charts.show(charts.figure(traces, "Step", legend=True, height=240), f"validation-{name}", data=checks,
                    title="Validation", caption="step 0: the start")  # fmt: skip


def trained_card(one: lab.Trained) -> None:
    record, workbench = one.record, session.workbench()
    with st.container(border=True):
        st.markdown(f"**{cards.plain(one.name)}**")
        st.markdown(VERDICTS[one.verdict])
        if not record:
            return
        sizes, k, body = record["sizes"], record["evaluation"]["k"], ""
        for metric, part in TRAINED_METRICS.items():
            change, test = record["comparison"][metric], one.paired(metric)
            body += (f"<tr><td>{escape(part.label.format(k=k))}</td>{number(format(change['before'], '.3f'))}"
                     f"{number(format(change['after'], '.3f'))}{difference_cell(test, test.p, one.change(metric))}</tr>")  # fmt: skip
        html_table(["On the test questions", "Before", "After", "Difference"], body)
        stopped = (
            "all steps done" if record["stopped"] == "all steps" else "stopped early, as validation did not improve"
        )
        cards.facts([
            ("Corpus", record["corpus"]["name"]), ("Start", record["config"]["base"]),
            ("Questions", f"{sizes['train']:,} to train, {sizes['validation']:,} to validate, {sizes['test']:,} to test"),
            ("Steps", f"{record['steps']:,}, {stopped}; kept: step {record['best_step']:,}"),
            ("Time", cards.duration(sum(record["seconds"].values()))),
        ])  # fmt: skip
        encoder = session.config().embedding
        using = encoder.part == "trained" and encoder.name == one.name
        with st.container(horizontal=True):
            st.button("In use" if using else "Use this encoder", key=f"use/{one.name}", disabled=using, icon=":material/check:",
                      on_click=use, args=(one.name,), help="Makes it the recipe's encoder, on every page.")  # fmt: skip
            with st.popover("Curves", icon=":material/show_chart:"):
                draw_curves(one.name, lab.training_log(workbench, one.name))


def use(name: str) -> None:
    session.change({"embedding.part": "trained", "embedding.name": name})


# By question ---------------------------------------------------------------------------------------------------------


def by_question(row: Row, base: Row | None, metric: str) -> tuple[Row, Row | None, int] | None:
    base = None if base is None or base.offer == row.offer else base
    k = row.config.evaluation.k
    st.subheader("By question", anchor=False)
    offered = list(FILTERS) if base else ["all", "missed"]
    if st.session_state.get("show") not in offered:
        st.session_state["show"] = "all"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wanted = st.segmented_control("Show", offered, key="show", width="content", format_func=FILTERS.get, required=True,
                                      help="Against the reference. Changed: another ranking, also where the metric is equal. Won, lost: "
                                      "it rose or fell. Missed: no relevant chunk in the ranking.")  # fmt: skip
        text = st.text_input("Search the questions", key="find", placeholder="words of a question", width=200)
    table = session.workbench().by_question(row.evaluation, base.evaluation if base else None, metric)
    fits = {"all": lambda i: True, "changed": lambda i: table["changed"][i], "missed": lambda i: table["missed"][i]}
    test = fits.get(wanted) or (lambda i: table["outcome"][i] == wanted)
    kept = [i for i, question in enumerate(table["question"]) if test(i) and text.lower() in question.lower()]
    against = f"{row.offer.name} against {base.offer.name}" if base else row.offer.name
    st.caption(
        f"{cards.plain(against)}: {len(kept):,} of {len(table['id']):,} questions. Choose a row to read both rankings."
    )
    columns = {"question": "Question", "value": label(metric, k), "change": "Change", "rank": "Rank", "baseline_rank": "Reference",
               "outcome": "Outcome", "group": "Group"}  # fmt: skip
    shown = {title: [table[name][i] for i in kept] for name, title in columns.items() if any(table.get(name, ()))}
    value = st.column_config.NumberColumn(format="%.3f", width=76)
    rank = st.column_config.NumberColumn(
        format="%d", width=92, help="Rank of the first relevant chunk; empty: not in the ranking."
    )
    event = st.dataframe(shown, hide_index=True, height=280 if len(kept) > 6 else "content", on_select="rerun", selection_mode="single-row",
                         key="encoder_questions", placeholder="–",
                         column_config={columns["value"]: value, "Change": value, "Rank": rank, "Reference": rank,
                                        "Question": st.column_config.TextColumn(width=250)})  # fmt: skip
    picked = event.selection.rows
    return (row, base, kept[picked[0]]) if picked and picked[0] < len(kept) else None


def side_by_side(row: Row, base: Row | None, place: int) -> None:
    query = row.evaluation.corpus.queries[place]
    cards.question_title(query.text)
    shown = [one for one in (base, row) if one]
    for column, one in zip(st.columns(len(shown)), shown, strict=True):
        with column:
            st.markdown(f"**{cards.plain(one.offer.name)}**" + (" (reference)" if one is base else ""))
            hits = session.workbench().hits(one.evaluation, place)[: one.config.evaluation.k]
            evidence.show([evidence.hit_html(hit, gold=query.gold, query=query.text) for hit in hits])


page()
