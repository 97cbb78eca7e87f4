"""Parts of the questions that the one table of questions can be narrowed to, beside won and lost against the baseline."""

from typing import NamedTuple

import streamlit as st

LOST_BY_RERANKING, DISAGREEING = "lost by reranking", ("only retrieval better", "only answer better")


class Part(NamedTuple):
    """Rows of the corpus's questions, and what is said of each beside its metric: title of a column -> its values."""

    rows: list[int]
    beside: dict[str, list[float]]


def show(name: str) -> None:
    """The callback of a button: the table of questions, narrowed to this part."""
    st.session_state.chart, st.session_state.show = "Questions", name
