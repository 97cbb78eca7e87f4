"""Hit rate."""

from typing import ClassVar, Literal

import numpy as np

from core.evaluation.judged import Judged
from core.evaluation.metric import Metric
from core.registry import part


@part("metric")
class HitRate(Metric):
    """1 where a relevant chunk is among the first k, else 0; the mean is the share of questions with a hit.

    Choose it when one good passage is enough, as for a short answer. Source: trec_eval's success_k.
    """

    part: Literal["hit"] = "hit"
    label: ClassVar[str] = "Hit@{k}"
    source: ClassVar[str] = "trec_eval 9, success_k"
    order: ClassVar[int] = 10
    headline: ClassVar[bool] = True

    def values(self, judged: Judged, k: int) -> np.ndarray:
        return np.where(judged.measured, judged.first_rank <= k, np.nan)
