from typing import ClassVar, Literal

import numpy as np

from core.evaluation.judged import Judged
from core.evaluation.metric import Metric
from core.registry import part


@part("metric")
class FoundAll(Metric):
    """1 where the first k chunks cover all of a question's evidence, else 0. Choose it for answers that need every piece."""

    part: Literal["found_all"] = "found_all"
    label: ClassVar[str] = "All found@{k}"
    source: ClassVar[str] = "recall = 1, as in multi-hop retrieval"

    def values(self, judged: Judged, k: int) -> np.ndarray:
        retrieved = judged.per_query(judged.relevance.unit_row[judged.unit_rank <= k])
        return np.where(judged.measured, retrieved == judged.relevance.units, np.nan)
