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
    ),
    "index_scales": (
        "One row a sample of a corpus, or all of it, measured for a forecast.",
        _OF
        | {
            "share": ("DOUBLE", "Percent of the documents; 100: all."),
            "draw": ("INTEGER", "Number of the sample among those of its share."),
            "documents": ("INTEGER", "In it."),
            "of_documents": ("INTEGER", "In the corpus."),
            "chunks": ("INTEGER", "Vectors in the index."),
            "of_chunks": ("INTEGER", "Those of the corpus."),
            "questions": ("INTEGER", "Whose evidence lies in one document that is in it: of these are ndcg and evidence."),
            "of_questions": ("INTEGER", "The same of the corpus."),
            "recall": ("DOUBLE", "Of the index against exact search, at k."),
            "p50_us": ("DOUBLE", "Median latency of a search, one question a time, microseconds."),
            "p95_us": ("DOUBLE", "95th percentile of it."),
            "ndcg": ("DOUBLE", "nDCG@k of the recipe's ranking."),
            "evidence": ("DOUBLE", "Recall@k of the evidence in it."),
            "memory_mb": ("DOUBLE", "What a search holds, in millions of bytes."),
            "build_s": ("DOUBLE", "What building took."),
            "result": ("JSON", "By question: recall, latency, nDCG and recall of the evidence."),
        },
    ),
}
