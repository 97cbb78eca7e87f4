from typing import Literal

from core.chunking.headings import DEEPEST, headings
from core.chunking.packing import pack
from core.chunking.protocol import Chunker
from core.chunking.sentences import item_starts, paragraph_starts, sentence_starts
from core.chunking.tools import Tools, token_starts
from core.config import knob
from core.registry import part


@part("chunker")
class Structure(Chunker):
    """Follows the document's own outline: sections by heading, then paragraphs, list items, sentences.

    A section that fits is never cut; small neighbours are put together up to the limit; a section too long is cut at
    its sub-headings first. Choose it over `recursive` for manuals, Markdown and reStructuredText.
    Source: discourse passages of Callan, "Passage-level evidence in document retrieval", SIGIR 1994.
    """

    part: Literal["structure"] = "structure"
    size_tokens: int = knob(254, "Most tokens in a chunk. A section that fits is kept whole.", unit="tokens", ge=8, le=8192)

    def split(self, text: str, tools: Tools) -> list[tuple[int, int]]:
        starts = token_starts(text, tools)
        if len(starts) <= self.size_tokens:
            return pack(text, starts, self.size_tokens)
        titles = headings(text)
        outline = [[position for position, depth in titles if depth <= level] for level in range(1, DEEPEST + 1)]
        # each level holds the boundaries of the coarser ones, which is what makes `pack` keep whole what fits
        paragraphs = sorted({*outline[-1], *paragraph_starts(text)})
        items = sorted({*paragraphs, *item_starts(text)})
        levels = [*outline, paragraphs, items, sorted({*items, *sentence_starts(text)})]
        return pack(text, starts, self.size_tokens, levels=[lambda _, boundaries=boundaries: boundaries for boundaries in levels])
