"""The sum of normalised scores, times the number of retrievers that agree."""

from typing import Literal

import numpy as np

from core.config import knob
from core.registry import part
from core.retrieval.comb_sum import NORMALISATION, Normalisation, summed
from core.retrieval.fusion import Fusion
from core.retrieval.pool import Pool


@part("fusion")
class CombMnz(Fusion):
    """The sum of the normalised scores, times the number of retrievers that retrieved the chunk.

    Choose it over `comb_sum` where what both retrievers find is likelier relevant than what one alone finds; where one of them
    is much better than the other, it holds back what only that one finds.
    Source: Fox and Shaw 1994, "Combination of Multiple Searches" (TREC-2), CombMNZ, with the scores normalised as in
    Lee 1997, "Analyses of Multiple Evidence Combination", section 3.
    """

    part: Literal["comb_mnz"] = "comb_mnz"
    normalisation: Normalisation = knob("min_max", NORMALISATION)

    def fuse(self, pool: Pool) -> np.ndarray:
        """[Q, P] float32, -inf at pads."""
        return pool.ranked(summed(pool, self.normalisation) * agreeing(pool))


def agreeing(pool: Pool) -> np.ndarray:
    """How many retrievers retrieved each chunk [Q, P] int64."""
    return pool.once("agreeing", lambda: sum((rank > 0).astype(int) for rank in pool.rank.values()))
