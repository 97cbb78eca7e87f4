"""Which of two answers do people prefer? And do they prefer the one shown first?"""

from typing import NamedTuple

import numpy as np

from core.statistics.bootstrap import Interval, intervals
from core.statistics.mcnemar import exact_p
from core.statistics.proportion import wilson


class Sign(NamedTuple):
    wins: int
    losses: int
    ties: int
    p: float
    share: Interval  # of wins among the decided, Wilson
    difference: Interval  # mean of +1, 0, -1 over all items, bootstrap; a tie counts 0


class PositionBias(NamedTuple):
    share: Interval  # of decided pairs in which the first shown was chosen, Wilson
    p: float


def sign_test(preferences: np.ndarray) -> Sign:
    """preferences [items]: +1 a is better, -1 b, 0 a tie, NaN missing; one value an item, as labels of one item depend.

    H0: a decided item is as likely to go to either. Two-sided exact binomial test of the decided items; ties say nothing
    about the direction and are left out.
    Source: Dixon and Mood 1946, "The statistical sign test".
    """
    preferences = np.asarray(preferences, np.float64)
    wins, losses, ties = (int((test).sum()) for test in (preferences > 0, preferences < 0, preferences == 0))
    [difference] = intervals(np.sign(preferences), 2000)
    return Sign(wins, losses, ties, exact_p(wins, losses), wilson(wins, wins + losses), difference)


def position_bias(chose_first: np.ndarray) -> PositionBias:
    """chose_first: 1 where the answer shown first (or left) was chosen, 0 the other, NaN a tie.

    H0: the place does not matter, so that with a random order either place is chosen in half of the cases.
    """
    chosen = np.asarray(chose_first, np.float64)
    first, second = int((chosen == 1).sum()), int((chosen == 0).sum())
    return PositionBias(wilson(first, first + second), exact_p(first, second))
