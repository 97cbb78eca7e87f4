"""What an adapter made the model forget: perplexity on other text, with it and without."""

from collections.abc import Sequence

import streamlit as st

from app import session
from app.ui import cards, cells, jobs, tables
from core.config import TrialConfig
from core.labs import forgetting as lab
from core.workbench import one_phase

NUMBER = st.column_config.NumberColumn


def section(config: TrialConfig, names: Sequence[str], scales: Sequence[float]) -> None:
    st.subheader("Forgetting", anchor=False)
    workbench = session.workbench()
    there = [status.name for status in workbench.datasets() if status.present]
    usual = there.index(lab.other_corpus(workbench, names))
    about = "Its documents are read from their beginning. By default a corpus that the adapters have not learnt from."
    corpus = st.selectbox("Other text", there, usual, key="other_text", bind="query-params", width=320, help=about)
    made = lab.standing(workbench, config, names, scales, corpus)
    if made is None:
        if own := lab.learnt(names, corpus):
            told = f"{', '.join(own)} learnt from this corpus: choose another to see what was forgotten."
            st.warning(cards.plain(told), icon=":material/warning:")
        st.caption(
            f"How likely {lab.DOCUMENTS} documents of it are to the model with each adapter and without any. A perplexity that rises "
            "is what was forgotten."
        )
        words = ["forgetting", *names, *(word for scale in scales for word in ("--scale", f"{scale:g}")), "--text", corpus]
        number = lab.DOCUMENTS * len(lab.sides(names, scales))
        takes = one_phase(f"{number:,} readings of a document, {lab.TOKENS} tokens each at most", units=number)
        return jobs.start_button("Read other text", [*words, *workbench.arguments(config)], f"Reading {corpus}", takes)
    for sentence in lab.sentences(made, config.evaluation.confidence):
        st.caption(cards.plain(tables.minus(sentence)))
    rows = [
        {
            "Adapter": row["adapter"],
            "Perplexity": row["perplexity"],
            "Low": row["low"],
            "High": row["high"],
            "Nats a token": row["nats difference"],
            "Interval": interval(row["nats low"], row["nats high"]),
            "p": row["nats p"],
            "Documents": row["documents"],
            "Tokens": row["tokens"],
        }
        for row in lab.rows_of(made)
    ]
    share, whole = NUMBER(format="%.2f", width=90), NUMBER(width=90)
    changed = NUMBER(format="%+.3f", width=110, help="More than without any adapter, paired by document. Above 0: less likely.")
    looks = {"Adapter": st.column_config.TextColumn(width=200), "Perplexity": share, "Low": share, "High": share}
    looks |= {
        "Nats a token": changed,
        "Interval": st.column_config.TextColumn(width=140),
        "p": NUMBER(format=cells.P_VALUE, width=70),
        "Documents": whole,
        "Tokens": whole,
    }
    cells.show(rows, hide_index=True, height="content", key="forgetting_table", placeholder="–", column_config=looks)
    tables.export(lambda: lab.rows_of(made), "forgetting")
    return None


def interval(low: float | None, high: float | None) -> str | None:
    return None if low is None else tables.minus(f" {low:+.3f} to {high:+.3f}").strip()
