"""Metrics of stored trials, derived from their rankings, and what was said of their answers."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from core.errors import WorkbenchError
from core.evaluation.judged import Judged, judge_rankings
from core.evaluation.metric import measures_among, metric_names, metric_values
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


def answered(trial: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    """Measure -> question -> what it said of the trial's answer; None: unmeasurable. Of a trial whose questions were answered, else {}.
    Raises WorkbenchError where another's record holds no such values."""
    measures = trial.get("answered") or {}
    tables = list(measures.values()) if isinstance(measures, dict) else [measures]
    values = [value for table in tables for value in (table.values() if isinstance(table, dict) else [table])]
    if odd := [value for value in values if value is not None and (type(value) not in (int, float) or not 0 <= value <= 1)]:
        raise WorkbenchError(
            f"What the trial's answers are worth is told as {str(odd[0])[:40]}, which is not between 0 and 1.",
            where=f"trial {trial.get('id', '')}".strip(),
            todo="Its record came from elsewhere or was changed: measure the recipe again.",
        )
    return measures


def stored_values(trial: dict[str, Any], questions: dict[str, Any], k: int, names: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """Metric or measure (default: every one that the trial has) -> [num_queries] float64; NaN where it is unmeasured."""
    told, names = answered(trial), list(names)
    ranked = [name for name in names or metric_names() if name in metric_names()]
    values = metric_values(stored_judgement(trial, questions), k, ranked) if ranked else {}
    ids = [query["id"] for query in questions["queries"]]
    for name in measures_among(names or told):
        own = told.get(name, {})
        values[name] = np.array([np.nan if own.get(query) is None else own[query] for query in ids], np.float64)
    return values


def derive(trial: dict[str, Any], questions: dict[str, Any]) -> dict[str, list[float | None]]:
    """The metrics and measures of a stored trial by query, for the database's table of scores; None where unmeasured."""
    k = trial["config"]["evaluation"]["k"]
    values = stored_values(trial, questions, k)
    return {f"{name}@{k}": [None if np.isnan(v) else float(v) for v in column] for name, column in values.items()}
