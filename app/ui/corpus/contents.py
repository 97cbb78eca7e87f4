"""Documents and questions of a corpus as the tables and filters need them, made once a corpus."""

from typing import Any, NamedTuple

import streamlit as st

from app import session
from core.labs.corpus import contents as lab
from core.records import Corpus


class Contents(NamedTuple):
    place: dict[str, int]  # of each document, by id
    asked: dict[str, list[int]]  # document id -> places of the questions that have gold evidence in it
    documents: Any  # table
    questions: Any  # table
    question_rows: list[dict[str, Any]]  # what `questions` is made of


def contents(corpus: Corpus) -> Contents:
    return _contents(corpus, key_of(corpus))


def key_of(corpus: Corpus) -> str:
    """Another one as soon as its documents or questions are other ones, as those of another half: what was clicked in a table of
    them is a place, and another one stands there then."""
    return f"{corpus.name}/{session.workbench().corpus_key(corpus)}"


@st.cache_resource(show_spinner=False, max_entries=4)
def _contents(_corpus: Corpus, key: str) -> Contents:
    place, rows = {document.id: i for i, document in enumerate(_corpus.documents)}, lab.question_rows(_corpus)
    return Contents(place, lab.asked_of(_corpus), _table(lab.document_rows(_corpus)), _table(rows), rows)


def _table(rows: list[dict[str, Any]]) -> Any:
    import pandas as pd

    return pd.DataFrame(rows).rename(columns=str.capitalize)
