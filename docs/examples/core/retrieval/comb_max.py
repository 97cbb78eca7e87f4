from typing import Literal

import numpy as np

from core.registry import part
from core.retrieval.convex import min_max
from core.retrieval.fusion import Fusion
from core.retrieval.pool import Pool


@part("fusion")
class CombMax(Fusion):
    """The largest of the normalised scores. Choose it over `convex` where one sure retriever is enough.

    Fox and Shaw 1994, "Combination of Multiple Searches", CombMAX.
    """

    part: Literal["comb_max"] = "comb_max"

    def fuse(self, pool: Pool) -> np.ndarray:
        scores = [pool.once(("min_max", name), lambda s=score: min_max(s)) for name, score in pool.score.items()]
        return pool.ranked(np.maximum.reduce(scores))
