"""Reciprocal rank."""

from typing import ClassVar, Literal

import numpy as np

from core.config import PartConfig
from core.evaluation.judged import Judged
from core.registry import part


@part("metric")
class MRR(PartConfig):
    """1 / rank of the first relevant chunk, 0 where there is none among the first k; the mean is the MRR.

    Choose it when the first good passage is what the reader sees. Source: trec_eval's recip_rank, cut at k.
    """

    part: Literal["mrr"] = "mrr"
    label: ClassVar[str] = "MRR@{k}"
    unit: ClassVar[str] = ""
    direction: ClassVar[int] = +1
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    source: ClassVar[str] = "trec_eval 9, recip_rank"

    def values(self, judged: Judged, k: int) -> np.ndarray:
        """[num_queries] float64, NaN for questions without gold evidence."""
        return np.where(judged.measured, np.where(judged.first_rank <= k, 1.0 / judged.first_rank, 0.0), np.nan)
