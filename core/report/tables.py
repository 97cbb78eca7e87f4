"""A table of results as LaTeX with booktabs, as Markdown and as CSV: columns that say unit and direction, cells that say their
interval, whether they are the best, and p.

A table is a mapping: `columns` (name, label, unit, direction), `rows` (name, cells by column: mean, low, high, p, best),
`reference`, `tests`, `questions`, `confidence`. Names come from people and corpora, and are escaped.
"""

import csv
import html
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from core.report.caption import escape

ARROWS = {1: ("↑", r"$\uparrow$"), -1: ("↓", r"$\downarrow$")}
LEVELS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))
UNMEASURED = "unmeasured"
DIFFERENCE = "difference"  # the column of differences to the best: of a metric, and blank where there is none


def latex(table: Mapping[str, Any], name: str, caption: str, digits: int, width_mm: float) -> str:
    """A table environment; it needs booktabs, and shrinks to its width where it is wider."""
    place, columns = "table" if width_mm < 100 else "table*", table["columns"]
    lines = [
        rf"\begin{{{place}}}",
        r"  \centering\small",
        rf"  \caption{{{escape(caption)}}}\label{{tab:{name}}}",
        r"  \setbox0\hbox{%",
        rf"  \begin{{tabular}}{{l{'r' * len(columns)}}}",
        r"    \toprule",
        "    " + " & ".join(["Recipe", *(_head(column, 1) for column in columns)]) + r" \\",
        r"    \midrule",
    ]
    for row in table["rows"]:
        cells = [_latex_cell(row["cells"][column["name"]], column, digits) for column in columns]
        lines.append("    " + " & ".join([f"{{{escape(row['name'])}}}", *cells]) + r" \\")
    lines += [
        r"    \bottomrule",
        r"  \end{tabular}}%",
        rf"  \ifdim\wd0>{width_mm:g}mm \resizebox{{{width_mm:g}mm}}{{!}}{{\box0}}\else\box0\fi",
        rf"  \par\smallskip\parbox{{{width_mm:g}mm}}{{\footnotesize {escape(note(table))}}}",
        rf"\end{{{place}}}",
    ]
    return "\n".join(lines) + "\n"


def markdown(table: Mapping[str, Any], caption: str, digits: int) -> str:
    columns = table["columns"]
    lines = [
        *([markdown_text(caption), ""] if caption else []),
        "| Recipe | " + " | ".join(markdown_text(_head(column, 0)) for column in columns) + " |",
        "| --- |" + " ---: |" * len(columns),
    ]
    for row in table["rows"]:
        cells = [_markdown_cell(row["cells"][column["name"]], column, digits) for column in columns]
        lines.append(f"| {markdown_text(row['name'])} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", markdown_text(note(table))]) + "\n"


def to_csv(table: Mapping[str, Any]) -> str:
    """Every value whole, a line a cell: what is read on is not what is looked at."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    fields = ("mean", "low", "high", "n", "difference", "difference_low", "difference_high", "p", "best")
    writer.writerow(("trial", "recipe", "measure", "unit", *fields))
    for row in table["rows"]:
        for column in table["columns"]:
            cell = row["cells"][column["name"]]
            values = ["" if cell.get(field) is None else cell[field] for field in fields]
            writer.writerow((row["trial"], _no_formula(row["name"]), column["name"], column["unit"], *values))
    return made.getvalue()


def html_table(table: Mapping[str, Any], digits: int) -> str:
    columns, rows = table["columns"], []
    for row in table["rows"]:
        cells = []
        for column in columns:
            value, mark, interval = _parts(row["cells"][column["name"]], column, digits)
            shown = f"<strong>{value}</strong>" if row["cells"][column["name"]].get("best") else value
            cells.append(f"<td>{shown}{mark} <small>{interval}</small></td>")
        rows.append(f"<tr><td>{html.escape(row['name'])}</td>{''.join(cells)}</tr>")
    heads = "".join(f"<th>{html.escape(_head(column, 0))}</th>" for column in columns)
    told = f"<p><small>{html.escape(note(table))}</small></p>"
    return f"<table><tr><th>Recipe</th>{heads}</tr>{''.join(rows)}</table>{told}"


def rows_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of any fields."""
    made, names = io.StringIO(), list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow([_no_formula(name) for name in names])
    for row in rows:
        values = [row.get(name) for name in names]
        writer.writerow(["" if v is None else _no_formula(v) if isinstance(v, str) else v for v in values])
    return made.getvalue()


def note(table: Mapping[str, Any]) -> str:
    """What the marks mean, and by which tests they were set."""
    counts = [cell["n"] for row in table["rows"] for cell in row["cells"].values() if cell.get("n") is not None]
    fewest = min(counts, default=0)
    measured = "" if fewest == table["questions"] else f", at least {fewest:,} of them measured"
    test, shown = table.get("test", "paired permutation test"), len(table["rows"])
    spread = "" if "test" in table else "; of a cost its spread"
    said = [f"{table['questions']:,} questions{measured}. Means with intervals of {table['confidence']:.0%}{spread}"]
    if table.get("seeds", 1) > 1:
        said.append(f"Means over up to {table['seeds']} seeds of a recipe")
    if table.get("recipes", shown) > shown:
        said.append(f"The first {shown:,} of {table['recipes']:,} recipes")
    if any(cell.get("best") for row in table["rows"] for cell in row["cells"].values()):
        said.append(f"Bold: the best of a column and what is not told from it ({test}, Holm over the column, 5%)")
    if table["tests"]:
        tests = f"{table['tests']} test{'s' * (table['tests'] > 1)}"
        said.append(f"* p < 0.05, ** p < 0.01, *** p < 0.001 against {table['reference']}: {test}, Holm over {tests}")
    return ". ".join(said) + "."


def number(value: float | None, digits: int) -> str:
    return UNMEASURED if value is None else f"{value:,.{digits}f}"


def _head(column: Mapping[str, Any], form: int) -> str:
    """Label, unit and the direction of the better. form 1: for LaTeX."""
    unit = f" ({column['unit']})" if column["unit"] else ""
    words = column["label"] + unit
    return f"{escape(words) if form else words} {ARROWS[1 if column['direction'] > 0 else -1][form]}"


def _parts(cell: Mapping[str, Any], column: Mapping[str, Any], digits: int) -> tuple[str, str, str]:
    """Value, mark and interval."""
    gap = column["name"] == DIFFERENCE
    if gap and cell.get("mean") is None:
        return "", "", ""
    digits = digits if "p" in cell or gap else 1  # costs are tokens, chunks, milliseconds
    value, p = number(cell.get("mean"), digits), cell.get("p")
    mark = next((mark for level, mark in LEVELS if p is not None and p < level), "")
    low, high = cell.get("low"), cell.get("high")
    return value, mark, "" if low is None or high is None else f"[{low:,.{digits}f}, {high:,.{digits}f}]"


def _latex_cell(cell: Mapping[str, Any], column: Mapping[str, Any], digits: int) -> str:
    value, mark, interval = (text.replace("-", "$-$") for text in _parts(cell, column, digits))
    value = rf"\textbf{{{value}}}" if cell.get("best") else value
    value += rf"\rlap{{$^{{{mark}}}$}}\phantom{{$^{{***}}$}}" if "p" in cell else ""
    return value + (rf" {{\scriptsize {interval}}}" if interval else "")


def _markdown_cell(cell: Mapping[str, Any], column: Mapping[str, Any], digits: int) -> str:
    value, mark, interval = _parts(cell, column, digits)
    value = f"**{value}**" if cell.get("best") else value
    return value + mark.replace("*", r"\*") + (f" <small>{interval}</small>" if interval else "")


def markdown_text(text: str) -> str:
    """As Markdown prints it: no sign of it is read as markup."""
    escaped = "".join(f"\\{sign}" if sign in r"\`*_{}[]<>#!|~$" else sign for sign in text)
    return " ".join(escaped.split())


def markdown_code(text: str) -> str:
    """As Markdown prints code, whatever backticks are in it."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence} {text} {fence}" if len(fence) > 1 else f"`{text}`"


def _no_formula(text: str) -> str:
    """A spreadsheet computes what begins so."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
