"""A document's own outline: where its headings stand, and how deep."""

import re

_LINE_OF_INTEREST = re.compile(
    r"^(?:(?P<marks>\#{1,6})[ \t]+(?=\S)"
    r"|(?P<drawn>([^\w\s])\3{2,}+)(?P<rest>.*))",
    re.MULTILINE,
)
DEEPEST = 6


def headings(text: str) -> list[tuple[int, int]]:
    """(position, depth from 1) of every heading: Markdown's '#' by their number, underlined titles (reStructuredText,
    Markdown) by the order in which the kinds of underline first appear in the text."""
    outline, kinds, fence = [], [], ""
    for match in _LINE_OF_INTEREST.finditer(text):
        if match["marks"]:
            if not fence:  # a '#' in a code block is a comment
                outline.append((match.start(), len(match["marks"])))
            continue
        drawn, rest = match["drawn"], match["rest"].strip()
        if fence:
            if drawn.startswith(fence) and not rest:
                fence = ""
        elif not rest and (title := _underlined(text, match.start(), drawn)) is not None:
            kind = (drawn[0], text[title] == drawn[0])  # overlined or not
            if kind not in kinds:
                kinds.append(kind)
            outline.append((title, min(kinds.index(kind) + 1, DEEPEST)))
        elif drawn[0] == "~" or drawn[0] == "`" and "`" not in rest:  # else a line of code, ```so```
            fence = drawn
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
