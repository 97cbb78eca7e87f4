"""The words of a paper's results: those of its authors with their numbers as macros, and a sentence for each item that they leave out."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.labs.papers import numbers
from core.labs.papers.paper import MENTION, Item, Paper, PaperSection, Taken
from core.report import tables
from core.report.caption import escape

DRAWN = {
    "means": "shows the means with their intervals",
    "differences": "shows the paired differences from the reference with their intervals",
}


def paragraphs(paper: Paper, text: str) -> list[str]:
    """The paragraphs of a text as LaTeX."""
    return [_with_items(paper, " ".join(each.split())) for each in re.split(r"\n\s*\n", text) if each.strip()]


def _with_items(paper: Paper, text: str) -> str:
    pieces = re.split(MENTION, text)  # words and names in turn
    return "".join(_mention(paper.item(piece)) if place % 2 else _escaped(piece) for place, piece in enumerate(pieces))


def _escaped(words: str) -> str:
    """With the spaces around it, which part it from the numbers."""
    return " " * words.startswith(" ") + escape(words) + " " * (words.endswith(" ") and bool(words.strip()))


def _mention(item: Item) -> str:
    return f"{numbers.macro(item.name)}{{}}" if item.kind == "number" else reference(item)


def reference(item: Item) -> str:
    """As in "Table 1", with LaTeX's number."""
    return rf"Table~\ref{{tab:{item.name}}}" if item.kind == "table" else rf"Figure~\ref{{fig:{item.name}}}"


def unmentioned(paper: Paper, sections: Sequence[PaperSection]) -> list[Item]:
    """The items that no section names."""
    named = {name for section in sections for name in section.named}
    return [item for item in paper.items if item.name not in named]


def sentences(items: Sequence[Item], showed: Mapping[str, Taken]) -> Iterator[str]:
    """One of each item, as LaTeX."""
    for item in items:
        if item.kind == "number":
            yield f"{escape(item.caption or item.name)}: {numbers.macro(item.name)}{{}}."
            continue
        own = {part: f"{macro}{{}}" for part, (macro, _) in of_table(item, showed[item.name].content).items()}
        if "best" in own:
            yield (
                f"{reference(item)} compares {own['recipes']} on {own['questions']}; by {own['measure']} the best is "
                f"{own['best']} with {own['mean']}."
            )
        elif item.kind == "figure":
            yield f"{reference(item)} {DRAWN.get(item.drawing, 'shows ' + _about(item))}."
        else:
            yield f"{reference(item)} tells {_about(item)}."


def _about(item: Item) -> str:
    """The first sentence of a caption, to go on in one."""
    first = re.split(r"[.:;]", item.caption)[0].strip()
    return escape(first[:1].lower() + first[1:]) if first else "what its caption says"


def of_table(item: Item, content: Any) -> dict[str, tuple[str, str]]:
    """What a sentence says of a table of results: part -> (its macro, as it is read)."""
    if item.kind != "table" or tables.of_page(content) or not content["rows"]:
        return {}
    column = content["columns"][0]
    rated = [row for row in content["rows"] if row["cells"][column["name"]].get("mean") is not None]
    if not rated:
        return {}
    best = max(rated, key=lambda row: row["cells"][column["name"]]["mean"] * (column["direction"] or 1))
    count, asked = len(content["rows"]), content["questions"]
    told = {
        "recipes": f"{count:,} recipe{'s' * (count != 1)}",
        "questions": f"{asked:,} question{'s' * (asked != 1)}",
        "measure": column["label"],
        "best": best["name"],
        "mean": tables.number(best["cells"][column["name"]]["mean"], item.digits),
    }
    return {part: (numbers.macro(f"{item.name}-{part}", "tab"), words) for part, words in told.items()}
