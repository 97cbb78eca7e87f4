"""Hit rate."""

from typing import ClassVar, Literal

import numpy as np

from core.config import PartConfig
from core.evaluation.judged import Judged
from core.registry import part


@part("metric")
class Hit(PartConfig):
    """1 where a relevant chunk is among the first k, else 0; the mean is the share of questions with a hit.

    Choose it when one good passage is enough, as for a short answer. Source: trec_eval's success_k.
    """

    part: Literal["hit"] = "hit"
    label: ClassVar[str] = "Hit@{k}"
    unit: ClassVar[str] = ""
    direction: ClassVar[int] = +1
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    source: ClassVar[str] = "trec_eval 9, success_k"

    def values(self, judged: Judged, k: int) -> np.ndarray:
        """[num_queries] float64, NaN for questions without gold evidence."""
        return np.where(judged.measured, judged.first_rank <= k, np.nan)
