"""nDCG with linear gain."""

from typing import ClassVar, Literal

import numpy as np

from core.evaluation.judged import Judged
from core.evaluation.metric import Metric
from core.registry import part


@part("metric")
class NDCGLinear(Metric):
    """Discounted gain of the units found by k, the grade as gain and 1 / log2(rank + 1) as discount, over the ideal's.

    Choose it as the one number for a ranking, and over `ndcg_exponential` to compare with results of trec_eval. The
    ideal finds one unit a rank, best grades first; rankings whose chunks hold several units are capped at 1.
    Source: Järvelin and Kekäläinen 2002, "Cumulated gain-based evaluation of IR techniques"; trec_eval's ndcg_cut_k.
    """

    part: Literal["ndcg_linear"] = "ndcg_linear"
    label: ClassVar[str] = "nDCG@{k}"
    source: ClassVar[str] = "Järvelin and Kekäläinen 2002; trec_eval 9, ndcg_cut_k"
    order: ClassVar[int] = 40
    headline: ClassVar[bool] = True

    def values(self, judged: Judged, k: int) -> np.ndarray:
        return ndcg(judged, k, judged.relevance.unit_grade.astype(np.float64))


def ndcg(judged: Judged, k: int, gain: np.ndarray) -> np.ndarray:
    """nDCG of units with the given gains [U] float64, at most 1."""
    rows = judged.relevance.unit_row
    retrieved, ideal = judged.unit_rank <= k, judged.relevance.unit_place <= k
    reached = judged.per_query(rows[retrieved], gain[retrieved] / np.log2(judged.unit_rank[retrieved] + 1.0))
    best = judged.per_query(rows[ideal], gain[ideal] / np.log2(judged.relevance.unit_place[ideal] + 1.0))
    return np.minimum(reached / best, 1.0)
