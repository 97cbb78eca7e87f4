"""What is in the corpus? Documents with the evidence of their questions marked, the questions, and where it all comes from."""

import streamlit as st

from app import session
from app.ui import cards, jobs, recipe_strip
from app.ui.corpus import about, documents, downloads, own, questions
from core.errors import WorkbenchError
from core.records import Corpus

OF_CORPUS = {"Documents": documents.draw, "Questions": questions.draw, "About": about.draw}
WITHOUT = {"Own documents": own.draw, "Get more": downloads.draw}


def page() -> None:
    recipe_strip.page_title("Corpus", "What is in the corpus, what is asked of it, and where does the evidence stand?")
    corpus, tabs = None, [*OF_CORPUS, *WITHOUT]
    try:
        corpus = jobs.drain(session.workbench().read_corpus(session.config()), "Reading the corpus")
        status(corpus)
    except WorkbenchError as error:  # nothing to show, but documents can be added and other data sets fetched
        cards.problem(error)
        tabs = [*WITHOUT]
    for title, tab in zip(tabs, st.tabs(tabs, key="tab", on_change="rerun", bind="query-params"), strict=True):
        if tab.open:
            with tab:
                OF_CORPUS[title](corpus) if title in OF_CORPUS else WITHOUT[title]()


def status(corpus: Corpus) -> None:
    unanswerable = sum(not query.answerable for query in corpus.queries)
    cards.status_strip(
        [
            corpus.name,
            cards.count(len(corpus.documents), "document"),
            f"{cards.count(len(corpus.queries), 'question')} ({session.config().corpus.questions})",
            f"{unanswerable:,} of them unanswerable" if unanswerable else "",
        ]
    )


page()
