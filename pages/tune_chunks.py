"""Chunks: what a chunker makes of the documents, and of the evidence in them."""

import streamlit as st

from app import session
from app.ui import jobs, recipe_strip
from app.ui.chunks import counts, cuts, documents, sizes, study
from app.ui.chunks.cuts import Shown
from core.config import TrialConfig
from core.labs.corpus import chunks as lab
from core.labs.corpus.chunks import readable_tokens
from core.records import Corpus

NAVIGATION = {
    "section": "Explore",
    "order": 20,
    "title": "Chunks",
    "icon": "content_cut",
    "entry": "Chunks to index",
    "step": "recipe",
}


def page() -> None:
    recipe_strip.page_title(NAVIGATION["title"], "Where does a chunker cut the documents, and does it cut through the evidence?")
    strip, config = st.empty(), session.config()
    left, right = st.columns([1, 2], gap="medium")
    with left:
        recipes = cuts.chosen()
    with right:
        corpus = jobs.drain(session.workbench().read_corpus(config), "Reading the corpus")
        shown = cuts.of(recipes, corpus)
    with strip.container():
        cuts.status(config, corpus, shown)
    if len(shown) < len(recipes):  # one waits for its button
        return
    with right:
        results(shown, config, corpus)


def results(shown: list[Shown], config: TrialConfig, corpus: Corpus) -> None:
    """From the numbers to the text itself."""
    gold = lab.gold(session.workbench(), corpus)
    counts.draw(shown, gold, readable_tokens(config.embedding))
    sizes.draw(shown, config)
    study.draw(config)
    documents.draw(shown, corpus, gold)


page()
