"""Passages that are read in several prompts: one number each for the whole answer, and citations by those."""

import re
from collections.abc import Sequence

from core.context.citations import pattern
from core.records import Hit


def numbered(used: Sequence[Hit], seen: list[Hit]) -> dict[int, int]:
    """Number in the prompt -> number in the answer, whose passages, `seen`, are all that were read, in the order in which they came;
    those of this prompt are added."""
    numbers = {}
    for number, hit in enumerate(used, 1):
        places = [(other.document_id, other.start, other.end) for other in seen]
        if (hit.document_id, hit.start, hit.end) not in places:
            seen.append(hit)
            places.append((hit.document_id, hit.start, hit.end))
        numbers[number] = places.index((hit.document_id, hit.start, hit.end)) + 1
    return numbers


def renumbered(text: str, numbers: dict[int, int], style: str, missing: str = "0") -> str:
    """The text with its citations by other numbers. missing: the number of a passage that has none; "" leaves it out. Titles
    stay."""
    if style == "titles":
        return text

    def cites(match: re.Match[str]) -> str:
        others = [str(numbers.get(int(number), missing)) for number in match[1].split(",")]
        return match[0].replace(match[1], ", ".join(filter(None, others))) if any(others) else ""

    return re.sub(r" +(?=[.,;!?]|$)", "", pattern(style).sub(cites, text)) if not missing else pattern(style).sub(cites, text)
