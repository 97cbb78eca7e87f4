"""What an adapter made the model forget: perplexity on other text, with it and without."""

from collections.abc import Sequence

import streamlit as st

from app import session
from app.ui import cards, jobs, tables
from core.config import TrialConfig
from core.labs.adapters import forgetting as lab
from core.workbench import command_line, one_phase


def section(config: TrialConfig, names: Sequence[str], scales: Sequence[float]) -> None:
    st.subheader("Forgetting", anchor=False)
    workbench = session.workbench()
    there = [status.name for status in workbench.datasets() if status.present]
    usual = there.index(lab.other_corpus(workbench, names, config.corpus.dataset))
    about = "The beginning of each document is read. Default: a corpus not in use, that no adapter was trained on."
    corpus = st.selectbox("Other text", there, usual, key="other_text", bind="query-params", width=320, help=about)
    words = ["forgetting", *names, *(word for scale in scales for word in ("--scale", f"{scale:g}")), "--text", corpus]
    words += workbench.arguments(config)
    made = lab.standing(workbench, config, names, scales, corpus)
    if made is None:
        if own := lab.learnt(names, corpus):
            told = f"{', '.join(own)} was trained on this corpus: choose another to measure forgetting."
            st.warning(cards.plain(told), icon=":material/warning:")
        st.caption(
            f"Perplexity of {lab.DOCUMENTS} documents of another corpus, with and without the adapter. Higher with it: it made the "
            "model forget."
        )
        models = len(lab.sides(names, scales))
        what = f"{lab.DOCUMENTS} documents read by each of {models} models, {lab.TOKENS} tokens of each at most"
        takes = one_phase(what, units=lab.DOCUMENTS * models)
        return jobs.start_button("Measure perplexity", words, f"Reading {corpus}", takes, kind="secondary")
    tables.sentences(lab.sentences(made, config.evaluation.confidence))
    tables.draw(lab.table(made, command_line(*words)))
    return None
