"""The tabs of the page Index beyond its frontier: cost to the ranking, inside, filters, exact fallback, life."""

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import streamlit as st

from app import session
from app.ui import cards, cells, charts, index_charts, jobs
from app.ui.held import kept
from core.config import TrialConfig
from core.labs.index import churn, cost, filtered, grids, questions, shadow
from core.labs.index.churn import MODES, Churn, when_to_rebuild
from core.labs.index.cost import ANSWER_METRICS, Effect
from core.labs.index.fallback import RULES, exact_fallback
from core.labs.index.glance import Glance
from core.labs.index.inside import IndexInside, index_inside
from core.labs.trials.comparison import label
from core.records import Corpus
from core.scratch.indexes.inside import Graph, imbalance, layers, list_sizes, walk, where, why_missed
from core.statistics.proportion import unit_intervals

CURVE_AT_ONCE = 3_000  # questions: the cost of more is computed on a button
CUT = 90  # characters of a chunk in a table
OFFERED = 100  # questions offered for a walk, those with the most lost neighbours first
CHANGES = {
    "replace": "Remove and insert",
    "update": "Embed again",
    "mixed": "Half of each",
    "grow": "Insert only",
    "shrink": "Remove only",
}
WORDS = {
    "opq True": "OPQ",
    "bits 8bit": "8 bits",
    "bits 4bit": "4 bits",
    "bits fp16": "16-bit floats",
    "quantise pq": "PQ codes",
    "quantise opq": "OPQ codes",
    "quantise ": "stored as ",
}
ENCODERS = {"lsa": "LSA, fitted to these chunks", "word2vec": "Word2Vec, fitted to these chunks", "minilm": "MiniLM"}


def told(effect: Effect, config: TrialConfig) -> str:
    """The sentence of the test with the index's name as the page writes it."""
    return minus(named(effect.sentence, config.index.part))


def named(text: str, part: str) -> str:
    """A setting's label as a person writes it: "FAISS HNSW, ef search 24"."""
    text = text.replace(part, index_charts.NAMES.get(part, part), 1)
    for coded, words in WORDS.items():
        text = text.replace(coded, words)
    return text.replace("_", " ")


def minus(text: str) -> str:
    return text.replace(" -", " \u2212")


def table(rows: Sequence[dict[str, Any]]) -> None:
    """A small table whose texts wrap; everything in it is escaped."""

    def cell(value: Any) -> str:
        number = isinstance(value, int | float)
        text = f"{value:,.3f}" if isinstance(value, float) else f"{value:,}" if number else str(value)
        return f'<td class="num">{text}</td>' if number else f"<td>{escape(text)}</td>"

    kinds = [' style="text-align:right"' if isinstance(value, int | float) else "" for value in rows[0].values()]
    head = "".join(f"<th{kind}>{escape(name)}</th>" for name, kind in zip(rows[0], kinds, strict=True))
    body = "".join(f"<tr>{''.join(map(cell, row.values()))}</tr>" for row in rows)
    st.html(f'<table class="gw gw-table"><tr>{head}</tr>{body}</table>')


def ranking_cost(here: Glance, corpus: Corpus) -> None:
    """The change of a metric along the query setting, and each point's verdict in words."""
    workbench, config = session.workbench(), here.cost.config
    setting = grids.main_setting(config.index)
    if not setting:
        return st.caption("This index has no query setting to move along. Its cost stands above.")
    metric = st.selectbox(
        "Metric", ANSWER_METRICS, 2, key="cost_metric", width=180, format_func=lambda name: label(name, here.point.k)
    )
    now = getattr(config.index, setting)
    values = sorted({*grids.default_grid(config.index, here.point.n, here.point.dim).get(setting, []), now})
    slow = len(corpus.queries) > CURVE_AT_ONCE
    found = kept(
        "cost",
        (config, here.cost.margin_points),
        f"Compute {len(values)} settings",
        slow,
        lambda: cost.costs_along(workbench, config, values, here.cost.margin_points),
        key=f"{config.index.part}.{setting}",
        show_old=True,
    )
    if found is None:
        return
    values = [getattr(one.config.index, setting) for one in found]  # of what is shown, which may be the one before
    fusion, words = config.fusion.part.replace("_", " "), setting.replace("_", " ")
    command = f"{workbench.command(config, 'index-cost')} --grid index.{setting}={','.join(map(str, values))}"
    charts.show(
        index_charts.costs(found, values, metric, words, now, fusion),
        "cost-to-the-ranking",
        data=cost.cost_rows(found),
        config=config,
        command=f"{command} --margin {here.cost.margin_points:g}",
        title="Difference to exact search",
        caption=f"n {found[0].fused.effects[metric].equivalence.n:,}, 90% intervals; grey: within the margin",
    )
    table(
        [
            {
                words: value,
                "Recall": one.recall.mean,
                f"Moved of {len(corpus.queries):,}": one.fused.moved,
                "Verdict": minus(one.fused.effects[metric].sentence.removeprefix(one.subject).strip()),
            }
            for value, one in zip(values, found, strict=True)
        ]
    )
    st.caption("Recall: as the recipe searches, at its number of candidates. Moved: questions with another ranking.")


def inside(here: Glance, corpus: Corpus) -> None:
    workbench, config = session.workbench(), here.cost.config
    read = jobs.drain(index_inside(workbench, config))
    if read is None:
        return st.info(
            "The inside of this index is not drawn. It is for FAISS HNSW (its graph and the walk of a question) and for "
            "FAISS IVF, IVF-PQ and IVF on disk (their lists).",
            icon=":material/info:",
        )
    (graph_inside if isinstance(read.structure, Graph) else lists_inside)(here, corpus, read)


def graph_inside(here: Glance, corpus: Corpus, read: IndexInside) -> None:
    graph, part, config = read.structure, here.cost.config.index, here.cost.config
    command, sizes = session.workbench().command(config, "index-points"), layers(graph)
    one, two = st.columns(2)
    with one:
        charts.show(
            index_charts.graph_layers(graph),
            "layers",
            config=config,
            command=command,
            title="Layers",
            data=[size._asdict() for size in sizes],
            caption=f"{sum(s.links for s in sizes):,} links",
        )
    with two:
        charts.show(
            index_charts.graph_degrees(graph),
            "degrees",
            config=config,
            command=command,
            title="Links of a vector",
            data=index_charts.degree_rows(graph),
            caption=f"at most {sizes[0].most_links}",
        )
    row = chosen_question(here, corpus)
    query, depth = read.queries[row], min(here.point.k, here.point.n)
    path = walk(graph, read.vectors, query, part.ef_search, depth)
    charts.show(
        index_charts.walked(path),
        "walk",
        config=config,
        command=command,
        title="The walk of this question",
        data=[hop._asdict() | {"compared": len(hop.compared), "scores": None} for hop in path.hops],
        caption=f"{path.num_hops:,} hops, {path.num_distances:,} of {here.point.n:,} vectors compared",
    )
    if part.ef_search < depth:
        st.caption(
            f"The queue is {part.ef_search} long, as in the measured search: FAISS does not lengthen it to the {depth} results "
            "asked for, and fills them with what it happened to compare."
        )
    missed = why_missed(graph, read.vectors, query, part.ef_search, depth)
    if not missed:
        return st.caption(f"All {depth} nearest vectors are found with ef search {part.ef_search}.")
    st.markdown(f"**{cards.count(len(missed), 'neighbour')} of {depth} missed**")
    table(
        [
            {
                "Rank": m.rank,
                "Score": m.score,
                "Chunk": chunk_title(corpus, m.id),
                "Why it was missed": m.reason.value,
                "Found at ef": m.found_at_ef or "not up to 4,096",
            }
            for m in missed
        ]
    )


def lists_inside(here: Glance, corpus: Corpus, read: IndexInside) -> None:
    lists, part, config = read.structure, here.cost.config.index, here.cost.config
    sizes, command = list_sizes(lists), session.workbench().command(config, "index-points")
    charts.show(
        index_charts.list_sizes(sizes),
        "list-sizes",
        config=config,
        command=command,
        title="Sizes of the lists",
        data=[{"list": i, "vectors": int(size)} for i, size in enumerate(sizes)],
        caption=f"{len(sizes):,} lists, {(sizes == 0).sum():,} empty, imbalance {imbalance(lists):.2f} (1: all equal)",
    )
    row = chosen_question(here, corpus)
    placed = where(lists, read.vectors, read.queries[row], part.nprobe, min(here.point.k, here.point.n))
    lost = sum(not one.probed for one in placed)
    st.markdown(f"**{lost} of {len(placed)} nearest vectors lie in lists that are not looked into**")
    table(
        [
            {
                "Rank": one.rank,
                "Score": one.score,
                "Chunk": chunk_title(corpus, one.id),
                "List": one.cell,
                "What happens": one.says,
            }
            for one in placed
        ]
    )


def chosen_question(here: Glance, corpus: Corpus) -> int:
    """A select box of questions, those with the most lost neighbours first; returns the question's row."""
    rows, recalls = questions.measured_rows(len(corpus.queries)), here.point.raw.recall
    order = np.argsort(np.nan_to_num(recalls, nan=2.0), kind="stable")[:OFFERED]
    told = {int(rows[i]): f"{recalls[i]:.0%} found · {corpus.queries[rows[i]].text}" for i in order}
    return st.selectbox(
        "Question",
        list(told),
        key="walked",
        format_func=lambda row: told.get(row, ""),
        help=f"The {len(told):,} questions with the lowest recall at this setting.",
    )


def chunk_title(corpus: Corpus, chunk: int) -> str:
    chunks = jobs.drain(session.workbench().cut_chunks(session.config(), corpus))
    document = corpus.documents[chunks.document[chunk]]
    return " ".join(document.text[chunks.start[chunk] : chunks.end[chunk]].split())[:CUT]


def filters(here: Glance, corpus: Corpus) -> None:
    workbench, config = session.workbench(), here.cost.config
    groups = filtered.groupings(corpus, jobs.drain(workbench.cut_chunks(config, corpus)))
    by = st.selectbox(
        "Filter by",
        [*groups, "random share"],
        key="filter_by",
        width=240,
        format_func=str.capitalize,
        help="The largest groups of the corpus, or random chunks. Random ones flatter filtering afterwards.",
    )
    found = kept(
        "filters",
        (config, by),
        "Measure filters",
        True,
        lambda: filtered.filters(workbench, config, groups.get(by)),
        why="Recall and latency when only some chunks may be found, in three ways to filter.",
        key=by,
        show_old=True,
    )
    if found is None:
        return
    rules = config.evaluation
    recalls = unit_intervals(np.column_stack([f.recall for f in found]), rules.resamples, rules.confidence, config.seed)
    rows = [
        {
            "filter": f.label,
            "share": f.selectivity,
            "allowed": f.allowed,
            "way": index_charts.WAYS[f.strategy],
            "recall": r.mean,
            "recall low": r.low,
            "recall high": r.high,
            "too few results": f.short,
            "questions": len(f.recall),
            "p50_ms": f.p50_ms,
            "p95_ms": f.p95_ms,
        }
        for f, r in zip(found, recalls, strict=True)
    ]
    charts.show(
        index_charts.filtered(found, recalls, here.point.k),
        "filters",
        data=rows,
        config=config,
        title="Recall under a filter",
        command=workbench.command(config, "index-points"),
        caption=f"n {len(found[0].recall):,} questions a filter",
    )
    number = st.column_config.NumberColumn
    heads = {"filter": "Filter", "allowed": "Allowed", "way": "Way", "recall": "Recall", "short": "Too few", "p50_ms": "Median"}
    shown = [row | {"short": f"{one.short:,} of {len(one.recall):,}"} for row, one in zip(rows, found, strict=True)]
    cells.show(
        [{title: row[name] for name, title in heads.items()} for row in shown],
        hide_index=True,
        height=260,
        column_config={
            "Allowed": number(format="localized", width=66),
            "Recall": number(format="%.3f", width=60),
            "Too few": st.column_config.TextColumn(width=76, help="Questions with fewer results than could be found."),
            "Median": number(format="%.2f ms", width=80),
        },
    )


def fallback(here: Glance, corpus: Corpus) -> None:
    """Unsafe questions go to exact search: what that gains beside sending as many at random, and what it costs."""
    workbench, config = session.workbench(), here.cost.config
    if config.index.part == "exact":
        return st.caption("Exact search needs no fallback.")
    left, right = st.columns(2)
    rules = [name for name in RULES if name != "selectivity"]
    about = " ".join((RULES[st.session_state.get("rule", "margin")].safety.__doc__ or "").split())
    rule = left.selectbox(
        "A question is unsafe by",
        rules,
        key="rule",
        help=about,
        format_func=lambda name: f"{name.capitalize()}: {RULES[name].what}",
    )
    curve = jobs.drain(exact_fallback(workbench, config, rule, 1e6 / (here.point.single_qps or np.inf)))
    if len(curve) < 2:
        return st.caption("This rule tells no question from another here: all or none would be sent.")
    key = f"threshold/{rule}"
    at = right.select_slider(
        "Threshold",
        range(len(curve)),
        min(4, len(curve) - 1),
        key=f"{key}/{len(curve)}",
        format_func=lambda i: f"{curve[min(i, len(curve) - 1)].threshold:.3g}",
        help="Questions below it are searched exactly.",
    )
    now = curve[at]
    cards.row(
        [
            cards.Card("Sent to exact search", now.sent * 100, digits=0, unit="%", direction=0),
            cards.Card("Recall after", now.recall_after, digits=4, note=f"{now.recall_before:.4f} before"),
            cards.Card(
                "As many at random",
                now.recall_random,
                (now.random_low, now.random_high),
                digits=4,
                direction=0,
                note="95% of draws",
            ),
            cards.Card(
                "Time of a question",
                now.ms,
                digits=3,
                unit="ms",
                direction=-1,
                note=f"{abs(now.saved_ms):.3f} ms {'saved' if now.saved_ms >= 0 else 'lost'} against exact for all",
            ),
        ]
    )
    knows = now.recall_after > now.random_high
    st.caption(
        "The rule finds lost neighbours better than chance here."
        if knows
        else "At this threshold the rule gains no more than sending as many questions at random."
    )
    charts.show(
        index_charts.fell_back(curve, now, here.point.k),
        "fallback",
        data=[one._asdict() for one in curve],
        config=config,
        command=workbench.command(config, "index-points"),
        title="Recall by share sent",
        caption=f"n {here.recall.n:,}; grey: random questions",
    )


def life(here: Glance, corpus: Corpus) -> None:
    workbench, config = session.workbench(), here.cost.config
    st.markdown("**Churn**")
    one, two, three = st.columns(3)
    mode = one.selectbox("Changes", list(MODES), 2, key="churn_mode", format_func=CHANGES.get)
    share = two.slider("A round changes (%)", 5, 50, 20, 5, key="churn_share")
    rounds = three.slider("Rounds", 2, 12, 5, key="churn_rounds")
    run = kept(
        "churn",
        (config, mode, share, rounds),
        "Follow the index",
        True,
        lambda: churn.life(workbench, config, mode, share / 100, rounds),
        why=f"Up to {churn.LIFE_VECTORS:,} vectors are changed in rounds while questions keep coming; beside it an index is "
        "built anew.",
        show_old=True,
    )
    if run is not None:
        churn_result(here, run)
    st.divider()
    st.markdown("**Switch of encoder**")
    others = [name for name in ENCODERS if name != config.embedding.part]
    to = st.selectbox("New encoder", others, key="switch_to", format_func=ENCODERS.get, width=320)
    report = kept(
        "switch",
        (config, to),
        "Switch the encoder",
        True,
        lambda: shadow.switch_encoder(workbench, config, to),
        why=f"A shadow index of {shadow.SWITCH_TEXTS} chunks is built beside the one that answers, then replaces it.",
    )
    for words in shadow.switch_words(report) if report else ():
        st.markdown(f"- {cards.plain(words)}")


def churn_result(here: Glance, run: Churn) -> None:
    config, command = here.cost.config, session.workbench().command(here.cost.config, "index-points")
    tolerance = st.slider("Recall you would lose before rebuilding (points)", 0.1, 10.0, 1.0, 0.1, key="tolerance")
    found = when_to_rebuild(run, tolerance / 100)
    took = cards.duration(found.rebuild_s or 0)
    lost = f"{max(found.lost_recall, 0) * 100:.1f} points of recall"
    st.markdown(
        f"**Rebuild at {found.churned:.0%} churn:** {lost} are lost there; a rebuild takes {took}."
        if found.churned is not None
        else f"**No rebuild needed up to {found.tried:.0%} churn:** at most {lost} are lost."
    )
    rows = [
        {name: value for name, value in r._asdict().items() if not isinstance(value, np.ndarray)}
        | {"recall": float(np.nanmean(r.recall))}
        for r in run.rounds
    ]
    one, two = st.columns(2)
    with one:
        charts.show(
            index_charts.churned(run, found.churned),
            "churn-recall",
            data=rows,
            config=config,
            command=command,
            title="Recall",
            caption=f"n {len(run.rounds[0].recall):,}",
        )
    with two:
        charts.show(index_charts.churn_latency(run), "churn-latency", data=rows, config=config, command=command, title="Latency")
    last, asked = run.rounds[-1], sum(r.during for r in run.rounds)
    empty = sum(r.during_empty for r in run.rounds)
    st.caption(
        f"{asked:,} questions were asked during the changes, {empty:,} without results. Of the live vectors a search for "
        f"themselves misses {last.lost:.1%}. Memory {cards.size(last.memory_bytes)}"
        + (f", {cards.size(last.fresh_memory_bytes)} built anew." if last.fresh_memory_bytes else ".")
    )
