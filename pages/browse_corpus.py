"""What is in the corpus? Documents with the evidence of their questions marked, the questions, and where it all comes from."""

from functools import partial

from app import session
from app.ui import cards, jobs, recipe_strip
from app.ui.corpus import about, documents, downloads, own, questions
from core.errors import WorkbenchError
from core.records import Corpus

NAVIGATION = {"section": "Explore", "order": 10, "title": "Corpus", "icon": "menu_book", "step": "corpus", "press": True}
OF_CORPUS = {"Documents": documents.draw, "Questions": questions.draw, "About": about.draw}
WITHOUT = {"Own documents": own.draw, "Get more": downloads.draw}


def page() -> None:
    recipe_strip.page_title(NAVIGATION["title"], "What is in the corpus, which questions are asked, and where is their evidence?")
    of_corpus = {}
    try:
        corpus = jobs.drain(session.workbench().read_corpus(session.config()), "Reading the corpus")
        status(corpus)
        of_corpus = {title: partial(draw, corpus) for title, draw in OF_CORPUS.items()}
    except WorkbenchError as error:  # nothing to show, but documents can be added and other data sets fetched
        cards.problem(error)
    cards.tabs(of_corpus | WITHOUT, "tab")


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
