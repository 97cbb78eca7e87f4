"""Recall."""

from typing import ClassVar, Literal

import numpy as np

from core.evaluation.judged import Judged
from core.evaluation.metric import Metric
from core.registry import part


@part("metric")
class Recall(Metric):
    """Share of a question's units of gold evidence that the first k chunks cover.

    Choose it when the generator needs all the evidence, and for comparing chunkers: it counts evidence, not chunks.
    Source: trec_eval's recall_k, with units of evidence in the place of documents.
    """

    part: Literal["recall"] = "recall"
    label: ClassVar[str] = "Recall@{k}"
    source: ClassVar[str] = "trec_eval 9, recall_k"
    order: ClassVar[int] = 20
    headline: ClassVar[bool] = True

    def values(self, judged: Judged, k: int) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return judged.per_query(judged.relevance.unit_row[judged.unit_rank <= k]) / judged.relevance.units

    def curve(self, judged: Judged, depth: int) -> np.ndarray:
        """Mean recall at each depth 1..depth [depth] float64 over the measured questions; NaN if there are none."""
        if not judged.measured.any():
            return np.full(depth, np.nan)
        retrieved = judged.unit_rank <= depth
        share = 1 / judged.relevance.units[judged.relevance.unit_row[retrieved]] / judged.measured.sum()
        return np.cumsum(np.bincount(judged.unit_rank[retrieved], share, minlength=depth + 1)[1:])
