import re
from collections.abc import Generator
from typing import Any, ClassVar, Literal

import numpy as np

from core.records import Progress
from core.registry import part
from core.retrieval.retriever import Retriever, RetrieverTools


@part("retriever")
class Trigrams(Retriever):
    """The share of three-letter pieces that question and chunk have in common (Dice). Choose it for misspelt names."""

    part: Literal["trigrams"] = "trigrams"
    quick: ClassVar[bool] = True

    def build(self, tools: RetrieverTools) -> Generator[Progress, None, list[set[str]]]:
        yield from ()
        return [pieces(text) for text in tools.texts]

    def scores(self, built: Any, questions: list[str], tools: RetrieverTools) -> Generator[Progress, None, np.ndarray]:
        yield from ()
        scores = np.full((len(questions), len(built)), -np.inf, np.float32)
        for row, asked in zip(scores, map(pieces, questions), strict=True):
            for place, chunk in enumerate(built):
                if shared := len(asked & chunk):
                    row[place] = 2 * shared / (len(asked) + len(chunk))
        return scores


def pieces(text: str) -> set[str]:
    words = " ".join(re.findall(r"\w+", text.lower()))
    return {words[at : at + 3] for at in range(len(words) - 2)}
