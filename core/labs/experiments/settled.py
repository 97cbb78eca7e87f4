"""Whether a question is settled: one point is told apart from all others, or none is worse than the best by more than a margin.

Whoever looks again and again finds what is not there: the level is shared out over all looks that were planned (Bonferroni's
bound, the plainest way to spend it), so that the chance of any false claim over the whole study stays within it.
"""

from collections.abc import Mapping

import numpy as np

from core.statistics.corrections import correct_defined
from core.statistics.equivalence import tost
from core.statistics.paired import sign_flip_p

MARGIN = 0.01  # of a metric: what differs by less is equal
FEWEST = 20  # questions below which nothing is settled
PERMUTATIONS = 10_000  # at least; more where many points are compared, or Holm's first step could never be passed


def settled(
    values: Mapping[str, np.ndarray], level: float = 0.95, looks: int = 1, margin: float = MARGIN, sign: int = 1, before: int = 0
) -> str:
    """Why the question is settled; "" where it is not. values: point -> [num_queries] of a metric, NaN where unmeasured, the
    questions in one order. looks: how many are planned in all. sign: -1 where less of the metric is better. before: points
    that left in an earlier round; the claim is not of them, and says so.

    Told apart: paired sign-flip tests of the best against each other, corrected by Holm's method, are all below the share of
    this look. Equal: each other's difference to the best lies within the margin by two one-sided tests at that share; the claim
    is that all do, so that no correction is needed (Berger 1982, intersection-union).
    """
    alpha = (1 - level) / max(1, looks)
    table = np.column_stack(list(values.values())) if values else np.empty((0, 0))
    table = sign * table[~np.isnan(table).any(axis=1)]
    if len(values) < 2 or len(table) < FEWEST:
        return ""
    place = int(np.argmax(table.mean(axis=0)))
    differences = table[:, [place]] - np.delete(table, place, axis=1)  # [questions, others]
    others = differences.shape[1]
    p = [p for p, _ in sign_flip_p(differences, max(PERMUTATIONS, int(4 * others / alpha)))]
    share = f"at {1 - alpha:.2%}, its share of {100 * level:g}% over {looks} looks" if looks > 1 else f"at {100 * level:g}%"
    counted = f"{len(table):,} questions, {share}"
    among = "" if not before else f" of its round; {before:,} {'has' if before == 1 else 'have'} left before, on fewer questions"
    if all(each < alpha for each in correct_defined(p)):
        all_others = "the other" if others == 1 else f"all {others:,} others"
        return f"{list(values)[place]} differs significantly from {all_others}{among} ({counted})"
    if all(tost(column, margin, alpha, resamples=100).equivalent for column in differences.T):
        return f"none differs from {list(values)[place]} by {margin:g} or more{among and f', {among[1:]}'} ({counted})"
    return ""
