"""Precision."""

from typing import ClassVar, Literal

import numpy as np

from core.config import PartConfig
from core.evaluation.judged import Judged
from core.registry import part


@part("metric")
class Precision(PartConfig):
    """Share of the first k places that hold a relevant chunk; a ranking shorter than k is not forgiven.

    Choose it when every passage costs, as in a small context. Chunks that repeat evidence already found still count as
    relevant here. Source: trec_eval's P_k.
    """

    part: Literal["precision"] = "precision"
    label: ClassVar[str] = "Precision@{k}"
    unit: ClassVar[str] = ""
    direction: ClassVar[int] = +1
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    source: ClassVar[str] = "trec_eval 9, P_k"

    def values(self, judged: Judged, k: int) -> np.ndarray:
        """[num_queries] float64, NaN for questions without gold evidence."""
        return judged.per_query(judged.hit_row[judged.hit_rank <= k]) / k
