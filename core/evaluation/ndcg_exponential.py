"""nDCG with exponential gain."""

from typing import ClassVar, Literal

import numpy as np

from core.evaluation.judged import Judged
from core.evaluation.metric import Metric
from core.evaluation.ndcg_linear import ndcg
from core.registry import part


@part("metric")
class NDCGExponential(Metric):
    """nDCG with 2^grade - 1 as gain, so that a highly relevant chunk outweighs many somewhat relevant ones.

    Choose it over `ndcg_linear` to compare with web search and learning to rank. With grades 0 and 1 they are the same.
    Source: Burges et al. 2005, "Learning to Rank using Gradient Descent", section 6.
    """

    part: Literal["ndcg_exponential"] = "ndcg_exponential"
    label: ClassVar[str] = "nDCG (exponential)@{k}"
    source: ClassVar[str] = "Burges et al. 2005, section 6"
    order: ClassVar[int] = 70

    def values(self, judged: Judged, k: int) -> np.ndarray:
        return ndcg(judged, k, 2.0**judged.relevance.unit_grade - 1)
