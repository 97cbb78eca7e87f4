"""Documents and questions of a corpus as the tables and filters need them, made once a corpus."""

from typing import Any, NamedTuple

import streamlit as st

from app import session
from core.records import Corpus


class Contents(NamedTuple):
    place: dict[str, int]  # of each document, by id
    asked: dict[str, list[int]]  # document id -> places of the questions that have gold evidence in it
    documents: Any  # table
    questions: Any  # table


def contents(corpus: Corpus) -> Contents:
    return _contents(corpus, f"{corpus.name}/{session.workbench().corpus_key(corpus)}")


@st.cache_resource(show_spinner=False, max_entries=4)
def _contents(_corpus: Corpus, key: str) -> Contents:
    place = {document.id: i for i, document in enumerate(_corpus.documents)}
    asked: dict[str, list[int]] = {}
    for i, query in enumerate(_corpus.queries):
        for document_id in dict.fromkeys(gold.document_id for gold in query.gold if gold.grade > 0):
            asked.setdefault(document_id, []).append(i)
    return Contents(place, asked, _documents(_corpus, asked), _questions(_corpus))


def _documents(corpus: Corpus, asked: dict[str, list[int]]) -> Any:
    import pandas as pd

    return pd.DataFrame(
        {
            "Document": [d.title or d.id for d in corpus.documents],
            "Characters": [len(d.text) for d in corpus.documents],
            "Questions": [len(asked.get(d.id, ())) for d in corpus.documents],
            "Source": [d.source for d in corpus.documents],
        }
    )


def _questions(corpus: Corpus) -> Any:
    import pandas as pd

    return pd.DataFrame(
        {
            "Question": [q.text for q in corpus.queries],
            "Group": [q.group for q in corpus.queries],
            "Evidence": [len({g.unit for g in q.gold if g.grade > 0}) for q in corpus.queries],
            "Answerable": [q.answerable for q in corpus.queries],
            "Answers": [" ".join("; ".join(dict.fromkeys(q.answers)).split()) for q in corpus.queries],
        }
    )
