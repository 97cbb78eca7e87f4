"""A table as data: what its columns are called and how their numbers are written, its rows, and what gave it. Screens, LaTeX,
Markdown, HTML and CSV draw it; none names a column again.
"""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

from core.errors import WorkbenchError

MEAN, SIGNED, WHOLE, ONE, TWO = "%.3f", "%+.3f", "%.0f", "%.1f", "%.2f"
SMALL, LEAST = "%.3g", 0.0005  # of what three decimals would make a zero
COUNT, PERCENT = "localized", "percent"
DAY, DAY_TIME = "D MMM", "D MMM, HH:mm"
P_VALUE = "p"  # the format of a p value: none is shown as 0
# a wider one might write a terabyte of zeros, and digits behind it another number
FORMAT = re.compile(r"|p|localized|percent|%\+?(\.\d)?[dfg](%%)?( ?[^\W\d_]{1,8})?")
FINE_MS = 100.0  # below it tenths of a millisecond are worth a digit
MOST_COLUMNS, MOST_CELLS = 100, 200_000  # of a table in a paper
MINUS = "\N{MINUS SIGN}"


class Column(NamedTuple):
    """What is written of a field of the rows."""

    key: str  # in the rows
    label: str = ""  # as a person reads it; "": the key with a capital
    format: str = ""  # of its numbers: as `MEAN` or P_VALUE; of times: as DAY_TIME; "": as they are
    help: str = ""
    unit: str = ""
    direction: int = 0  # 1: more is better, -1: less is
    width: int | None = None  # px on a screen; None: as wide as what stands in it

    @property
    def title(self) -> str:
        return self.label or self.key[:1].upper() + self.key[1:]


class Table(NamedTuple):
    """rows: of mappings; fields that no column names stand in the CSV alone."""

    name: str  # of its files, and of the item of a paper
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    title: str = ""  # the caption in a paper begins with it
    note: str = ""  # how it was computed, for the same caption
    command: str = ""  # that prints its numbers; "": none does

    def content(self, first: int | None = None) -> dict[str, Any]:
        """As a paper keeps it: all rows, of which it prints the first."""
        return {
            "columns": [column._asdict() for column in self.columns],
            "data": [dict(row) for row in self.rows],
            "first": first,
        }

    @property
    def caption(self) -> str:
        return ". ".join(filter(None, (self.title.rstrip("."), self.note.rstrip(".")))) + "." * bool(self.title or self.note)


def read(content: Mapping[str, Any]) -> tuple[list[Column], list[Mapping[str, Any]]]:
    """The columns and the rows that are printed, of what a paper keeps; anybody may have written it."""
    try:
        columns = [Column(**{name: column[name] for name in Column._fields if name in column}) for column in content["columns"]]
        rows, first = content["data"], content["first"]
        texts = [text for column in columns for text in (column.key, column.label, column.format, column.unit)]
        fits = all(isinstance(text, str) for text in texts) and len({column.key for column in columns}) == len(columns)
        fits &= 0 < len(columns) <= MOST_COLUMNS and all(FORMAT.fullmatch(column.format) for column in columns)
        fits &= isinstance(rows, list) and all(isinstance(row, Mapping) for row in rows)
        shown = rows[: first if first is None else max(0, first)]
    except (TypeError, KeyError, ValueError, AttributeError):
        fits, columns, shown = False, [], []
    if not fits or len(columns) * len(shown) > MOST_CELLS:
        raise WorkbenchError(
            "The table has columns or rows that cannot be printed.",
            where=f"{len(columns):,} columns, {len(shown):,} rows",
            todo=f"A table has up to {MOST_COLUMNS} columns, each of a name and format, and {MOST_CELLS:,} cells.",
        )
    return columns, shown


def corrected_p(key: str = "p (Holm)") -> Column:
    return Column(key, "p (Holm)", P_VALUE)


def written(value: float, pattern: str) -> str:
    """A number in a column's format, with a real minus: as wide as the plus."""
    if pattern == P_VALUE:
        return "< 0.001" if 0 <= value < 0.001 else f"{value:.3f}"
    if pattern == PERCENT:
        return written(100 * value, "%.1f%%")
    if pattern == COUNT:  # a mean of counts in tenths
        return minus(f"{round(value, 1):,}".removesuffix(".0"))
    return minus(pattern % value if "%" in pattern else str(value))


def minus(text: str) -> str:
    """A number as it is printed: with a real minus, as wide as the plus, and what rounds to zero has no sign."""
    if "0" in text and not re.search("[1-9]", text):
        text = text.lstrip("+-")
    return text.replace("-", MINUS)


def between(low: float | None, high: float | None, pattern: str = SIGNED) -> str:
    """An interval in one cell; "" where there is none."""
    return "" if low is None or high is None else f"{written(low, pattern)} to {written(high, pattern)}"


def between_ms(low: float | None, high: float | None) -> str:
    """Of milliseconds, one end of which may be open; whole from FINE_MS on, below it tenths are worth a digit."""
    if max(low or 0.0, high or 0.0) >= FINE_MS:
        low, high, pattern = low and round(low), high and round(high), COUNT
    else:
        pattern = ONE
    return f"above {written(low, pattern)}" if low is not None and high is None else between(low, high, pattern)


def with_values(columns: Iterable[Column], rows: Sequence[Mapping[str, Any]]) -> tuple[Column, ...]:
    """The columns that say something in some row."""
    return tuple(column for column in columns if any(row.get(column.key) not in (None, "") for row in rows))


def in_words(value: Any, pattern: str) -> str:
    """What a cell says on paper."""
    if isinstance(value, list | tuple):
        return ", ".join(in_words(each, pattern) for each in value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return {None: "", True: "yes", False: "no"}[value] if isinstance(value, bool | None) else str(value)
    usual = COUNT if isinstance(value, int) else SMALL if 0 < abs(value) < LEAST else MEAN
    return "" if value != value else written(value, pattern or usual)


def rows_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of any fields, whole. What a spreadsheet would compute is quoted."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return csv_text([names, *([row.get(name) for name in names] for row in rows)])


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """Lines of cells, as every table here is written. The writer of Python 3.11 quotes a carriage return only where the lines end with
    one."""
    lines: list[str] = []
    writer = csv.writer(SimpleNamespace(write=lambda line: lines.append(line.removesuffix("\r\n") + "\n")))
    writer.writerows(map(no_formula, row) for row in rows)
    return "".join(lines)


def no_formula(value: Any) -> Any:
    """A spreadsheet computes a text that begins so."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else value
