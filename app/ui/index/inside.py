"""The tab Structure: the graph or the lists of the index, and why neighbours of a question were missed."""

import numpy as np
import streamlit as st

from app import session
from app.ui import cards, cells, charts, forms, jobs
from app.ui.index import figures
from app.ui.tables import wrapped_table
from core.labs.index import inside as lab
from core.labs.index import questions
from core.labs.index.glance import Glance
from core.labs.index.inside import IndexInside, index_inside
from core.records import Corpus
from core.scratch.indexes.inside import Graph, imbalance, layers, list_sizes, walk, where, why_missed

CUT = 90  # characters of a chunk in a table
OFFERED = 100  # questions offered for a walk, those with the most lost neighbours first


def inside(here: Glance, corpus: Corpus) -> None:
    workbench, config = session.workbench(), here.cost.config
    read = jobs.drain(index_inside(workbench, config))
    if read is None:
        return st.info(
            "This index is not drawn. Drawn are FAISS HNSW (its graph and the walk of a question) and FAISS IVF, IVF-PQ and "
            "IVF on disk (their lists).",
            icon=":material/info:",
        )
    (graph_inside if isinstance(read.structure, Graph) else lists_inside)(here, corpus, read)


def graph_inside(here: Glance, corpus: Corpus, read: IndexInside) -> None:
    graph, part, config = read.structure, here.cost.config.index, here.cost.config
    command, sizes = session.workbench().command(config, "index-inside"), layers(graph)
    left, right = st.columns(2)
    with left:
        charts.show(
            figures.graph_layers(graph),
            "layers",
            config=config,
            command=command,
            title="Layers",
            data=lab.layer_rows(graph),
            caption=f"{sum(s.links for s in sizes):,} links",
        )
    with right:
        charts.show(
            figures.graph_degrees(graph),
            "degrees",
            config=config,
            command=command,
            title="Links of a vector",
            data=lab.link_rows(graph),
            caption=f"at most {sizes[0].most_links}",
        )
    row = chosen_question(here, corpus)
    query, depth = read.queries[row], min(here.point.k, here.point.n)
    path = walk(graph, read.vectors, query, part.ef_search, depth)
    charts.show(
        figures.walked(path),
        "walk",
        config=config,
        command=session.workbench().command(config, "index-inside", "--question", str(row)),
        title="The walk of this question",
        data=lab.walk_rows(path),
        caption=f"{path.num_hops:,} hops, {path.num_distances:,} of {here.point.n:,} vectors compared",
    )
    if part.ef_search < depth:
        st.caption(
            f"The queue is {part.ef_search} long, as in the measured search: FAISS does not extend it to the {depth} results "
            f"requested, and fills them with vectors it compared on the way."
        )
    missed = why_missed(graph, read.vectors, query, part.ef_search, depth)
    if not missed:
        return st.caption(f"All {depth} nearest vectors are found with efSearch {part.ef_search}.")
    st.markdown(f"**{cards.count(len(missed), 'neighbour')} of {depth} missed**")
    wrapped_table(
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
    sizes, command = list_sizes(lists), session.workbench().command(config, "index-inside")
    charts.show(
        figures.list_sizes(sizes),
        "list-sizes",
        config=config,
        command=command,
        title="Sizes of the lists",
        data=lab.list_rows(lists),
        caption=f"{len(sizes):,} lists, {(sizes == 0).sum():,} empty, imbalance {imbalance(lists):.2f} (1: all equal)",
    )
    row = chosen_question(here, corpus)
    placed = where(lists, read.vectors, read.queries[row], part.nprobe, min(here.point.k, here.point.n))
    lost = sum(not neighbour.probed for neighbour in placed)
    st.markdown(f"**{lost} of {len(placed)} nearest vectors lie in lists that are not searched**")
    wrapped_table(
        [
            {
                "Rank": neighbour.rank,
                "Score": neighbour.score,
                "Chunk": chunk_title(corpus, neighbour.id),
                "List": neighbour.cell,
                "What happens": neighbour.says,
            }
            for neighbour in placed
        ]
    )


def chosen_question(here: Glance, corpus: Corpus) -> int:
    """A select box of questions, those with the most lost neighbours first; returns the question's row."""
    rows, recalls = questions.measured_rows(len(corpus.queries)), here.point.raw.recall
    order = np.argsort(np.nan_to_num(recalls, nan=2.0), kind="stable")[:OFFERED]
    told = {int(rows[i]): f"{recalls[i]:.0%} found · {corpus.queries[rows[i]].text}" for i in order}
    about = f"The {len(told):,} questions with the lowest recall at this setting."
    return forms.one_of_many("Question", told, "walked", help=about)


def chunk_title(corpus: Corpus, chunk: int) -> str:
    chunks = jobs.drain(session.workbench().cut_chunks(session.config()))
    document = corpus.documents[chunks.document[chunk]]
    return cells.cut(" ".join(document.text[chunks.start[chunk] : chunks.end[chunk]].split()), CUT)
