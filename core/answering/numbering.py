"""Passages that are read in several prompts: one number each for the whole answer, and citations by those; and the text that ends it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from core.answering.protocol import Material, Writing, together, whole
from core.config import ContextConfig
from core.context.citations import marks, pattern
from core.context.prompt import Prompt, within
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


def retitled(text: str, style: str, shown: Mapping[str, int], seen: Sequence[Hit]) -> str:
    """The text with citations by title as the passages are called among all that were read, `seen`: there others may share a title that
    was one passage's in its prompt. shown: mark as the model read it -> number in the answer. Other styles stay."""
    if style != "titles":
        return text
    names, own = marks(style, seen), {mark[1:-1].casefold(): number for mark, number in shown.items()}

    def named(match: re.Match[str]) -> str:
        titles = [each.strip() for each in match[1].split(";")]
        numbers = [own.get(" ".join(each.casefold().split())) for each in titles]
        told = [names[number - 1][1:-1] if number else title for number, title in zip(numbers, titles, strict=True)]
        return f"[{'; '.join(told)}]" if any(numbers) else match[0]

    return pattern(style).sub(named, text)


def cited_among(
    text: str, style: str, used: Sequence[Hit], numbers: dict[int, int], seen: Sequence[Hit], missing: str = "0"
) -> str:
    """A text over a prompt of the passages `used`, with its citations as of all that were read, `seen`. numbers, missing: as in
    `renumbered`."""
    shown = {mark: numbers[place] for place, mark in enumerate(marks(style, used), 1) if place in numbers}
    return renumbered(retitled(text, style, shown, seen), numbers, style, missing)


def as_shown(seen: Sequence[Hit], used: Sequence[Hit], context: ContextConfig) -> tuple[list[Hit], list[int]]:
    """(all that was read as it was shown last, the number there of each that was seen). What has grown or was cut to its best sentences
    stands once, in the place of the first that it was made from. used: of the last prompt."""
    cut, shown, numbers = context.compress < 1, [], []
    for hit in seen:
        place = hit.document_id, hit.start, hit.end
        same = [other for other in used if (other.document_id, other.start, other.end) == place]
        same += [other for other in used if within(hit, other) or (cut and within(other, hit))]
        last = same[0] if same else hit
        if last not in shown:
            shown.append(last)
        numbers.append(shown.index(last) + 1)
    return [*shown, *(hit for hit in used if hit not in shown)], numbers


def concluded(
    material: Material, prompt: Prompt, seen: list[Hit], texts: list[Generated], started: float, detail: dict[str, Any]
) -> Writing:
    """The answer to the last prompt, its citations by the numbers of all that was read. texts: those before, with which it takes what
    all took since `started`; detail: what was done on the way, with the numbers of passages in `seen`."""
    shown, places = as_shown(seen, prompt.used, material.context)
    numbers = {number: shown.index(hit) + 1 for number, hit in enumerate(prompt.used, 1)}
    for row in (*detail.get("decisions", ()), *detail.get("thoughts", ())):
        if row.get("passage"):
            row["passage"] = places[row["passage"] - 1]
        if row.get("passages"):
            row["passages"] = list(dict.fromkeys(places[number - 1] for number in row["passages"]))
    detail["first"] = len(set(places[: detail["first"]]))
    for _ in (running := Running(material.generator.generate(prompt.messages, material.seed, material.left_s))):
        yield ""
    texts.append(running.result)
    text = cited_among(running.result.text, material.context.citations, prompt.used, numbers, shown)
    yield text
    taken = together(running.result._replace(text=text), texts, started)
    return whole(material, taken, tuple(shown), {**detail, "calls": len(texts)}, notes=prompt.notes)
