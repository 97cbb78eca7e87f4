"""What a chunker may use besides the text: the tokens and the embeddings of the encoder in use."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np


class Tools(Protocol):
    def token_offsets(self, text: str) -> np.ndarray:
        """Character offsets of the tokens, monotonic, specials left out: [num_tokens, 2] int32."""

    def token_offsets_many(self, texts: list[str]) -> list[np.ndarray]:
        """The same of each text; in one call where that is faster."""
        return [self.token_offsets(text) for text in texts]

    def embed(self, texts: list[str]) -> np.ndarray:
        """L2-normalised embeddings: [num_texts, dim] float32."""


class Remembered(Tools):
    """Tools that tokenise every text once, many in one call. Keep one for a corpus: a slider move then costs no tokens.

    Takes 8 bytes a token. Vectors are remembered only for the last `embed_ahead`: they are a hundred times as large.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._offsets: dict[str, np.ndarray] = {}
        self._rows: dict[str, int] = {}
        self._vectors = np.empty((0, 0), np.float32)

    def tokenize_ahead(self, texts: Sequence[str]) -> None:
        unseen = [text for text in dict.fromkeys(texts) if text not in self._offsets]
        if not unseen:
            return
        self._offsets.update(zip(unseen, self._tools.token_offsets_many(unseen), strict=True))

    def embed_ahead(self, texts: Sequence[str]) -> None:
        distinct = list(dict.fromkeys(texts))
        if distinct:
            self._vectors = self._tools.embed(distinct)
        self._rows = {text: row for row, text in enumerate(distinct)}

    def token_offsets(self, text: str) -> np.ndarray:
        if text not in self._offsets:
            self.tokenize_ahead([text])
        return self._offsets[text]

    def embed(self, texts: list[str]) -> np.ndarray:
        if all(text in self._rows for text in texts):
            return self._vectors[[self._rows[text] for text in texts]]
        return self._tools.embed(texts)


def token_starts(text: str, tools: Tools) -> list[int]:
    """First character of each token. A list: bisecting a list is ten times as fast as searching a small array."""
    return tools.token_offsets(text)[:, 0].tolist()
