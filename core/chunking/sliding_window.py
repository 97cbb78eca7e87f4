from typing import Literal

from core.chunking.packing import pack
from core.chunking.protocol import Overlapping
from core.chunking.tools import Tools, token_starts
from core.config import knob
from core.registry import part


@part("chunker")
class SlidingWindow(Overlapping):
    """Windows of the same number of tokens, each repeating the last tokens of the one before.

    Choose it over `fixed` when evidence must not fall between two chunks: whatever is no longer than the overlap is
    whole in some window. The price is text embedded and stored twice.
    Source: overlapping windows of Callan, "Passage-level evidence in document retrieval", SIGIR 1994.
    """

    part: Literal["sliding_window"] = "sliding_window"
    size_tokens: int = knob(
        254, "Tokens in a window. Small windows are precise, large ones keep their context.", unit="tokens", ge=8, le=8192
    )
    overlap_tokens: int = knob(
        128,
        "Tokens shared by neighbouring windows. More cuts fewer answers, and embeds more text twice.",
        unit="tokens",
        ge=0,
        le=8191,
    )

    def split(self, text: str, tools: Tools) -> list[tuple[int, int]]:
        starts = token_starts(text, tools)
        return pack(text, starts, self.size_tokens, overlap=self.overlap_tokens, whole_words=False)
