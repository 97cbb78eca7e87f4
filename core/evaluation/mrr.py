"""Reciprocal rank."""

from typing import ClassVar, Literal

import numpy as np

from core.evaluation.judged import Judged
from core.evaluation.metric import Metric
from core.registry import part


@part("metric")
class MRR(Metric):
    """1 / rank of the first relevant chunk, 0 where there is none among the first k; the mean is the MRR.

    Choose it when the first good passage is what the reader sees. Source: trec_eval's recip_rank, cut at k.
    """

    part: Literal["mrr"] = "mrr"
    label: ClassVar[str] = "MRR@{k}"
    source: ClassVar[str] = "trec_eval 9, recip_rank"
    order: ClassVar[int] = 30
    headline: ClassVar[bool] = True

    def values(self, judged: Judged, k: int) -> np.ndarray:
        return np.where(judged.measured, np.where(judged.first_rank <= k, 1.0 / judged.first_rank, 0.0), np.nan)
