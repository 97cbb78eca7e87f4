"""Word by word: which word of an opened question met which word of a passage that was retrieved for it."""

from itertools import pairwise
from typing import Any

import numpy as np
import streamlit as st

from app import session
from app.ui import cells, charts
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.reranking import token_matches as lab
from core.records import Hit

MOST_WORDS = 26  # of the passage, side by side: what can be read at 900 pixels
SCALE = "Cividis"


def draw(config: TrialConfig, question: str, hits: list[Hit]) -> None:
    """Behind a switch, as it loads the encoder."""
    if not hits or not st.toggle(
        "Word by word", key="words_met", help="The best matching word of the passage for each word of the question."
    ):
        return
    titles = {hit.rank: f"{hit.rank}. {cells.cut(hit.title or hit.document_id)}" for hit in hits}
    rank = st.selectbox("Passage", list(titles), key="words_met_rank", format_func=lambda rank: titles[rank], width=420)
    hit = next(hit for hit in hits if hit.rank == rank)
    try:
        matched = lab.matches(config, question, hit.text)
    except WorkbenchError as error:
        return st.info(str(error), icon=":material/info:")
    charts.show(
        figure(matched),
        "word-by-word",
        data=lab.rows(matched),
        config=config,
        command=session.workbench().command(config, "token-matches", question, "--rank", str(rank)),
        title="Word by word",
        caption=f"MaxSim {matched.score:.2f} of whole vectors, punctuation included; framed: the best match of each word",
        key=f"word-by-word/{rank}",
    )


def figure(matched: lab.TokenMatches) -> charts.Figure:
    """The question's words down, with what each adds; the passage's words that matter across, a gap where some are left out."""
    shown = lab.windows(matched, MOST_WORDS)
    at = place_of(shown)
    values = np.full((len(matched.asked), max(at.values()) + 1), np.nan)
    values[:, list(at.values())] = matched.cosines[:, shown]
    labels = {place: charts.safe(cells.cut(matched.offered[word], 14)) for word, place in at.items()}
    asked = [f"{charts.safe(cells.cut(word, 18))}  {adds:.2f}" for word, adds in zip(matched.asked, matched.adds, strict=True)]
    rows, columns = len(asked), values.shape[1]
    heat = {
        "type": "heatmap",
        "z": [[None if np.isnan(value) else round(float(value), 4) for value in row] for row in values],
        "customdata": [[labels.get(column, "") for column in range(columns)] for _ in range(rows)],
        "text": [[charts.safe(word)] * columns for word in matched.asked],
        "colorscale": SCALE,
        "zmin": 0,
        "zmax": 1,
        "xgap": 1,
        "ygap": 1,
        "hoverongaps": False,
        "hovertemplate": "%{text} matches %{customdata}: %{z:.3f}<extra></extra>",
        "colorbar": {"thickness": 10, "title": {"text": "cosine"}},
    }
    met = [(row, at[word]) for row, word in enumerate(matched.best.tolist()) if word in at]
    frames = [
        {
            "type": "rect",
            "x0": column - 0.46,
            "x1": column + 0.46,
            "y0": row - 0.46,
            "y1": row + 0.46,
            "line": {"color": charts.COLORS[5], "width": 2},
        }
        for row, column in met
    ]
    plain: dict[str, Any] = {"showgrid": False, "showline": False, "ticks": "", "zeroline": False}
    across = {"tickvals": list(labels), "ticktext": list(labels.values()), "tickangle": -90, "range": [-0.5, columns - 0.5]}
    down = {"tickvals": list(range(rows)), "ticktext": asked, "range": [rows - 0.5, -0.5]}
    return charts.figure(
        [heat],
        "words of the passage",
        "words of the question, and how much each adds",
        height=150 + 24 * rows,
        legend=False,
        shapes=frames,
        xaxis=plain | across,
        yaxis=plain | down,
    )


def place_of(shown: list[int]) -> dict[int, int]:
    """Word of the passage -> its column; where words are left out stands an empty one."""
    columns = np.cumsum([0, *(1 + (there > here + 1) for here, there in pairwise(shown))])
    return dict(zip(shown, columns.tolist(), strict=True))
