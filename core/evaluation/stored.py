"""Metrics of stored trials, derived from their rankings."""

from typing import Any

import numpy as np

from core.evaluation.judged import Judged, judge_rankings
from core.evaluation.metric import metric_values
from core.records import Corpus, Document, Gold, Query


def stored_judgement(trial: dict[str, Any], questions: dict[str, Any]) -> Judged:
    """A stored trial's rankings against the stored gold spans; the documents' texts are not needed for that."""
    spans, recipe = trial["chunks"], trial["config"]
    listed = [[spans[i] for i in trial["rankings"].get(q["id"], [[]])[0]] for q in questions["queries"]]
    queries = tuple(Query(q["id"], q["text"], tuple(Gold(*g) for g in q["gold"])) for q in questions["queries"])
    names = {span[0] for span in spans} | {gold.document_id for query in queries for gold in query.gold}
    corpus = Corpus(questions["dataset"], tuple(Document(name, "") for name in sorted(names)), queries)
    depth = max(recipe["retrieval"]["top_k"], recipe["evaluation"]["k"])
    return judge_rankings(corpus, listed, recipe["evaluation"]["overlap"], depth)


def longest(trial: dict[str, Any]) -> int:
    """Of the rankings that a stored trial keeps."""
    return max((len(chunks) for chunks, _ in trial["rankings"].values()), default=0)


def derive(trial: dict[str, Any], questions: dict[str, Any]) -> dict[str, list[float | None]]:
    """The metrics of a stored trial by query, for the database's table of scores; None where unmeasured."""
    k = trial["config"]["evaluation"]["k"]
    values = metric_values(stored_judgement(trial, questions), k)
    return {f"{name}@{k}": [None if np.isnan(v) else float(v) for v in column] for name, column in values.items()}
