"""What is stored, and the machine it is stored on."""

import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from core.cli.frame import verb
from core.cli.options import Text
from core.cli.tables import show_table


@verb("sql", show_table)
def sql(workbench: Any, statement: Text, /) -> list[dict[str, Any]]:
    """Read-only SQL over everything stored."""
    table = workbench.sql(statement)
    if table.truncated:
        print(f"Only the first {len(table.rows):,} rows are here: aggregate, or add LIMIT.", file=sys.stderr)
    if table.cut_cells:
        print(f"Long cells are cut and end with an ellipsis: {table.cut_cells:,}.", file=sys.stderr)
    # two columns of one name (SELECT a.id, b.id) are numbered, or the first would be lost
    names = [n if table.columns.index(n) == i else f"{n} ({i + 1})" for i, n in enumerate(table.columns)]
    return [dict(zip(names, row, strict=True)) for row in table.rows]


@verb("verify", healthy=lambda report: report["ok"])
def verify(workbench: Any) -> Any:
    """Check journal and database."""
    return workbench.store.verify()


@verb("rebuild")
def rebuild(workbench: Any) -> Any:
    """Make the database anew from the journal."""
    return workbench.store.rebuild()


@verb("backup")
def backup(workbench: Any, file: Path, /) -> Any:
    """Journal and database in one file."""
    return workbench.store.backup(file)


def show_doctor(findings: list[dict[str, Any]]) -> None:
    """Each finding with its mark, and what to do about it."""
    marks = {True: "ok     ", False: "MISSING", None: "absent "}
    for finding in findings:
        print(f"{marks[finding['ok']]}  {finding['name']}: {finding['found']}")
        if finding["todo"]:
            print(f"         {finding['todo']}")


@verb("doctor", show_doctor, healthy=lambda findings: all(finding["ok"] is not False for finding in findings))
def doctor(
    workbench: Any,
    *,
    reuse: Annotated[
        bool, Parameter(name="--kept", help="What earlier trials of the engines found here counts; else each is tried anew.")
    ] = False,
) -> Any:
    """What this machine offers, and what to do about what is missing."""
    return workbench.doctor(reuse)
