"""Text between a paper's figures, in Markdown: as LaTeX and as HTML, with the paper's numbers, tables and figures called by name.

`{gain}` is the number of that name, or "Table 1" of a table. Raw HTML and pictures are words like others, and LaTeX's signs are escaped:
nothing that is typed can run. Markdown by CommonMark 0.31, parsed by markdown-it-py.
"""

import html
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from core.labs.papers import numbers
from core.labs.papers.paper import MENTION, Item, Paper
from core.report.caption import escape

HEADINGS = {"h1": "subsection", "h2": "subsubsection"}  # the others are paragraphs with a title
PAIRS = {"strong": r"\textbf{", "em": r"\emph{"}
BLOCKS = {"bullet_list": "itemize", "ordered_list": "enumerate", "blockquote": "quote"}


def to_latex(paper: Paper, text: str) -> str:
    """What main.tex includes in the item's place."""
    lines, heading = list[str](), ""
    for token in _parser().parse(text):
        kind, _, end = token.type.rpartition("_")
        if token.type == "inline":
            line = _inline(token.children or (), lambda name: _called(paper.item(name)))
            lines.append(f"\\{heading}{{{line}}}" if heading else line)
        elif kind == "heading":
            heading = HEADINGS.get(token.tag, "paragraph") if end == "open" else ""
        elif kind in BLOCKS:
            lines.append(rf"\{'begin' if end == 'open' else 'end'}{{{BLOCKS[kind]}}}")
        elif token.type == "list_item_open":
            lines.append(r"\item{}")  # a text that begins with [ is no label
        elif token.type in ("fence", "code_block"):
            rows = [rf"\texttt{{{escape(row)}}}" for row in token.content.rstrip("\n").split("\n")]
            lines += [r"\begin{quote}", " \\\\\n".join(rows), r"\end{quote}"]
        elif token.type == "paragraph_close":
            lines.append("")
    return "\n".join(lines).strip("\n") + "\n"


def to_html(paper: Paper, text: str, values: Mapping[str, Any]) -> str:
    """The same as HTML. values: of the numbers, by name."""
    parser, titles = _parser(), _titles(paper)

    def call(name: str) -> str:
        item = paper.item(name)
        if item.kind == "number":
            return f"<b>{html.escape(numbers.written(item, values[name]))}</b>"
        return f'<a href="#{name}">{titles[name]}</a>'

    parser.add_render_rule("text", lambda _, tokens, at, *rest: _with_names(tokens[at].content, html.escape, call))
    return parser.render(text)


def _parser() -> Any:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).disable("image")


def _inline(tokens: Sequence[Any], call: Callable[[str], str]) -> str:
    made, targets = [], []
    for token in tokens:
        kind, _, end = token.type.rpartition("_")
        if token.type == "text":
            made.append(_with_names(token.content, _spaced, call))
        elif token.type == "code_inline":
            made.append(rf"\texttt{{{escape(token.content)}}}")
        elif token.type in ("softbreak", "hardbreak"):
            made.append("\n" if token.type == "softbreak" else "\\\\\n")
        elif kind in PAIRS:
            made.append(PAIRS[kind] if end == "open" else "}")
        elif token.type == "link_open":
            targets.append(str(token.attrs.get("href", "")))
        elif token.type == "link_close":
            made.append(rf" (\texttt{{{escape(targets.pop())}}})")
    return "".join(made)


def _with_names(text: str, plain: Callable[[str], str], call: Callable[[str], str]) -> str:
    pieces = re.split(MENTION, text)  # words and names in turn
    return "".join(call(piece) if place % 2 else plain(piece) for place, piece in enumerate(pieces))


def _spaced(text: str) -> str:
    """Escaped, with the spaces that part it from the pieces beside it."""
    before, after = (" " * (text != stripped) for stripped in (text.lstrip(), text.rstrip()))
    return f"{before}{escape(text)}{after}" if text.strip() else " " * bool(text)


def _called(item: Item) -> str:
    if item.kind == "number":
        return f"{numbers.macro(item.name)}{{}}"
    return rf"Table~\ref{{tab:{item.name}}}" if item.kind == "table" else rf"Figure~\ref{{fig:{item.name}}}"


def _titles(paper: Paper) -> dict[str, str]:
    """Tables and figures as the report counts them."""
    titles = {}
    for kind in ("table", "figure"):
        named = [item.name for item in paper.items if item.kind == kind]
        titles |= {name: f"{kind.capitalize()} {place}" for place, name in enumerate(named, 1)}
    return titles
