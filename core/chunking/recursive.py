from typing import Literal

from core.chunking.packing import pack
from core.chunking.protocol import Overlapping
from core.chunking.sentences import line_starts, paragraph_starts, sentence_starts
from core.chunking.tools import Tools, token_starts
from core.config import knob
from core.registry import part


def sentence_and_line_starts(text: str) -> list[int]:
    return sorted({*sentence_starts(text), *line_starts(text)})


@part("chunker")
class Recursive(Overlapping):
    """Whole paragraphs while they fit, else whole sentences, else lines (code, tables), else words, else tokens.

    Choose it first: few cuts inside a thought and an even size, on any text. `structure` also knows headings and lists;
    `sentence` never looks at paragraphs; `fixed` is its baseline.
    Source: the rule of LangChain's RecursiveCharacterTextSplitter, on tokens and as one greedy pass: a chunk ends at
    the last boundary of the coarsest kind within its reach. What fits is kept whole, with less overlap if need be.
    """

    part: Literal["recursive"] = "recursive"
    # 254: what the bundled encoder reads of a text beside its two special tokens
    size_tokens: int = knob(
        254, "Most tokens in a chunk. Small chunks are precise, large ones keep their context.", unit="tokens", ge=8, le=8192
    )
    overlap_tokens: int = knob(
        32,
        "Tokens that a chunk repeats of the one before, at most. More cuts fewer answers, and embeds more text twice.",
        unit="tokens",
        ge=0,
        le=8191,
    )

    def split(self, text: str, tools: Tools) -> list[tuple[int, int]]:
        levels = (paragraph_starts, sentence_starts, sentence_and_line_starts)
        return pack(text, token_starts(text, tools), self.size_tokens, overlap=self.overlap_tokens, levels=levels)
