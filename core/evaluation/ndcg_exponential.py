"""nDCG with exponential gain."""

from typing import ClassVar, Literal

import numpy as np

from core.config import PartConfig
from core.evaluation.judged import Judged
from core.evaluation.ndcg_linear import ndcg
from core.registry import part


@part("metric")
class NDCGExponential(PartConfig):
    """nDCG with 2^grade - 1 as gain, so that a highly relevant chunk outweighs many somewhat relevant ones.

    Choose it over `ndcg_linear` to compare with web search and learning to rank. With grades 0 and 1 they are the same.
    Source: Burges et al. 2005, "Learning to Rank using Gradient Descent", section 6.
    """

    part: Literal["ndcg_exponential"] = "ndcg_exponential"
    label: ClassVar[str] = "nDCG (exponential)@{k}"
    unit: ClassVar[str] = ""
    direction: ClassVar[int] = +1
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    source: ClassVar[str] = "Burges et al. 2005, section 6"

    def values(self, judged: Judged, k: int) -> np.ndarray:
        """[num_queries] float64, NaN for questions without gold evidence."""
        return ndcg(judged, k, 2.0**judged.relevance.unit_grade - 1)
