"""Writes the generated parts of the documentation: `python -m docs.tables`.

That is what stands in its pages between `<!-- NAME:start -->` and `<!-- NAME:end -->`. All of it comes from the code and the
cards, so a new part, column or data set is documented by running this. Print-outs of everything are commands, not pages:
`python -m core list`, `--help`, `python -m core store tables`.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from app import navigation
from core import registry
from core.cli.parts import summary
from core.corpus.cards import cards
from core.store import tables

ROOT = Path(__file__).resolve().parents[1]
METHODS = ROOT / "docs/methods"
DEFINED = {
    "chunker": ("chunking",),
    "query": ("queries",),
    "sparse": ("retrieval",),
    "index": ("retrieval", "indexes"),
    "fusion": ("retrieval",),
    "reranker": ("reranking",),
    "encoder": ("encoders",),
    "answering": ("answers",),
    "metric": ("metrics",),
    "measure": ("measures", "judging"),
}  # kind of part -> the pages of docs/methods that define its parts


def pages() -> dict[Path, str]:
    """Every file with generated content, as it should be."""
    store, corpus, methods = (ROOT / f"docs/{name}.md" for name in ("guide/query_store", "guide/browse_corpus", "methods"))
    readme = ROOT / "README.md"
    filling = filled(filled(methods.read_text("utf-8"), "pages", contents()), "parts", parts())
    return {
        readme: filled(readme.read_text("utf-8"), "guides", guides()),
        store: filled(store.read_text("utf-8"), "tables", database()),
        methods: filling,
        corpus: filled(corpus.read_text("utf-8"), "datasets", datasets()),
    }


def filled(page: str, name: str, text: str) -> str:
    """The text of a page with this one between its markers."""
    start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    before, _, rest = page.partition(start)
    if end not in rest:
        raise ValueError(f"There are no markers {start} and {end}")
    return f"{before}{start}\n{text.strip()}\n{end}{rest.partition(end)[2]}"


def guides() -> str:
    """The guide of each page, a line a section of the navigation."""
    sections = groupby(navigation.entries().items(), key=lambda page: page[1].section)
    lines = [(name, [f"[{entry.title}](docs/guide/{page}.md)" for page, entry in pages]) for name, pages in sections]
    return "\n".join(f"- {name}: {', '.join(links)}" for name, links in lines)


def contents() -> str:
    """Each page of methods by its title, with its sections."""
    rows = []
    for page in sorted(METHODS.glob("*.md")):
        title, *sections = re.findall(r"^##? (.+)$", page.read_text("utf-8"), re.MULTILINE)
        rows.append((f"[{title}](methods/{page.name})", " · ".join(section for section in sections if section != title)))
    return "\n".join(table(("Page", "What it defines"), sorted(rows)))


def parts() -> str:
    """The parts that rank, write and judge, and where each is defined; one that no page defines stands with its own words."""
    rows = []
    for kind, names in DEFINED.items():
        texts = {name: (METHODS / f"{name}.md").read_text("utf-8") for name in names}
        every = registry.parts(kind)
        placed = {part: next((name for name in names if f"`{part}`" in texts[name]), "") for part in every}
        for name in names:
            if here := [part for part in every if placed[part] == name]:
                rows.append((kind, listed(here), f"[{title(texts[name])}](methods/{name}.md)"))
        for part in (part for part in every if not placed[part]):
            rows.append((kind, f"`{part}`", summary(every[part]).replace("<", "&lt;")))
    return "\n".join(table(("Kind", "Parts", "Defined in"), rows))


def title(page: str) -> str:
    return page.partition("\n")[0].removeprefix("# ")


def listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def database() -> str:
    return "\n".join(table(("Table", "Holds"), [(f"`{one.name}`", one.comment) for one in tables.describe()]))


def datasets() -> str:
    rows = []
    for name, card in sorted(cards().items(), key=lambda pair: (bool(pair[1].files or pair[1].loader.made_of()), pair[0])):
        sizes = [f"{n:,}" if n is not None else "" for n in (card.documents, card.questions)]
        files = ", ".join(f"`{name}`" for name in [*(file.name for file in card.files), *card.loader.made_of()]) or "built in"
        rows.append((f"`{name}`", card.title, *sizes, " ".join(card.licence.split()), files))
    return "\n".join(table(("Name", "Data set", "Documents", "Questions", "Licence", "Files"), rows))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *cells)]


def code(value: object) -> str:
    return f"`{value}`" if str(value) else ""


def main() -> None:
    for path, text in pages().items():
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(f"written: {path.relative_to(ROOT)}, {len(re.findall('^[|]', text, re.MULTILINE)):,} table lines")


if __name__ == "__main__":
    main()
