"""The pages, each where it says itself that it stands; they are read, not run, for a page is a script."""

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

PAGES = Path(__file__).resolve().parents[1] / "pages"
SECTIONS = ("Start", "Explore", "Generate", "Judge", "Publish")


class Entry(NamedTuple):
    """What a page's `NAVIGATION` says."""

    section: str
    order: int  # within its section
    title: str
    icon: str  # a name of Material's


@cache
def entries() -> dict[str, Entry]:
    """Name of a page's file -> its place, in the order of the navigation; a script that says none stands in none."""
    texts = {path.stem: path.read_text("utf-8") for path in PAGES.glob("*.py")}
    there = {name: Entry(**said) for name, text in texts.items() if (said := _said(text))}
    return dict(sorted(there.items(), key=lambda item: (SECTIONS.index(item[1].section), item[1].order, item[0])))


def _said(text: str) -> dict:
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "NAVIGATION":
            return ast.literal_eval(statement.value)
    return {}
