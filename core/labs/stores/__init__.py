"""Stores of vectors compared: searched, filtered, written by several at once, shared by agents, killed."""

_OF = {
    "key": ("VARCHAR", "The run, the store and what was measured."),
    "run": ("VARCHAR", "The run that it belongs to: one command."),
    "store": ("VARCHAR", "Name of the store."),
    "title": ("VARCHAR", "As a person reads it."),
    "version": ("VARCHAR", "Package and version."),
    "setting": ("VARCHAR", "How durably it was to write."),
    "machine": ("VARCHAR", "Processor, its number and system."),
}
RECORDS = {  # kinds of records that hold many values by key -> what a row of their table is, and its columns
    "store_measurements": (
        "One row a quantity of a store of vectors at a size, or a store that was left out.",
        _OF
        | {
            "dataset": ("VARCHAR", "Whose vectors."),
            "size": ("BIGINT", "Rows in the store."),
            "dim": ("INTEGER", "Dimensions."),
            "quantity": ("VARCHAR", "What: search_p50, recall, writes …; left_out: the store, with the reason in detail."),
            "below": ("INTEGER", "Of a filter: thousandths of the rows that it leaves; NULL: none."),
            "writers": ("INTEGER", "Of writing: processes at once."),
            "value": ("DOUBLE", "Median over the repeats."),
            "low": ("DOUBLE", "Smallest of the repeats: with five an interval of 94% for the median, with three of 75%."),
            "high": ("DOUBLE", "Largest of them."),
            "unit": ("VARCHAR", "Of the value."),
            "repeats": ("DOUBLE[]", "The value of each."),
            "detail": ("JSON", "What else belongs to it, by name."),
        },
    ),
    "store_histories": (
        "One row a history: what four agents did to one memory of a store, and what was lost.",
        _OF
        | {
            "workload": ("VARCHAR", "counter, list, compare_and_set or write_skew."),
            "arm": ("VARCHAR", "naive: read, then write; right: as the store keeps agents apart."),
            "operations": ("INTEGER", "Of all agents."),
            "acknowledged": ("INTEGER", "Writes that the store confirmed."),
            "failed": ("INTEGER", "Operations that ended in an error."),
            "retries": ("INTEGER", "How often one was tried again."),
            "lost": ("INTEGER", "Confirmed writes of which no trace is left."),
            "duplicated": ("INTEGER", "What is there more often than it was written."),
            "stale": ("INTEGER", "Reads that miss what was confirmed before they began."),
            "skewed": ("INTEGER", "Pairs of which both were turned off, though one has to stay on."),
            "p50_ms": ("DOUBLE", "Median time of a confirmed operation."),
            "p99_ms": ("DOUBLE", "99th percentile of it."),
            "seconds": ("DOUBLE", "From the first operation to the last."),
            "history": ("JSON", "Operations for a drawing: agent, number, began, read_at and ended in ms, acknowledged, lost."),
        },
    ),
    "store_kills": (
        "One row a store that was killed again and again while it wrote.",
        _OF
        | {
            "moments": ("INTEGER", "How often."),
            "killed": ("VARCHAR", "What was ended: the process that writes, or the server."),
            "acknowledged": ("INTEGER", "Rows that the store confirmed before."),
            "missing": ("INTEGER", "Confirmed rows that were not there afterwards."),
            "beyond": ("INTEGER", "Rows that were there and had not been confirmed."),
            "unreadable": ("INTEGER", "Times that the store could not be opened again."),
            "reopen_s": ("DOUBLE[]", "Seconds from the end until it answered again."),
            "by_moment": ("JSON", "By kill: after so many confirmed rows, missing, beyond."),
        },
    ),
}  # fmt: skip
