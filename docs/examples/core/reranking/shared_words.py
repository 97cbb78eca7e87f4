from collections.abc import Generator
from typing import Literal

import numpy as np

from core.records import Progress
from core.registry import part
from core.reranking.protocol import Asked, Reranker


@part("reranker")
class SharedWords(Reranker):
    """Counts the words that question and passage share. Choose it as a baseline without a model."""

    part: Literal["shared_words"] = "shared_words"

    def scores(self, asked: Asked, rows: np.ndarray, columns: np.ndarray) -> Generator[Progress, None, np.ndarray]:
        yield from ()
        asking = [set(query.text.lower().split()) for query in asked.queries]
        passages = [asked.tools.texts[chunk].lower().split() for chunk in asked.pool.chunk[rows, columns]]
        return np.array([len(asking[row] & set(words)) for row, words in zip(rows, passages, strict=True)], np.float32)
