import re
from collections.abc import Generator
from hashlib import blake2b
from typing import Literal

import numpy as np

from core.config import code_version, fingerprint, knob
from core.embedding.protocol import Encoder
from core.registry import part


@part("encoder")
class Hashing(Encoder):
    """Counts of words, each at a place that its hash says. Choose it to see what a text's words alone tell, without a model.

    Weinberger et al. 2009, "Feature Hashing for Large Scale Multitask Learning", section 2.
    """

    part: Literal["hashing"] = "hashing"
    dimensions: int = knob(512, "Places for words. Fewer make more words share one.", ge=16, le=4096)

    def identity(self) -> str:
        return "hashing-" + fingerprint(self, code_version(self))

    def load(self) -> "WordCounts":
        return WordCounts(self.dimensions)


class WordCounts:
    name, dtype, max_tokens = "Hashing", "float32", 1 << 20

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def token_offsets(self, texts: list[str]) -> list[np.ndarray]:
        words = ([match.span() for match in re.finditer(r"\w+|[^\w\s]", text)] for text in texts)
        return [np.array(spans, np.int32).reshape(-1, 2) for spans in words]

    def encode(self, texts: list[str], query: bool = False) -> Generator[tuple[np.ndarray, np.ndarray], None, None]:
        for index, text in enumerate(texts):
            vector = np.full((1, self.dim), 1e-6, np.float32)  # a text without a word has a direction, too
            for word in re.findall(r"\w+", text.lower()):
                place = int.from_bytes(blake2b(word.encode("utf-8", "replace"), digest_size=4).digest())
                vector[0, place % self.dim] += 1
            yield np.array([index]), vector / np.linalg.norm(vector)
