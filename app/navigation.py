"""The pages, each where it says itself that it stands; they are read, not run, for a page is a script."""

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

PAGES = Path(__file__).resolve().parents[1] / "pages"
SECTIONS = ("Start", "Explore", "Compare", "Generate", "Judge", "Publish")


class Entry(NamedTuple):
    """What a page's `NAVIGATION` says."""

    section: str
    order: int  # within its section
    title: str
    icon: str  # a name of Material's
    entry: str = ""  # pages of one section that say the same share a link of this title, which leads to the first of them
    step: str = ""  # of the path from a question to the paper that this page takes; "": none
    path: bool = True  # whether the path stands above it: an annotator is not shown how far the study is
    press: bool = False  # whether it may have a blue button of its own, beside which that of the path is not filled

    @property
    def link(self) -> str:
        """What its link in the navigation is called."""
        return self.entry or self.title


@cache
def entries() -> dict[str, Entry]:
    """Name of a page's file -> its place, in the order of the navigation; a script that says none stands in none."""
    texts = {path.stem: path.read_text("utf-8") for path in PAGES.glob("*.py")}
    there = {name: Entry(**said) for name, text in texts.items() if (said := _said(text))}
    return dict(sorted(there.items(), key=lambda item: (SECTIONS.index(item[1].section), item[1].order, item[0])))


def beside(page: str) -> dict[str, Entry]:
    """The pages that share a link with this one, itself among them, in their order: the first is where the link leads. None of a
    name that no page has."""
    own = entries().get(page)
    return {name: entry for name, entry in entries().items() if own and (entry.section, entry.link) == (own.section, own.link)}


def _said(text: str) -> dict:
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "NAVIGATION":
            return ast.literal_eval(statement.value)
    return {}
