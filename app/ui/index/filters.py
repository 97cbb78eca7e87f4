"""The tab Filters: recall and latency when only some chunks may be found."""

import numpy as np
import streamlit as st

from app import session
from app.ui import cells, charts, jobs
from app.ui.held import kept
from app.ui.index import figures
from core.labs.index import filtered
from core.labs.index.glance import Glance
from core.records import Corpus
from core.statistics.proportion import unit_intervals


def filters(here: Glance, corpus: Corpus) -> None:
    workbench, config = session.workbench(), here.cost.config
    groups = filtered.groupings(corpus, jobs.drain(workbench.cut_chunks(config)))
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
            "way": figures.WAYS[f.strategy],
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
        figures.filtered(found, recalls, here.point.k),
        "filters",
        data=rows,
        config=config,
        title="Recall under a filter",
        command=workbench.command(config, "index-filters", "--by", by),
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
