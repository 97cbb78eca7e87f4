"""What was measured once, recorded as it was: results of jobs for pages, and lines of tables that commands print."""

from collections.abc import Iterable, Mapping
from typing import Any

from core.config import fingerprint
from core.records import plain
from core.store.batches import batches
from core.workbench import Workbench

KIND, ROWS = "lab_results", "lab_rows"  # of the records


def result_of(workbench: Workbench, key: str) -> Any:
    """As plain JSON; None where it is not recorded."""
    return batches(workbench.home).read(KIND, [key]).get(key, {}).get("result")


def keep_result(workbench: Workbench, lab: str, key: str, result: Any) -> None:
    batches(workbench.home).keep(KIND, {key: {"result": plain(result)}}, lab=lab)


def keep_rows(workbench: Workbench, lab: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Lines of a table, for `sql` and papers, in one record: settings and numbers alone, as bundles carry them to others."""
    lines = plain(list(rows))
    table = fingerprint(lab, lines)
    batches(workbench.home).keep(ROWS, {f"{table}-{number}": {"cells": row} for number, row in enumerate(lines)}, lab=lab)
