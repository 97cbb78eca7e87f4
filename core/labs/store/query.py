"""One SELECT written by a person, over everything that is stored: what it gave, and whether that still is of the latest."""

import time
from typing import NamedTuple

from core.errors import WorkbenchError
from core.files.ids import is_id
from core.store import tables
from core.store.sql_process import CELL, SIZE, TEXT, SqlResult
from core.workbench import Workbench


class Limits(NamedTuple):
    """What a query may be and give."""

    text_characters: int
    rows: int
    cell_characters: int
    size_bytes: int
    seconds: float


LIMITS = Limits(text_characters=TEXT, rows=10_000, cell_characters=CELL, size_bytes=SIZE, seconds=10.0)


class Answered(NamedTuple):
    """What a query gave: rows, or why there are none."""

    text: str
    result: SqlResult | None
    error: WorkbenchError | None
    seconds: float
    trials: frozenset[str]  # ids in it that are stored trials
    behind: str  # why the latest records are not in it, "" if they are
    stored: tuple[int, int]  # what the store held then


def answered(workbench: Workbench, text: str) -> Answered:
    held, started, result, problem, ids = stored(workbench), time.perf_counter(), None, None, frozenset()
    try:
        result = workbench.store.sql(text, row_cap=LIMITS.rows, seconds=LIMITS.seconds)
        ids = _trials_in(workbench, result)
    except WorkbenchError as error:
        problem = error
    return Answered(text, result, problem, time.perf_counter() - started, ids, workbench.behind(), held)


def _trials_in(workbench: Workbench, result: SqlResult) -> frozenset[str]:
    ids = {cell for row in result.rows for cell in row if isinstance(cell, str) and is_id(cell)}
    return frozenset(row["id"] for row in workbench.store.query("SELECT id FROM trials")) & ids if ids else frozenset()


def stored(workbench: Workbench) -> tuple[int, int]:
    """How much is stored: records of every kind, and bytes of labels."""
    sql = "SELECT (SELECT count(*) FROM folded) AS records, (SELECT sum(bytes) FROM segments) AS labels"
    return tuple(workbench.store.query(sql)[0].values())


def examples() -> dict[str, str]:
    """Question -> its query."""
    return dict(tables.EXAMPLES)


def tables_described() -> list[tables.StoredTable]:
    """The tables with their columns, in words."""
    return tables.describe()
