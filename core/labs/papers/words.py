"""The words of a paper's authors, in Markdown: as LaTeX and as HTML, with the paper's numbers, tables and figures called by name.

`{gain}` is the number of that name, or "Table 1" of a table. Raw HTML and pictures are words like others, and LaTeX's signs are escaped:
nothing that is typed can run. Markdown by CommonMark 0.31, parsed by markdown-it-py.
"""

import html
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from core.labs.papers import numbers
from core.labs.papers.paper import MENTION, Item, Paper, Place
from core.report.caption import escape

HEADINGS = ("section", "subsection", "subsubsection", "paragraph")
PAIRS = {"strong": r"\textbf{", "em": r"\emph{"}
BLOCKS = {"bullet_list": "itemize", "ordered_list": "enumerate", "blockquote": "quote"}
MOST_ALIKE, MOST_BLOCKS = 4, 5  # in one another: LaTeX takes no more lists of a kind, and of all one more, for code
ROMAN = ("i", "ii", "iii", "iv")  # of a list of numbers its counter, by its depth


def to_latex(paper: Paper, text: str, place: Place = "results") -> str:
    """What main.tex includes. The largest heading is a section; in the results, which are one, a subsection."""
    lines, heading, under, blocks = list[str](), "", place == "results", list[str]()
    for token in _parser().parse(text):
        kind, _, end = token.type.rpartition("_")
        if token.type == "inline":
            line = _inline(token.children or (), {item.name: called(item) for item in paper.items if item.kind != "text"})
            lines.append(f"\\{heading}{{{line}}}" if heading else line)
        elif kind == "heading":
            level = HEADINGS[min(int(token.tag[1]) - 1 + under, 3)]
            heading = ("textbf" if any(blocks) else level) if end == "open" else ""  # a list has no sections
            lines += [""] * (end == "close" and any(blocks))
        elif kind in BLOCKS and end == "open":
            deep = blocks.count(BLOCKS[kind]) == MOST_ALIKE or sum(map(bool, blocks)) == MOST_BLOCKS
            blocks.append("" if deep else BLOCKS[kind])  # what stands deeper is one with the block around it
            lines += [] if deep else [rf"\begin{{{blocks[-1]}}}"]
            if blocks[-1] == "enumerate" and (start := token.attrs.get("start", 1)) != 1:
                lines.append(rf"\setcounter{{enum{ROMAN[blocks.count('enumerate') - 1]}}}{{{int(start) - 1}}}")
        elif kind in BLOCKS:
            lines += [rf"\end{{{name}}}" for name in [blocks.pop()] if name]
        elif token.type == "list_item_open":
            lines.append(r"\item{}")  # a text that begins with [ is no label
        elif token.type in ("fence", "code_block"):
            rows = [rf"\texttt{{{escape(row)}}}" for row in token.content.rstrip("\n").split("\n")]
            lines += [r"\begin{quote}", " \\\\\n".join(rows), r"\end{quote}"]
        elif token.type == "paragraph_close":
            lines.append("")
    return "\n".join(lines).strip("\n") + "\n"


def to_html(paper: Paper, text: str, values: Mapping[str, Any], place: Place = "results") -> str:
    """The same as HTML, below the title of a page. values: of the numbers that it names, by name."""
    parser, under = _parser(), 2 if place == "results" else 1
    tokens = parser.parse(text)
    for token in tokens:
        if token.type.startswith("heading"):
            token.tag = f"h{min(int(token.tag[1]) + under, 6)}"
    calls = {name: f'<a href="#{name}">{title}</a>' for name, title in _titles(paper).items()}
    calls |= {
        item.name: f"<b>{html.escape(numbers.written(item, values[item.name]))}</b>"
        for item in paper.items
        if item.name in values
    }
    parser.add_render_rule("text", lambda _, tokens, at, *rest: _with_names(tokens[at].content, html.escape, calls))
    return parser.renderer.render(tokens, parser.options, {})


def _parser() -> Any:
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).disable("image")


def _inline(tokens: Sequence[Any], calls: Mapping[str, str]) -> str:
    made, targets = [], []
    for token in tokens:
        kind, _, end = token.type.rpartition("_")
        if token.type == "text":
            made.append(_with_names(token.content, _spaced, calls))
        elif token.type == "code_inline":
            made.append(rf"\texttt{{{escape(token.content)}}}")
        elif token.type in ("softbreak", "hardbreak"):
            made.append("\n" if token.type == "softbreak" else "\\leavevmode" * (not "".join(made).strip()) + "\\\\\n")
        elif kind in PAIRS:
            made.append(PAIRS[kind] if end == "open" else "}")
        elif token.type == "link_open":
            targets.append(str(token.attrs.get("href", "")))
        elif token.type == "link_close":
            made.append(rf" (\texttt{{{escape(targets.pop())}}})")
    return re.sub(r"(\\\\)\n(?=\s*[\[*])", r"\1{}\n", "".join(made))  # a line that begins so is no option of the break before it


def _with_names(text: str, plain: Callable[[str], str], calls: Mapping[str, str]) -> str:
    """calls: what stands for each item that can be called."""
    pieces = re.split(MENTION, text)  # words and names in turn
    return "".join(calls.get(piece, plain(f"{{{piece}}}")) if place % 2 else plain(piece) for place, piece in enumerate(pieces))


def _spaced(text: str) -> str:
    """Escaped, with the spaces that part it from the pieces beside it."""
    before, after = (" " * (text != stripped) for stripped in (text.lstrip(), text.rstrip()))
    return f"{before}{escape(text)}{after}" if text.strip() else " " * bool(text)


def called(item: Item) -> str:
    """What LaTeX reads in an item's place: the macro of a number, "Table 1" of a table."""
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
