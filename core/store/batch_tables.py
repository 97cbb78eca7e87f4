"""The records that hold many values by key, see `batches.py`: a kind a table, whose columns are what a batch shares and what a value has.

A new kind is an entry in the `RECORDS` of the folder of core that keeps it.
"""

from core.registry import told_by_folders

EACH = {  # columns that all of them have
    "id": ("VARCHAR", "Time-ordered id of the record, one a batch."),
    "created": ("TIMESTAMP", "When it was recorded (UTC)."),
}
# kind -> (what a row is, {column: (type, meaning)})
BATCH_TABLES: dict[str, tuple[str, dict[str, tuple[str, str]]]] = {
    kind: (about, EACH | columns) for kinds in told_by_folders("RECORDS").values() for kind, (about, columns) in kinds.items()
}
