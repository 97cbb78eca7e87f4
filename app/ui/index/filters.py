"""The tab Filters: recall and latency when only some chunks may be found."""

import streamlit as st

from app import session
from app.ui import cells, charts, jobs
from app.ui.held import result_of
from app.ui.index import figures
from core.labs.index import filtered
from core.labs.index.glance import Glance
from core.records import Corpus


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
    results = result_of(
        "filters",
        (config, by),
        "Measure filters",
        True,
        lambda: filtered.filters(workbench, config, groups.get(by)),
        why="Recall and latency when only some chunks may be found, in three ways to filter.",
        key=by,
        show_old=True,
    )
    if results is None:
        return
    recalls = filtered.mean_recalls(results, config)
    rows = filtered.rows(results, recalls)
    charts.show(
        figures.filtered(results, recalls, here.point.k),
        "filters",
        data=rows,
        config=config,
        title="Recall under a filter",
        command=workbench.command(config, "index-filters", "--by", by),
        caption=f"n {len(results[0].recall):,} questions a filter",
    )
    number = st.column_config.NumberColumn
    heads = {"filter": "Filter", "allowed": "Allowed", "way": "Way", "recall": "Recall", "short": "Too few", "p50_ms": "Median"}
    shown = [
        row | {"way": figures.WAYS[row["way"]], "short": f"{row['too few results']:,} of {row['questions']:,}"} for row in rows
    ]
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
