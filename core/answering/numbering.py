"""Passages that are read in several prompts: one number each for the whole answer, and citations by those; and the text that ends it."""

import re
from collections.abc import Sequence
from typing import Any

from core.answering.protocol import Material, Writing, together, whole
from core.context.citations import pattern
from core.context.prompt import Prompt
from core.generation.protocol import Generated
from core.progress import Running
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


def concluded(
    material: Material, prompt: Prompt, seen: list[Hit], texts: list[Generated], started: float, detail: dict[str, Any]
) -> Writing:
    """The answer to the last prompt, its citations by the numbers of all that was read. texts: those before, with which it takes what
    all took since `started`; detail: what was done on the way."""
    numbers = numbered(prompt.used, seen)
    for _ in (running := Running(material.generator.generate(prompt.messages, material.seed, material.left_s))):
        yield ""
    texts.append(running.result)
    text = renumbered(running.result.text, numbers, material.context.citations)
    yield text
    taken = together(running.result._replace(text=text), texts, started)
    return whole(material, taken, tuple(seen), {**detail, "calls": len(texts)}, notes=prompt.notes)
