"""Rows of CSV and JSONL files, whatever their delimiter and the writing of their column names."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from core.corpus.reading import MAX_LINE, Source, SourceRow
from core.errors import WorkbenchError

SAID = re.compile(r'\s*"?sep=([^\w\s"]|\t)"?[ ]*(?:\r\n?|\n)', re.I)  # the line with which Excel is told the delimiter


def rows(source: Source, name: str) -> Iterator[SourceRow]:
    """Records with lower-case column names."""
    if name.lower().endswith((".csv", ".tsv")):
        yield from _csv_rows(source, name)
    else:
        for row in source.json_lines(name):
            yield row._replace(fields={str(key).strip().lower(): value for key, value in row.fields.items()})


def _csv_rows(source: Source, name: str) -> Iterator[SourceRow]:
    text, file = source.text(name), PurePosixPath(name).name
    said = SAID.match(text)
    table = text[said.end() if said else 0 :].lstrip("\r\n")
    before = len(text[: len(text) - len(table)].splitlines())  # lines ahead of the header
    header = re.sub('"[^"]*"', "", table.lstrip().partition("\n")[0])
    delimiter = said[1] if said else max(",;\t", key=header.count)  # the first of the three wins a tie
    csv.field_size_limit(MAX_LINE)
    over: list[bool] = []

    def lines() -> Iterator[str]:
        yield from io.StringIO(table, newline="")
        over.append(True)

    reader = csv.DictReader(lines(), delimiter=delimiter)
    try:
        reader.fieldnames = [str(column).strip().lower() for column in reader.fieldnames or ()]
        for column, often in Counter(reader.fieldnames).items():
            if column and often > 1:
                source.notes.add("Several columns have one name, only the last is read", f"{file}: {column}")
        last = reader.line_num
        for row in reader:
            if over:  # it went on looking for the end of this row
                raise csv.Error("a quote is opened that nothing closes, so all rows from here on would be one")
            where, last = f"{file}:{before + reader.line_num}", reader.line_num
            if None in row or None in row.values():
                source.notes.add("Row has another number of columns than the header", where)
            fields = {key: value for key, value in row.items() if key and value is not None}
            yield SourceRow(where, fields, reader.line_num, 0)
    except csv.Error as error:
        raise WorkbenchError(
            f"The table cannot be read: {error}.",
            where=f"{source.place(name)}:{before + (last + 1 if over else reader.line_num)}",
            todo="Check the quotes around this line.",
        ) from None
