"""A table as LaTeX with booktabs, as Markdown, HTML and CSV: one of a page (`core.report.table`), or one of results, whose columns
say unit and direction, and whose cells say their interval, whether they are the best, and p.

One of results is a mapping: `columns` (name, label, unit, direction), `rows` (name, cells by column: mean, low, high, p, best),
`reference`, `tests`, `questions`, `confidence`. Names come from people and corpora, and are escaped.
"""

import html
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from core.report.caption import escape
from core.report.table import MINUS, P_VALUE, Column, csv_text, in_words, minus, read, rows_csv
from core.statistics.paired import AT_ODDS, at_odds

LEVELS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))
UNMEASURED = "unmeasured"
MOST_LINES = 50  # of a page of A4, below a caption
DIFFERENCE = "difference"  # the column of differences to the best: of a metric, and blank where there is none


class Form(NamedTuple):
    """A way of writing a table."""

    text: Callable[[str], str]  # a text, escaped
    cell: Callable[[Mapping[str, Any], Mapping[str, Any], int], str]  # what was measured, of a column, in so many digits
    arrows: dict[int, str]  # the direction of the better


def latex(table: Mapping[str, Any], name: str, caption: str, digits: int, width_mm: float) -> str:
    """A table environment; it needs booktabs, and shrinks to its width where it is wider. One that is longer than a page goes on in
    others under the same number."""
    place = "table" if width_mm < 100 else "table*"
    aligned, heads, rows = _drawn(table, digits, LATEX)
    titles, lines = rf"  \caption{{{escape(caption)}}}\label{{tab:{name}}}", []
    for start in range(0, max(1, len(rows)), MOST_LINES):
        lines += [
            rf"\begin{{{place}}}",
            r"  \centering\small",
            titles,
            r"  \setbox0\hbox{%",
            rf"  \begin{{tabular}}{{{aligned}}}",
            r"    \toprule",
            "    " + " & ".join([f"{{{heads[0]}}}", *heads[1:]]) + r" \\",
            r"    \midrule",
            *("    " + " & ".join([f"{{{first}}}", *cells]) + r" \\" for first, *cells in rows[start : start + MOST_LINES]),
            r"    \bottomrule",
            r"  \end{tabular}}%",
            rf"  \ifdim\wd0>{width_mm:g}mm \resizebox{{{width_mm:g}mm}}{{!}}{{\box0}}\else\leavevmode\box0\fi",  # a paragraph is centred
        ]
        if start + MOST_LINES < len(rows):
            lines += [rf"\end{{{place}}}", r"\clearpage"]
            titles = r"  \addtocounter{table}{-1}\caption{Continued.}"
    if said := note(table):
        lines.append(rf"  \par\smallskip\parbox{{{width_mm:g}mm}}{{\footnotesize {escape(said)}}}")
    return "\n".join([*lines, rf"\end{{{place}}}"]) + "\n"


def markdown(table: Mapping[str, Any], caption: str, digits: int) -> str:
    aligned, heads, rows = _drawn(table, digits, MARKDOWN)
    lines = [*([markdown_text(caption), ""] if caption else []), f"| {' | '.join(heads)} |"]
    lines.append("|" + "|".join(" --- " if letter == "l" else " ---: " for letter in aligned) + "|")
    lines += [f"| {' | '.join(row)} |" for row in rows]
    said = note(table)
    return "\n".join([*lines, *(["", markdown_text(said)] if said else [])]) + "\n"


def to_csv(table: Mapping[str, Any]) -> str:
    """Every value whole; of results a line a cell: what is read on is not what is looked at."""
    if of_page(table):
        return rows_csv(table["data"])
    fields = ("mean", "low", "high", "n", "difference", "difference_low", "difference_high", "p", "best")
    lines: list[tuple] = [("trial", "recipe", "measure", "unit", *fields)]
    for row in table["rows"]:
        for column in table["columns"]:
            cell = row["cells"][column["name"]]
            values = ["" if cell.get(field) is None else cell[field] for field in fields]
            lines.append((row["trial"], row["name"], column["name"], column["unit"], *values))
    return csv_text(lines)


def html_table(table: Mapping[str, Any], digits: int) -> str:
    _, heads, rows = _drawn(table, digits, HTML)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    said = note(table)
    told = f"<p><small>{html.escape(said)}</small></p>" if said else ""
    return f"<table><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>{body}</table>{told}"


def note(table: Mapping[str, Any]) -> str:
    """What the marks mean, and by which tests they were set; of a table of a page, whose caption says that, how much of it this is."""
    if of_page(table):
        (columns, rows), whole = read(table), len(table["data"])
        said = [f"The first {len(rows):,} of {whole:,} rows."] if len(rows) < whole else []
        return " ".join([*said, *(f"{twin.title}: as {first.title}." for twin, first in _twins(columns, rows).items())])
    counts = [cell["n"] for row in table["rows"] for cell in row["cells"].values() if cell.get("n")]  # an empty cell says so
    fewest, asked = min(counts, default=0), f"{table['questions']:,} questions"
    if fewest < table["questions"]:
        alike = counts and fewest == max(counts)
        asked = f"{fewest:,} of {asked} measured" if alike else f"{asked}, at least {fewest:,} of them measured"
    test, shown = table.get("test", "paired permutation test"), len(table["rows"])
    cells = (cell for row in table["rows"] for name, cell in row["cells"].items() if name != DIFFERENCE)
    spread = "; of a cost its spread" if any("p" not in cell and cell.get("low") is not None for cell in cells) else ""
    said = [f"{asked}. Means with intervals of {100 * table['confidence']:g}%{spread}"]
    if table.get("seeds", 1) > 1:
        said.append(f"Means over up to {table['seeds']} seeds of a recipe")
    if table.get("recipes", shown) > shown:
        said.append(f"The first {shown:,} of {table['recipes']:,} recipes")
    if any(cell.get("best") for row in table["rows"] for cell in row["cells"].values()):
        said.append(
            f"Bold: the best of a column and those not significantly different from it ({test}, Holm over the column, 5%)"
        )
    if table["tests"]:
        tests = f"{table['tests']} test{'s' * (table['tests'] > 1)}"
        said.append(f"* p < 0.05, ** p < 0.01, *** p < 0.001 against {table['reference']}: {test}, Holm over {tests}")
    level = table["confidence"]
    gaps = (
        [cell.get(name) for name in ("difference_low", "difference_high", "p")]
        for row in table["rows"]
        for cell in row["cells"].values()
    )
    if any(at_odds(*gap, level) for gap in gaps):
        said.append(AT_ODDS)
    return ". ".join(said) + "."


def number(value: float | None, digits: int) -> str:
    return UNMEASURED if value is None else minus(f"{value:,.{digits}f}")


def of_page(table: Mapping[str, Any]) -> bool:
    """Whether it is the content of a `Table`, and not a table of results."""
    return "data" in table


def _drawn(table: Mapping[str, Any], digits: int, form: Form) -> tuple[str, list[str], list[list[str]]]:
    """(a letter a column as LaTeX aligns them, the heads, the rows)."""
    if not of_page(table):
        columns, rows = table["columns"], table["rows"]
        cells = [[form.cell(row["cells"][column["name"]], column, digits) for column in columns] for row in rows]
        body = [[form.text(row["name"]), *own] for row, own in zip(rows, cells, strict=True)]
        return "l" + "r" * len(columns), ["Recipe", *(_head(column, form) for column in columns)], body
    own, rows = read(table)
    twins = _twins(own, rows)
    own = [column for column in own if column not in twins]
    numbers = [any(isinstance(row.get(column.key), int | float) for row in rows) for column in own]
    heads = [_head({"label": column.title, "unit": column.unit, "direction": column.direction}, form) for column in own]
    body = [[form.text(in_words(row.get(column.key), column.format)) for column in own] for row in rows]
    return "".join("r" if number else "l" for number in numbers), heads, body


def _twins(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> dict[Column, Column]:
    """The columns of p that say in every row what another said before them -> that one: they are not printed."""
    firsts: dict[tuple[str, ...], Column] = {}
    twins = {}
    for column in columns:
        said = tuple(in_words(row.get(column.key), column.format) for row in rows)
        if column.format == P_VALUE and firsts.setdefault(said, column) is not column:
            twins[column] = firsts[said]
    return twins


def _head(column: Mapping[str, Any], form: Form) -> str:
    """Label, unit and the direction of the better."""
    unit, arrow = f" ({column['unit']})" if column["unit"] else "", form.arrows.get(column["direction"], "")
    return f"{form.text(column['label'] + unit)} {arrow}".rstrip()


def _parts(cell: Mapping[str, Any], column: Mapping[str, Any], digits: int) -> tuple[str, str, str]:
    """Value, mark and interval."""
    gap = column["name"] == DIFFERENCE
    if gap and cell.get("mean") is None:
        return "", "", ""
    digits = digits if "p" in cell or gap else cost_digits(cell.get("mean"))
    value, p = number(cell.get("mean"), digits), cell.get("p")
    mark = next((mark for level, mark in LEVELS if p is not None and p < level), "")
    low, high = cell.get("low"), cell.get("high")
    interval = "" if low is None or high is None else f"[{number(low, digits)}, {number(high, digits)}]"
    return value, mark, interval


def cost_digits(cost: float | None) -> int:
    """One, of tokens, chunks and milliseconds; below 1, as of parts of a second, so many that two say something."""
    return 1 - math.floor(math.log10(cost)) if cost and 0 < cost < 1 else 1


def _latex_cell(cell: Mapping[str, Any], column: Mapping[str, Any], digits: int) -> str:
    value, mark, interval = (text.replace(MINUS, "$-$") for text in _parts(cell, column, digits))
    value = rf"\textbf{{{value}}}" if cell.get("best") else value
    value += rf"\rlap{{$^{{{mark}}}$}}\phantom{{$^{{***}}$}}" if "p" in cell else ""
    return value + (rf" {{\scriptsize {interval}}}" if interval else "")


def _html_cell(cell: Mapping[str, Any], column: Mapping[str, Any], digits: int) -> str:
    value, mark, interval = _parts(cell, column, digits)
    return f"{f'<strong>{value}</strong>' if cell.get('best') else value}{mark} <small>{interval}</small>"


def _markdown_cell(cell: Mapping[str, Any], column: Mapping[str, Any], digits: int) -> str:
    value, mark, interval = _parts(cell, column, digits)
    value = f"**{value}**" if cell.get("best") else value
    return value + mark.replace("*", r"\*") + (f" <small>{interval}</small>" if interval else "")


def markdown_text(text: str) -> str:
    """As Markdown prints it: no sign of it is read as markup."""
    escaped = "".join(f"\\{sign}" if sign in r"\`*_{}[]<>#!|~$" else sign for sign in text)
    line = " ".join(re.sub(r"&(?=\w+;)", r"\&", escaped).split())
    return re.sub(r"^(\d*)((?<=\d)[.)]|(?<!\d)[-+=])(?=[ =-]|$)", r"\1\\\2", line)  # no list, and no rule


def markdown_code(text: str) -> str:
    """As Markdown prints code, whatever backticks are in it."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}" if len(fence) > 1 else f"`{text}`"


PLAIN = {1: "↑", -1: "↓"}
LATEX = Form(escape, _latex_cell, {1: r"$\uparrow$", -1: r"$\downarrow$"})
MARKDOWN, HTML = Form(markdown_text, _markdown_cell, PLAIN), Form(html.escape, _html_cell, PLAIN)
