"""Precision."""

from typing import ClassVar, Literal

import numpy as np

from core.evaluation.judged import Judged
from core.evaluation.metric import Metric
from core.registry import part


@part("metric")
class Precision(Metric):
    """Share of the first k places that hold a relevant chunk; a ranking shorter than k is not forgiven.

    Choose it when every passage costs, as in a small context. Chunks that repeat evidence already found still count as
    relevant here. Source: trec_eval's P_k.
    """

    part: Literal["precision"] = "precision"
    label: ClassVar[str] = "Precision@{k}"
    source: ClassVar[str] = "trec_eval 9, P_k"
    order: ClassVar[int] = 50
    divides_by_k: ClassVar[bool] = True

    def values(self, judged: Judged, k: int) -> np.ndarray:
        return judged.per_query(judged.hit_row[judged.hit_rank <= k]) / k
