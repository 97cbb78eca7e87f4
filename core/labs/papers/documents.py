"""The files of a paper's bundle that follow from its items: LaTeX, Markdown, HTML, the README and the Makefile.

All of them are functions of the document, what its items show, and what was drawn: who checks a bundle writes them again and
compares.
"""

import base64
import html
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.labs.papers import numbers, prose, sources, words
from core.labs.papers.paper import Item, Paper, PaperFigure, Taken, packed
from core.labs.papers.paper import written as as_yaml
from core.report import figures, tables
from core.report.caption import escape, printed, without_command
from core.report.colours import recoloured
from core.report.table import rows_csv

BY_HAND = ("main.tex", "README.md")  # people go on writing in them: another text there is told, and held against nothing

MAKEFILE = """# `make` sets main.pdf; `make verify` recomputes every number from raw/; `make rebuild` makes the bundle anew from raw/
GROUNDWORK ?= python -m core
LATEX := pdflatex -no-shell-escape -interaction=nonstopmode -halt-on-error main.tex
SOURCES := $(filter-out main.pdf,$(wildcard *.tex *.bib tables/* figures/* text/*))

main.pdf: $(SOURCES)
	$(LATEX)
	if grep -q citation main.aux; then bibtex main; fi
	$(LATEX)
	$(LATEX)

# in Groundwork's folder and environment, or with GROUNDWORK="cd … && python -m core"
verify:
	$(GROUNDWORK) verify-paper "$(CURDIR)"

rebuild:
	$(GROUNDWORK) export "$(CURDIR)" --out "$(CURDIR)/rebuilt.zip"

.PHONY: verify rebuild
"""

TEX_HEAD = r"""\documentclass[a4paper,twocolumn]{article}
\usepackage[T1]{fontenc}
\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}  % as outlines: without it this encoding may be set in bitmaps, as Type 3
\usepackage[utf8]{inputenc}
\usepackage{textcomp,graphicx,booktabs,caption}
\usepackage[margin=18mm,columnsep=6mm]{geometry}  % columns of 84 mm, pages of 174
\sloppy
\input{numbers}
"""


def rendered(
    paper: Paper, showed: Mapping[str, Taken], drawn: Mapping[str, bytes], told: prose.Tellings
) -> Iterator[tuple[str, bytes]]:
    """(file, its bytes), one item after the other. showed: by item; drawn: figures/… -> picture, as far as they could be drawn; told:
    what is said of each item."""
    values = {item.name: showed[item.name].content for item in paper.items if item.kind == "number"}
    sections = {}
    for item in paper.items:
        own = showed[item.name]
        for name, text in of_item(paper, item, own).items():
            yield name, text.encode()
        if item.kind == "text":
            sections[item.name] = words.to_html(paper, item.text, values, item.place).encode()
        else:
            sections[item.name] = section(item, own.content, drawn.get(f"figures/{item.name}.svg"))
    macros = [line for each in told.values() for line in each.defined()]
    if abstract := abstract_tex(paper, told):
        yield "text/abstract.tex", abstract.encode()
    written = [item for item in paper.items if item.kind == "number"]
    yield "paper.yaml", as_yaml(paper).encode()
    yield "numbers.tex", (numbers.to_tex(written, values) + "".join(f"{line}\n" for line in macros)).encode()
    yield "numbers.json", numbers.to_json(written, values).encode()
    yield "main.tex", main_tex(paper, told).encode()
    yield "README.md", readme(paper, values).encode()
    yield "Makefile", MAKEFILE.encode()
    yield "report.html", report(paper, abstract_html(paper, told, values), sections)


def of_item(paper: Paper, item: Item, showed: Taken) -> dict[str, str]:
    """File -> text of what an item showed."""
    if item.kind == "text":
        return {of_text(item): words.to_latex(paper, item.text, item.place)}
    texts, content = {f"items/{item.name}.json": packed(showed)}, showed.content
    if item.kind == "table":
        texts[f"tables/{item.name}.tex"] = tables.latex(content, item.name, item.caption, item.digits, item.width_mm)
        texts[f"tables/{item.name}.md"] = tables.markdown(content, item.caption, item.digits)
        texts[f"tables/{item.name}.csv"] = tables.to_csv(content)
    if item.kind == "figure":
        texts[f"figures/{item.name}.json"] = json.dumps(final(paper, content), indent=1, sort_keys=True) + "\n"
        texts[f"figures/{item.name}.csv"] = rows_csv(content["data"])
    return texts


def of_text(item: Item) -> str:
    """The file of a text as LaTeX, apart from those of the methods."""
    return f"text/words-{item.name}.tex"


def final(paper: Paper, content: Mapping[str, Any]) -> dict[str, Any]:
    """A figure as it is drawn: each system in its colour of the paper."""
    return recoloured(content["figure"], paper.colours)


def picture(paper: Paper, item: PaperFigure, content: Mapping[str, Any], kind: str) -> bytes:
    """A figure as it is printed, as "pdf", "svg" or "png"."""
    look = {"dpi": paper.dpi, "serif": paper.serif, "panel": item.panel}
    return figures.export(final(paper, content), kind, item.width_mm, item.name, item.caption, **look)


def abstract_tex(paper: Paper, told: prose.Tellings) -> str:
    """The authors' abstract, or the one that is drafted; "" where there is none."""
    if paper.abstract:
        return words.to_latex(paper, paper.abstract)
    return "".join(f"{each.latex(sentence)}\n" for each, sentence in prose.abstract(paper, told))


def abstract_html(paper: Paper, told: prose.Tellings, values: Mapping[str, Any]) -> str:
    """The same for a page. values: of the numbers."""
    if paper.abstract:
        return words.to_html(paper, paper.abstract, values)
    drafted = " ".join(each.plain(sentence) for each, sentence in prose.abstract(paper, told))
    return f"<p>{drafted}</p>" * bool(drafted)


def main_tex(paper: Paper, told: prose.Tellings) -> str:
    """A paper with everything in it: items in their order, and a sentence for each that no text names."""
    lines = [TEX_HEAD, rf"\title{{{escape(paper.title or paper.id)}}}", rf"\author{{{escape(paper.authors)}}}", r"\date{}"]
    lines += [r"\begin{document}", r"\maketitle"]
    lines += [r"\begin{abstract}", r"\input{text/abstract}", r"\end{abstract}"] if abstract_tex(paper, told) else []
    lines += [*placed_tex(paper.placed("before")), r"\section{Methods}", r"\input{text/methods}"]
    if shown := paper.placed("results"):
        lines += [r"\section{Results}", " ".join(prose.sentences(prose.unmentioned(paper), told)), *placed_tex(shown)]
    lines += placed_tex(paper.placed("after"))
    for title, name in (("Limitations", "limitations"), ("Reproducibility", "checklist")):
        lines += [rf"\section{{{title}}}", rf"\input{{text/{name}}}"]
    return "\n".join([*lines, r"\bibliographystyle{plain}", r"\bibliography{references}", r"\end{document}", ""])


def placed_tex(items: Sequence[Item]) -> list[str]:
    """What stands in main.tex in the place of items; numbers stand in words alone."""
    lines = []
    for group in grouped(items):
        if group[0].kind == "text":
            lines.append(rf"\input{{{of_text(group[0]).removesuffix('.tex')}}}")
        else:
            lines += [rf"\input{{tables/{group[0].name}}}"] if group[0].kind == "table" else figure_tex(group)
    return lines


def grouped(items: Sequence[Item]) -> list[list[Item]]:
    """Tables and texts alone; figures with the panels that follow them."""
    groups: list[list[Item]] = []
    for item in items:
        last = groups[-1][-1] if groups else None
        if isinstance(item, PaperFigure) and isinstance(last, PaperFigure) and item.panel > last.panel > "":
            groups[-1].append(item)
        elif item.kind != "number":
            groups.append([item])
    return groups


def figure_tex(panels: list[PaperFigure]) -> list[str]:
    """One figure environment; where nothing could be drawn, a box in its place."""
    wide = sum(item.width_mm for item in panels) >= 100
    place, pictures, captions, behind = "figure*" if wide else "figure", [], [], list[str]()
    for item in panels:
        file = f"figures/{item.name}.pdf"
        absent = rf"\fbox{{\parbox{{{item.width_mm - 4:g}mm}}{{{escape(file)} was not drawn}}}}"
        pictures.append(rf"  \IfFileExists{{{file}}}{{\includegraphics[width={item.width_mm:g}mm]{{{file}}}}}{{{absent}}}")
        told, commands = printed(item.caption)
        captions.append(rf"\textbf{{{item.panel}}} {told}" if item.panel else told)
        behind += commands
    labels = "".join(rf"\label{{fig:{item.name}}}" for item in panels)
    return [
        rf"\begin{{{place}}}",
        r"  \centering",
        *pictures,
        *behind,
        rf"  \caption{{{' '.join(captions)}}}{labels}",
        rf"\end{{{place}}}",
    ]


def readme(paper: Paper, values: Mapping[str, Any]) -> str:
    """What the bundle is, and the command behind each item. values: of the numbers."""
    lines = [
        f"# {tables.markdown_text(paper.title or paper.id)}",
        "",
        "A paper's figures, tables and numbers with the raw results that they come from.",
        "",
        "- `make` typesets main.pdf from main.tex, which includes everything.",
        "- `make verify` (or `python -m core verify-paper` with this folder or its zip, in Groundwork's folder) puts the records of",
        "  `raw/` into a store of its own, recomputes every item and says which hold: exit code 0 where all do, 1 where one does not,",
        "  3 where something could not be checked. It runs nothing of this folder, and says whether Makefile and main.tex are",
        "  those that the records give: verify before you run `make` on somebody else's bundle.",
        "- `make rebuild` makes the bundle anew from `raw/`.",
        "- `raw/` holds the trials, their questions and what people called them, as Groundwork's journal keeps them. Copied into a",
        "  folder of a data folder's `journal/` they are trials of one's own. Rankings and gold spans are there, documents' texts not.",
        "- `labels/` holds what people said in studies that the paper names: numbers for units and people, no text and no name.",
        "- `trained/` says on what corpus encoders learnt that were trained by the authors, where recipes use such.",
        "- `items/` holds what each item showed, with its checksum; `manifest.json` the SHA-256 of every file.",
        "",
        "| Item | Kind | Shows | Command | Trials |",
        "| --- | --- | --- | --- | --- |",
    ]
    for item in paper.items:
        shows = numbers.written(item, values[item.name]) if item.kind == "number" else without_command(item.caption)
        command = tables.markdown_code(sources.shown(item.command))
        command += f" {tables.markdown_text(item.value)}" if item.kind == "number" else ""
        cells = (item.name, item.kind, tables.markdown_text(shows), command.replace("|", "\\|"), f"{len(item.trials)}")
        lines.append("| " + " | ".join(" ".join(cell.split()) for cell in cells) + " |")
    if drawn := [item for item in paper.items if item.kind == "figure"]:
        lines += ["", "Each figure is drawn again from its data by a command:", "", "```"]
        lines += [draw_command(paper, item) for item in drawn] + ["```"]
    return "\n".join(lines) + "\n"


def draw_command(paper: Paper, item: PaperFigure) -> str:
    more = f" --panel {item.panel}" * bool(item.panel) + " --serif" * paper.serif
    return f"python -m core draw figures/{item.name}.json figures/{item.name}.pdf --width {item.width_mm:g}{more}"


def section(item: Item, content: Any, picture: bytes | None) -> bytes:
    """An item in the report. picture: as SVG, which stands in it as data, where no script in it could run."""
    caption = html.escape(without_command(item.caption))
    command = f"<p class='command'><code>{html.escape(sources.shown(item.command))}</code></p>"
    if item.kind == "number":
        value = html.escape(numbers.written(item, content))
        return f"<p id='{item.name}'>{caption or item.name}: <strong>{value}</strong></p>\n{command}".encode()
    if item.kind == "table":
        return f"<h3 id='{item.name}'>{caption or item.name}</h3>\n{tables.html_table(content, item.digits)}\n{command}".encode()
    shown = b"<p>It was not drawn: there was no browser to draw it with.</p>"
    if picture:
        head = f"<img alt='' style='width:{item.width_mm * 1.5:g}mm' src='data:image/svg+xml;base64,"
        shown = b"".join((head.encode(), base64.b64encode(picture), b"'>"))
    words = f"<figcaption>{item.panel} {caption}</figcaption></figure>\n{command}"
    return b"".join((f"<figure id='{item.name}'>".encode(), shown, words.encode()))


def report(paper: Paper, abstract: str, sections: Mapping[str, bytes]) -> bytes:
    """All of it as one page of HTML that loads nothing. abstract: as HTML; sections: of each item."""
    style = (
        "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}table{border-collapse:collapse}"
        "th,td{padding:.2rem .6rem;text-align:right;border-bottom:1px solid #ddd}td:first-child,th:first-child{text-align:left}"
        "small,.command{color:#5f6368;font-size:.8em}code{overflow-wrap:anywhere}img{max-width:100%}"
    )
    head = (
        "<meta charset='utf-8'><meta http-equiv='Content-Security-Policy' "
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">"
    )
    title, authors = html.escape(paper.title or paper.id), html.escape(paper.authors)
    top = f"<!doctype html><html lang='en'><head>{head}<title>{title}</title><style>{style}</style></head><body>"
    abstract = f"<h2>Abstract</h2>\n{abstract}" if abstract else ""
    before, shown, after = ([sections[item.name] for item in paper.placed(place)] for place in ("before", "results", "after"))
    results = [b"<h2>Results</h2>"] if shown else []
    beginning = f"{top}<h1>{title}</h1>\n<p>{authors}</p>\n{abstract}".encode()
    return b"\n".join((beginning, *before, *results, *shown, *after, b"</body></html>\n"))
