"""What the subject has recorded, chosen by SQL and read back as it was recorded."""

from collections.abc import Sequence
from typing import Any

from core.store.batches import batches
from core.workbench import Workbench


def recorded(workbench: Workbench, kind: str, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
    """A row each of what the query tells, in its order: its columns, of which `key` is one, and the value that is recorded under it."""
    rows = workbench.store.query(sql, params)
    values = batches(workbench.home).read(kind, [row["key"] for row in rows])
    return [row | values[row["key"]] for row in rows if row["key"] in values]
