"""Maximal marginal relevance: what says something new comes first."""

from collections.abc import Generator
from typing import ClassVar, Literal

import numpy as np

from core.config import knob
from core.index.common import rounded
from core.records import Progress
from core.registry import part
from core.reranking.protocol import Asked, Reranker, scaled

_CELLS, _PASSAGES = 1 << 24, 1 << 11  # similarities held at a time (64 MB), and passages, each of which meets each


@part("reranker")
class MMR(Reranker):
    """Takes passages one after the other, each time the one with the largest

        lambda * relevance - (1 - lambda) * cosine with the nearest of those already taken.

    Choose it where the best passages say the same thing and the prompt has room for few, or the evidence lies in several
    places; where one passage answers the question it can only hurt. Cosines are those of the recipe's encoder, of the
    vectors before any transform. A passage's score is its value when it was taken. Of equal ones the one ranked higher so
    far is taken first.
    Source: Carbonell and Goldstein 1998, "The Use of MMR, Diversity-Based Reranking for Reordering Documents and Producing
    Summaries", section 2.
    """

    by_itself: ClassVar[bool] = False
    part: Literal["mmr"] = "mmr"
    order: ClassVar[int] = 30
    encodes: ClassVar[bool] = True
    share: float = knob(0.7, "1 ranks by relevance alone, 0 by what is new alone.", label="Lambda", ge=0.0, le=1.0, step=0.05)
    relevance: Literal["ranking", "dense"] = knob(
        "ranking", "The score so far, scaled to 0 to 1 within the question, or the cosine with the question."
    )

    def scores(self, asked: Asked, rows: np.ndarray, columns: np.ndarray) -> Generator[Progress, None, np.ndarray]:
        tools, chunks = asked.tools, asked.pool.chunk[rows, columns]
        distinct, which = np.unique(chunks, return_inverse=True)
        vectors = _unit((yield from tools.embed(tools.encoder, [tools.texts[chunk] for chunk in distinct.tolist()])))
        if self.relevance == "dense":
            relevance = yield from cosines(asked, tools.encoder, rows, chunks)
        else:
            relevance = scaled(rows, asked.scores[rows, columns].astype(np.float64), len(asked.scores))
        scores, starts = np.empty(len(rows), np.float32), np.flatnonzero(np.diff(rows, prepend=-1))
        for width, cells in _blocks(rows, starts):  # questions with as many candidates, taken together
            here, place = np.unique(which[cells], return_inverse=True)
            place, table = place.reshape(cells.shape), rounded(vectors[here] @ vectors[here].T)
            same = table[place[:, :, None], place[:, None, :]]
            scores[cells] = marginal(relevance[cells].astype(np.float32), same, self.share)
            yield Progress(int(cells.max()) + 1, len(rows), f"Taking what is new, {width} passages a question")
        return scores


def marginal(relevance: np.ndarray, same: np.ndarray, share: float) -> np.ndarray:
    """The value of each candidate when it was taken [n, d] float32, falling as they are taken; relevance [n, d], similarity
    to each other [n, d, d]."""
    number, depth = relevance.shape
    questions, taken = np.arange(number), np.zeros((number, depth), bool)
    nearest, values = np.zeros((number, depth), np.float32), np.empty((number, depth), np.float32)
    last = np.full(number, np.inf, np.float32)
    for step in range(depth):
        gain = share * relevance - (1 - share) * nearest
        gain[taken] = -np.inf
        pick = gain.argmax(axis=1)
        # strictly below the one before: of equal values the order in which they were taken is kept
        last = np.minimum(gain[questions, pick].astype(np.float32), np.nextafter(last, np.float32(-np.inf)))
        values[questions, pick], taken[questions, pick] = last, True
        to_it = same[questions, pick]
        nearest = to_it if not step else np.maximum(nearest, to_it)
    return values


def _blocks(rows: np.ndarray, starts: np.ndarray) -> Generator[tuple[int, np.ndarray], None, None]:
    """(candidates a question, places [questions, candidates]) of the cells, which stand question after question."""
    widths = np.diff(starts, append=len(rows))
    for width in np.unique(widths).tolist():
        begin, step = starts[widths == width], max(1, min(_CELLS // width**2, _PASSAGES // width))
        for at in range(0, len(begin), step):
            yield width, begin[at : at + step, None] + np.arange(width)


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1)


def cosines(asked: Asked, encoder, rows: np.ndarray, chunks: np.ndarray) -> Generator[Progress, None, np.ndarray]:
    """Cosine [n] float32 of each row's question and chunk by that encoder; vectors are kept by content."""
    sides = []
    for numbers, texts, query in ((rows, [each.text for each in asked.queries], True), (chunks, asked.tools.texts, False)):
        distinct, which = np.unique(numbers, return_inverse=True)
        vectors = yield from asked.tools.embed(encoder, [texts[number] for number in distinct.tolist()], query)
        sides.append(_unit(vectors)[which])
    return rounded(np.einsum("ij,ij->i", *sides))
