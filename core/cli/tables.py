"""What a person sees: tables drawn by rich, and values as YAML. A table in a pipe is as wide as its widest cells."""

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from core.cli.terminal import inert
from core.errors import WorkbenchError
from core.report.table import Column, Table, in_words

IN_A_PIPE = 1_000_000  # columns: nothing is cut or wrapped


def show_table(rows: Sequence[Mapping[str, Any]], empty: str = "Nothing there yet.") -> None:
    """Rows under the names of their fields, of which the first may lack some: an arm without passages has no faithfulness."""
    if not rows:
        print(empty)
        return
    from io import StringIO

    from rich import box
    from rich.console import Console
    from rich.table import Table

    screen, names = sys.stdout.isatty(), list(dict.fromkeys(name for row in rows for name in row))
    table = Table(box=box.SIMPLE_HEAD if screen else None, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name in names:
        table.add_column(inert(name), overflow="fold", no_wrap=not screen)
    for row in rows:
        table.add_row(*(cell(row.get(name)) for name in names))
    # drawn as text: a stream that fails is told by `core.cli.frame`, not by rich
    drawn = Console(
        file=StringIO(),
        width=shutil.get_terminal_size().columns if screen else IN_A_PIPE,
        markup=False,
        highlight=False,
        emoji=False,
    )
    drawn.print(table)
    print("\n".join(line.rstrip() for line in drawn.file.getvalue().rstrip().split("\n")))


def show_columns(drawn: Table) -> None:
    """Its rows under the titles of its columns, with their units and in their words."""
    titles = {column: f"{column.title} {column.unit}".strip() for column in drawn.columns}
    show_table([{title: in_words(row.get(column.key), column.format) for column, title in titles.items()} for row in drawn.rows])


def table_of(record: Mapping[str, Any]) -> Table:
    """A table from the plain values that a verb's result is made of."""
    return Table(**{**record, "columns": [Column(**column) for column in record["columns"]]})


def show_whole(record: Mapping[str, Any]) -> None:
    """A table, and how it was computed."""
    made = table_of(record)
    show_columns(made)
    print(f"{made.note}.")


def told_after(*names: str) -> Callable[[dict[str, Any]], None]:
    """Shows these tables of a record, as far as they have rows, then the sentences that it tells."""

    def show(record: dict[str, Any]) -> None:
        for rows in [record[name] for name in names if record[name]] or [[]]:
            show_table(rows)
        print("\n".join(record["told"]))

    return show


def kept_of(record: dict[str, Any]) -> dict[str, Any]:
    """What a job keeps of a record that tells something of questions."""
    return {"questions": record["questions"], "told": record["told"]}


def cell(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else inert(str(value).replace("\n", " "))


def show_value(value: Any) -> None:
    """A string as it is, anything else as YAML."""
    if not isinstance(value, str):
        import yaml

        value = yaml.safe_dump(value, sort_keys=False, allow_unicode=True).rstrip()
    print(value)


def span(row: Mapping[str, Any] | None, value: str = "value") -> dict[str, Any]:
    """Value and interval, whichever record they stand in."""
    row = row or {}
    return {value: row.get("value", row.get("mean")), "low": row.get("low"), "high": row.get("high")}


def between(row: Mapping[str, Any] | None) -> str:
    """The same in one cell."""
    value, low, high = span(row).values()
    return "" if value is None else f"{value:.3f}" + ("" if low is None else f" [{low:.3f}, {high:.3f}]")


def log_parts(name: str, log: Sequence[Mapping[str, Any]], todo: str, **kinds: str) -> dict[str, Any]:
    """The lines of a training's log, by title -> their kind."""
    if not log:
        raise WorkbenchError(f"There is no training log of '{name}'.", todo=todo)
    titles = {"loss": "step", "validation": "evaluation", **kinds}
    return {title: [line for line in log if line["kind"] == kind] for title, kind in titles.items()}


def show_parts(record: Mapping[str, Any]) -> None:
    """What stands alone on a line each, then each list as a table under its name."""
    tables = {name: value for name, value in record.items() if isinstance(value, list)}
    for name, value in record.items():
        if name not in tables:
            print(f"{name}: {cell(value)}")
    for name, rows in tables.items():
        print(f"\n{name.capitalize()}")
        show_table(rows, "None.")


def rows_of(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """A table by columns as its rows."""
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
