"""A document's own outline: where its headings stand, and how deep."""

import re

_LINE_OF_INTEREST = re.compile(
    r"^(?:(?P<fence>```|~~~)"  # a '#' in a code block is a comment
    r"|(?P<marks>\#{1,6})[ \t]+(?=\S)"
    r"|(?P<under>([^\w\s])\4{2,}+)[ \t\r]*$)",
    re.MULTILINE,
)
DEEPEST = 6


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
                outline.append((title, min(kinds.index(kind) + 1, DEEPEST)))
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
