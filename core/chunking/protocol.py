"""What every chunker part is. `docs/adding_a_part.md` shows the smallest one, `tests/contract/test_chunkers.py` holds all."""

from abc import abstractmethod
from typing import ClassVar

from pydantic import model_validator

from core.chunking.tools import Tools
from core.config import PartConfig


class Chunker(PartConfig):
    """Base of chunker parts. By convention a knob `size_tokens` is the most tokens of a chunk, and `overlap_tokens` the
    most that two neighbours share; without it chunks do not overlap."""

    embeds: ClassVar[bool] = False  # it asks the tools for vectors, so `texts_to_embed` says of which texts

    @abstractmethod
    def split(self, text: str, tools: Tools) -> list[tuple[int, int]]:
        """Characters [start, end) of each chunk, in the order of the text.

        Chunks are not empty, begin and end with no white space, lie not within each other, and leave nothing out but
        white space. The same text gives the same chunks.
        """

    def texts_to_embed(self, text: str, tools: Tools) -> list[str]:
        """What `split` will ask to embed, so that many documents can be embedded in one call."""
        return []


class Overlapping(Chunker):
    """Base of chunkers with the knobs `size_tokens` and `overlap_tokens`."""

    @model_validator(mode="after")
    def _moves_on(self):
        if self.overlap_tokens >= self.size_tokens:
            raise ValueError(f"the overlap ({self.overlap_tokens:,} tokens) has to be below the size")
        return self
