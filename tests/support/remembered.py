"""A memory whose encoder is a table of random directions, one a word: no model, and the same everywhere."""

import zlib

import numpy as np

from core.memory.facts import words
from core.memory.store import FactStore

DIM = 64


def by_words(texts: list[str], query: bool = False) -> np.ndarray:
    """Unit vectors [n, DIM] float32: the sum of the directions of a text's words."""
    made = np.zeros((len(texts), DIM), np.float32)
    for row, text in enumerate(texts):
        for word in words(text):
            made[row] += np.random.default_rng(zlib.crc32(word.encode())).normal(size=DIM)
    return made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-9)


def memory(home, **options) -> FactStore:
    return FactStore(home, **{"encode": by_words, **options})
