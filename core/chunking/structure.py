import re
from typing import Literal

from core.chunking.packing import pack
from core.chunking.protocol import Chunker
from core.chunking.sentences import item_starts, paragraph_starts, sentence_starts
from core.chunking.tools import Tools, token_starts
from core.config import knob
from core.registry import part

_LINE_OF_INTEREST = re.compile(
    r"^(?:(?P<fence>```|~~~)"  # a '#' in a code block is a comment
    r"|(?P<marks>\#{1,6})[ \t]+(?=\S)"
    r"|(?P<under>([^\w\s])\4{2,}+)[ \t\r]*$)",
    re.MULTILINE,
)
_DEEPEST = 6


def headings(text: str) -> list[tuple[int, int]]:
    """(position, depth from 1) of every heading: Markdown's '#' by their number, underlined titles (reStructuredText,
    Markdown) by the order in which the kinds of underline first appear in the text."""
    outline, kinds, fenced = [], [], False
    for match in _LINE_OF_INTEREST.finditer(text):
        if match["fence"]:
            fenced = not fenced
        elif match["marks"] and not fenced:
            outline.append((match.start(), len(match["marks"])))
        elif match["under"] and not fenced:
            title = _underlined(text, match.start(), match["under"])
            if title is not None:
                overlined = text[title] == match["under"][0]
                kind = (match["under"][0], overlined)
                if kind not in kinds:
                    kinds.append(kind)
                outline.append((title, min(kinds.index(kind) + 1, _DEEPEST)))
    return outline


def _underlined(text: str, line: int, under: str) -> int | None:
    """Start of the title (of its overline, if it has one) under which this line is drawn; None where there is none."""
    start = _line_before(text, line)
    title = text[start:line].strip()
    if not title or not any(map(str.isalnum, title)) or (len(under) < len(title) and under[0] not in "=-"):
        return None
    before = _line_before(text, start)
    above = text[before:start].strip()
    if not above:
        return start
    return before if above == under else None  # a paragraph of several lines is no title


def _line_before(text: str, line: int) -> int:
    """Start of the line that ends where this one starts."""
    return max(text.rfind("\n", 0, max(line - 1, 0)), -1) + 1


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
        outline = [[position for position, depth in titles if depth <= level] for level in range(1, _DEEPEST + 1)]
        # each level holds the boundaries of the coarser ones, which is what makes `pack` keep whole what fits
        paragraphs = sorted({*outline[-1], *paragraph_starts(text)})
        items = sorted({*paragraphs, *item_starts(text)})
        levels = [*outline, paragraphs, items, sorted({*items, *sentence_starts(text)})]
        return pack(text, starts, self.size_tokens, levels=[lambda _, boundaries=boundaries: boundaries for boundaries in levels])
