"""Question by question: what an encoder wins and loses against the reference, and both rankings of one side by side."""

import streamlit as st

from app import session
from app.ui import cards, evidence, tables
from core.labs.encoders.comparison import EncoderResult
from core.labs.trials.comparison import label
from core.report.table import MEAN, Column, Table

FILTERS = (
    "Against the reference. Changed: the ranking differs, even if the metric is equal. Won, lost: the metric rose or fell. "
    "Missed: no relevant chunk in the ranking."
)


def by_question(row: EncoderResult, base: EncoderResult | None, metric: str) -> int | None:
    """The questions of an encoder against the reference; returns the place of the one chosen."""
    st.subheader("By question", anchor=False)
    offered = ["all", "changed", "won", "lost", "missed"] if base else ["all", "missed"]
    if st.session_state.get("show") not in offered:
        st.session_state["show"] = "all"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        wanted = st.segmented_control(
            "Show", offered, key="show", width="content", format_func=str.capitalize, required=True, help=FILTERS
        )
        text = st.text_input("Search the questions", key="find", placeholder="words of a question", width=200)
    table = session.workbench().by_question(row.evaluation, base.evaluation if base else None, metric)
    fits = {"all": lambda i: True, "changed": lambda i: table["changed"][i], "missed": lambda i: table["missed"][i]}
    test = fits.get(wanted) or (lambda i: table["outcome"][i] == wanted)
    rows = [i for i, question in enumerate(table["question"]) if test(i) and text.lower() in question.lower()]
    against = f"{row.offer.name} against {base.offer.name}" if base else row.offer.name
    st.caption(f"{cards.plain(against)}: {len(rows):,} of {len(table['id']):,} questions. Click one to read its rankings.")
    number, rank = label(metric, row.config.evaluation.k), "Rank of the first relevant chunk; empty: not in the ranking."
    columns = (
        Column("question", width=280),
        Column("value", "", MEAN, number),
        Column("change", "", MEAN, number),
        Column("rank", "", "%d", rank),
        Column("baseline_rank", "Reference", "%d", rank),
        Column("outcome"),
        Column("group"),
    )
    columns = [column for column in columns if any(table.get(column.key, ()))]
    made = Table("encoder_questions", columns, [{column.key: table[column.key][i] for column in columns} for i in rows])
    picked = tables.choose(made, [table["id"][i] for i in rows])
    return None if picked is None else rows[picked]


def side_by_side(row: EncoderResult, base: EncoderResult | None, place: int) -> None:
    query, shown = row.evaluation.corpus.queries[place], [encoder for encoder in (base, row) if encoder]
    cards.question_title(query.text)
    for column, encoder in zip(st.columns(len(shown)), shown, strict=True):
        with column:
            st.markdown(f"**{cards.plain(encoder.offer.name)}**" + (" (reference)" if encoder is base else ""))
            hits = session.workbench().hits(encoder.evaluation, place)[: encoder.config.evaluation.k]
            evidence.show([evidence.hit_html(hit, gold=query.gold, query=query.text) for hit in hits])
