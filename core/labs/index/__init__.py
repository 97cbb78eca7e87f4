"""Indexes: measured, looked into, changed, forecast."""

_OF = {
    "key": ("VARCHAR", "What it is part of, and its number in it."),
    "subject": ("VARCHAR", "Identity of the vectors, of the index' settings and of the depth k."),
    "dataset": ("VARCHAR", "Whose vectors."),
    "setting": ("VARCHAR", "The index with its settings."),
    "machine": ("VARCHAR", "Processor, its number and system."),
    "k": ("INTEGER", "Depth of recall and ranking."),
}
RECORDS = {  # kinds of records that hold many values by key -> what a row of their table is, and its columns
    "index_lives": (
        "One row a round of changes in the life of an index.",
        _OF
        | {
            "run": ("VARCHAR", "The life that it belongs to."),
            "unit": ("VARCHAR", "What changes: vectors or documents."),
            "mode": ("VARCHAR", "How: replace, update, mixed, grow, shrink or each."),
            "share": ("DOUBLE", "Of the live units, that a round changes."),
            "seed": ("BIGINT", "Of the draws."),
            "number": ("INTEGER", "Of the round; 0: as built."),
            "churned": (
                "DOUBLE",
                "Units removed or changed so far (added, where only that happens), as a share of those at the start.",
            ),
            "live": ("INTEGER", "Vectors in the index."),
            "recall": ("DOUBLE", "Mean recall@k against exact search."),
            "fresh_recall": ("DOUBLE", "The same of an index built anew; NULL: none was."),
            "lost": ("DOUBLE", "Share of live vectors that a search for themselves misses."),
            "p50_ms": ("DOUBLE", "Median latency of a question."),
            "rebuild_s": ("DOUBLE", "What building anew took."),
            "result": ("JSON", "All of the round, with recall by question."),
        },
    )
}
