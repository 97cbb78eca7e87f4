from typing import Literal

from core.chunking.packing import pack
from core.chunking.protocol import Chunker
from core.chunking.tools import Tools, token_starts
from core.config import knob
from core.registry import part


@part("chunker")
class Fixed(Chunker):
    """Chunks of the same number of tokens, one after the other, whatever stands there.

    The baseline that the others must beat: it cuts sentences and even words. Choose it to fill the encoder exactly, or
    for text without any structure; `sliding_window` repairs its cuts by overlap, `recursive` avoids them.
    Source: fixed-length passages of Kaszkiel and Zobel, "Effective ranking with arbitrary passages",
    JASIST 52(4), 2001.
    """

    part: Literal["fixed"] = "fixed"
    size_tokens: int = knob(
        254, "Tokens in a chunk. Small chunks are precise, large ones keep their context.", unit="tokens", ge=8, le=8192
    )

    def split(self, text: str, tools: Tools) -> list[tuple[int, int]]:
        return pack(text, token_starts(text, tools), self.size_tokens, whole_words=False)
