"""The difference of two systems' shares (or means) of units that belong to questions, as the sentences of their answers do.

Choose it over `paired` where the share itself is over units, each of which counts the same: the difference is then that of the two
shares that stand beside it. `paired` takes one number a question, and each question counts the same.
"""

import numpy as np

from core.statistics.bootstrap import FEW, NO_VARIATION, TOO_FEW, bounds_of, drawn_means, resampled_means
from core.statistics.paired import Paired

APART = "no question was answered by both"
_EXACT = 12  # questions up to which all 2^n exchanges are counted
_TIE = 1e-12  # rounding


def share_difference(
    a: np.ndarray,
    a_questions: np.ndarray,
    b: np.ndarray,
    b_questions: np.ndarray,
    resamples: int = 2000,
    confidence: float = 0.95,
    permutations: int = 10_000,
    seed: int = 0,
) -> Paired:
    """mean(a) - mean(b) of units [n], [m] that belong to questions [n], [m]; no NaN.

    Interval: percentile bootstrap that draws questions with all units of both systems (a ratio of sums: Davison and Hinkley
    1997, "Bootstrap methods and their application", section 3.8), of few as in `bounds_of`; where they share no
    question, each system's by itself, and of fewer than FEW none. Test:
    Fisher's randomisation over the questions that both answered, whose two answers are exchanged (Smucker, Allan and Carterette
    2007, section 3.1). wins, losses, ties, n: of these questions; total: of all.
    """
    if not (len(a) and len(b)):
        return Paired(None, None, None, None, True, None, 0, 0, 0, 0, 0, "not measured")
    value, names = float(a.mean() - b.mean()), list(dict.fromkeys([*a_questions, *b_questions]))
    place = {name: i for i, name in enumerate(names)}
    sums = np.zeros((len(names), 4))  # of a: sum, units; of b: sum, units
    for first, values, questions in ((0, a, a_questions), (2, b, b_questions)):
        at = np.array([place[name] for name in questions])
        np.add.at(sums[:, first], at, values)
        np.add.at(sums[:, first + 1], at, 1.0)
    both = sums[(sums[:, 1] > 0) & (sums[:, 3] > 0)]
    low, high = _bounds(value, sums, len(both) > 0, resamples, confidence, seed)
    means = both[:, ::2] / both[:, 1::2]
    gain = means[:, 0] - means[:, 1]
    wins, losses = int((gain > _TIE).sum()), int((gain < -_TIE).sum())
    p, exact = _exchanged(both, permutations, seed) if len(both) else (None, True)
    same = np.ptp(np.concatenate([a, b])) <= _TIE
    note = APART if not len(both) else NO_VARIATION if same else "" if low is not None else TOO_FEW
    return Paired(value, low, high, p, exact, None, wins, losses, len(both) - wins - losses, len(both), len(names), note)


def _bounds(
    value: float, sums: np.ndarray, paired: bool, resamples: int, confidence: float, seed: int
) -> tuple[float | None, float | None]:
    parts = [sums[sums[:, column] > 0][:, column - 1 : column + 1] for column in (1, 3)]
    if min(map(len, parts)) < (2 if paired else FEW):
        return None, None
    if paired:
        drawn = drawn_means(sums, resamples, seed)
    else:
        drawn = np.column_stack([resampled_means(part, resamples, seed + i) for i, part in enumerate(parts)])
    shares = np.where(drawn[:, 1::2] > 0, drawn[:, ::2] / np.maximum(drawn[:, 1::2], 1e-300), np.nan)
    low, high = bounds_of(value, shares[:, 0] - shares[:, 1], len(sums), confidence)
    return (None, None) if np.isnan(low) or len(sums) < FEW and high - low < _TIE else (float(low), float(high))


def _exchanged(both: np.ndarray, permutations: int, seed: int) -> tuple[float, bool]:
    """(two-sided p, all exchanges were counted) of sums [questions, 4]."""
    n, rng = len(both), np.random.default_rng([seed, len(both)])
    exact = n <= _EXACT
    if exact:
        own = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    else:
        own = rng.integers(0, 2, (permutations, n))
    a, b = both[:, :2], both[:, 2:]
    first, second = own @ a + (1 - own) @ b, own @ b + (1 - own) @ a
    drawn = np.abs(first[:, 0] / first[:, 1] - second[:, 0] / second[:, 1])
    whole = both.sum(axis=0)
    reached = (drawn >= abs(whole[0] / whole[1] - whole[2] / whole[3]) - 1e-9).sum()
    return (float(reached / 2**n), True) if exact else (float((1 + reached) / (1 + permutations)), False)
