"""Rocchio: the question's vector moves to the chunks that it finds first."""

from typing import Any, ClassVar, Literal

import numpy as np

from core.config import PartConfig, knob
from core.queries.protocol import QueryTransform
from core.records import Candidates
from core.registry import part


@part("query")
class Rocchio(QueryTransform):
    """alpha * question + beta * mean of the first chunks' vectors - gamma * mean of as many at the end of the first ranking.

    Nobody judges the chunks: the first are taken for relevant, the last of the candidates for not (pseudo-relevance feedback).
    Choose it where the first chunks are good and more of their kind are wanted; where they are wrong, the question drifts.
    Under cosine all vectors are scaled to length 1 first. BM25 is asked the question as it is.
    Source: Rocchio 1971, "Relevance Feedback in Information Retrieval", in Salton (ed.), The SMART Retrieval System; on dense
    vectors with these defaults Li et al. 2022, "Pseudo Relevance Feedback with Deep Language Models and Dense Retrievers".
    """

    part: Literal["rocchio"] = "rocchio"
    title: ClassVar[str] = "Rocchio"
    alpha: float = knob(0.9, "Weight of the question.", ge=0.0, le=5.0, step=0.05)
    beta: float = knob(
        0.1, "Weight of the first chunks. More finds more of their kind, and drifts further.", ge=0.0, le=5.0, step=0.05
    )
    gamma: float = knob(0.0, "Weight of the last candidates, which is taken away. 0 leaves them out.", ge=0.0, le=5.0, step=0.05)
    documents: int = knob(3, "Chunks that are taken for relevant.", unit="chunks", ge=1, le=100)

    def search_dense(
        self, searcher: Any, questions: np.ndarray, stored: np.ndarray, depth: int, ties: np.ndarray, settings: PartConfig
    ) -> Candidates:
        first = searcher.search(questions, max(depth if self.gamma else 0, self.documents), ties, settings=settings)
        moved = self.moved(questions, stored, first.chunk, settings.metric == "cosine")
        return searcher.search(moved, depth, ties, settings=settings)

    def moved(self, questions: np.ndarray, stored: np.ndarray, ranked: np.ndarray, unit: bool) -> np.ndarray:
        """The vectors [Q, d] float32 that are asked in the questions' place. ranked [Q, n]: the first ranking, -1 where it ends."""
        moved = np.array(questions, np.float32)
        for row, chunks in enumerate(ranked):
            ranking = chunks[chunks >= 0]
            if not len(ranking):
                continue
            near, far = (_mean(stored[some], unit) for some in (ranking[: self.documents], ranking[-self.documents :]))
            asked = self.alpha * _scaled(questions[row : row + 1], unit)[0] + self.beta * near - self.gamma * far
            if np.linalg.norm(asked) > 1e-6:  # else nothing is left to ask with
                moved[row] = asked
        return moved


def _mean(vectors: np.ndarray, unit: bool) -> np.ndarray:
    return _scaled(vectors, unit).mean(axis=0)


def _scaled(vectors: np.ndarray, unit: bool) -> np.ndarray:
    vectors = np.asarray(vectors, np.float64)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12) if unit else vectors
