"""Average precision."""

from typing import ClassVar, Literal

import numpy as np

from core.evaluation.judged import Judged
from core.evaluation.metric import Metric
from core.registry import part


@part("metric")
class MAP(Metric):
    """Mean over a question's units of the precision at the rank where the unit is found, 0 where it is not by k.

    Choose it when the order of several pieces of evidence matters and grades do not. A chunk that covers several new
    units counts for each of them, and precision never exceeds 1. Source: trec_eval's map_cut_k (divides by all units).
    """

    part: Literal["map"] = "map"
    label: ClassVar[str] = "MAP@{k}"
    source: ClassVar[str] = "trec_eval 9, map_cut_k"
    order: ClassVar[int] = 60

    def values(self, judged: Judged, k: int) -> np.ndarray:
        retrieved = judged.unit_rank <= k
        share = np.minimum(judged.found_so_far[retrieved] / judged.unit_rank[retrieved], 1.0)
        with np.errstate(invalid="ignore"):
            return judged.per_query(judged.relevance.unit_row[retrieved], share) / judged.relevance.units
