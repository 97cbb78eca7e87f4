"""How passages are marked in a prompt, and how the marks are read back from an answer."""

import re
from collections import Counter
from collections.abc import Sequence

from core.records import Hit

BRACKETS = "brackets"
_NUMBERS = r"\d{1,3}(?:, ?\d{1,3})*"  # no year: of the most that is read for an answer a passage's number has three figures
_TITLE = r"\[([^\[\]\n]+)\]"
# style -> (the mark, what reads it: its group holds the numbers, or a title)
_STYLES = {
    BRACKETS: ("[{}]", re.compile(rf"\[({_NUMBERS})\]")),
    "parentheses": ("({})", re.compile(rf"\(({_NUMBERS})\)")),
    "footnotes": ("[^{}]", re.compile(rf"\[\^({_NUMBERS})\]")),
    "titles": ("[{}]", re.compile(_TITLE)),
}
STYLES = tuple(_STYLES)
CITATION = _STYLES[BRACKETS][1]


def pattern(style: str = BRACKETS) -> re.Pattern[str]:
    """Whatever looks like a citation of that style."""
    return _STYLES[style][1]


def uncited(text: str, style: str = BRACKETS) -> str:
    """A text without its citations, in single spaces."""
    return " ".join(pattern(style).sub(" ", text).split())


def marks(style: str, hits: Sequence[Hit], first: int = 1) -> list[str]:
    """The mark of each passage. first: number of the first."""
    names = _names(hits) if style == "titles" else range(first, first + len(hits))
    return [_STYLES[style][0].format(name) for name in names]


def plain(text: str, style: str = BRACKETS) -> str:
    """Text that can pose neither as another marked passage nor as a mark of a chat template such as <|im_end|>.

    A space is all that is added, so that code such as a[1] keeps its meaning. The llama.cpp engine also reads contents
    without any special token, whatever marks its model has; other engines may not.
    """
    if style == "titles":  # a passage is marked where its line begins
        text = re.sub(rf"^{_TITLE}", r"[ \1 ]", text, flags=re.MULTILINE)
    else:
        before, after = _STYLES[style][0].split("{}")
        text = pattern(style).sub(lambda match: f"{before} {match[1]} {after}", text)
    return text.replace("<|", "< |").strip()


def cited(text: str, passages: int | Sequence[Hit], style: str = BRACKETS) -> tuple[int, ...]:
    """Numbers of the passages that the text itself cites, ascending; what was not given is left out.

    passages: how many there were; for titles the passages themselves."""
    most = passages if isinstance(passages, int) else len(passages)
    numbers = {number for *_, numbers in places(text, passages, style) for number in numbers}
    return tuple(sorted(number for number in numbers if 1 <= number <= most))


def places(text: str, passages: int | Sequence[Hit], style: str) -> list[tuple[int, int, list[int]]]:
    """(start, end, numbers) of each citation of the text; a title that no passage has is none."""
    matches = list(pattern(style).finditer(text))
    if style != "titles":
        return [(*match.span(), [int(number) for number in match[1].split(",")]) for match in matches]
    numbers = {_same(name): number for number, name in enumerate(_names(passages), 1)}
    read = [(*match.span(), [numbers.get(_same(name), 0) for name in match[1].split(";")]) for match in matches]
    return [place for place in read if any(place[-1])]


def _names(hits: Sequence[Hit]) -> list[str]:
    """Titles without brackets; passages of one title are told apart by a number."""
    titles = [" ".join(re.sub(r"[\[\];]|<\|", " ", hit.title or hit.document_id).split()) or "untitled" for hit in hits]
    several, names = Counter(map(_same, titles)), {}
    for title in titles:
        number, name = 1, f"{title}, 1" if several[_same(title)] > 1 else title
        while _same(name) in names:
            number, name = number + 1, f"{title}, {number + 1}"
        names[_same(name)] = name
    return list(names.values())


def _same(title: str) -> str:
    return " ".join(title.casefold().split())
