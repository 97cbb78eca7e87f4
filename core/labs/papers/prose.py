"""Sentences of a paper that nobody wrote: one for each item that no text names."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.labs.papers import numbers
from core.labs.papers.paper import Item, Paper, Taken, named
from core.labs.papers.words import called
from core.report import tables
from core.report.caption import escape

DRAWN = {
    "means": "shows the means with their intervals",
    "differences": "shows the paired differences from the reference with their intervals",
}


def unmentioned(paper: Paper) -> list[Item]:
    """The items that no text names, nor the abstract."""
    texts = [paper.abstract, *(item.text for item in paper.items if item.kind == "text")]
    mentions = {name for text in texts for name in named(text)}
    return [item for item in paper.items if item.kind != "text" and item.name not in mentions]


def sentences(items: Sequence[Item], showed: Mapping[str, Taken]) -> Iterator[str]:
    """One of each item, as LaTeX."""
    for item in items:
        if item.kind == "number":
            yield f"{escape(item.caption or item.name)}: {called(item)}."
            continue
        own = {part: f"{macro}{{}}" for part, (macro, _) in of_table(item, showed[item.name].content).items()}
        if "best" in own:
            yield (
                f"{called(item)} compares {own['recipes']} on {own['questions']}; by {own['measure']} the best is "
                f"{own['best']} with {own['mean']}."
            )
        elif item.kind == "figure":
            yield f"{called(item)} {DRAWN.get(item.drawing, 'shows ' + _about(item))}."
        else:
            yield f"{called(item)} tells {_about(item)}."


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
