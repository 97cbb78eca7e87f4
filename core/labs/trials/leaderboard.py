"""Trials of one group ranked by a metric: the best, what is not told apart from it, and how sure that is.

The best is the highest mean, of equal ones the recipe that was measured first, as where a winner is chosen. The others are compared with it
by question; the group that is *not distinguishable from the best* is what a claim can rest on; the order within it may be chance, and
nobody has shown that they are equal.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from core.comparison.comparison import Gap, gap_columns, gaps
from core.config import fingerprint
from core.labs.trials.comparison import ALPHA, Trial, differing, direction, label, labels
from core.labs.trials.values import RecipeScores, scores
from core.report.table import MEAN, P_VALUE, PERCENT, SIGNED, Column, Table, between
from core.statistics.bootstrap import Interval, resampled_means
from core.statistics.paired import AT_ODDS, at_odds
from core.statistics.proportion import unit_intervals
from core.statistics.selection import winner
from core.workbench import Workbench

NOT_WORSE, WORSE = "not significantly worse", "significantly worse"  # than the best
AT_TOP = f"best or {NOT_WORSE}"


class Ranked(NamedTuple):
    """One recipe of a leaderboard."""

    trial: Trial
    repeats: int  # seeds behind the mean
    seed_spread: float | None  # standard deviation of the repeats' means
    interval: Interval  # of the mean over questions
    gap: Gap | None  # to the best; None: it is the best
    equal: bool  # the best, or not distinguishable from it
    first: float  # share of the resamples in which it has the best mean


class Leaderboard(NamedTuple):
    metric: str
    k: int
    rows: list[Ranked]  # best first
    n: int  # questions that all measured
    total: int
    tested: int  # comparisons with the best, which the correction counts
    confidence: float
    left_out: int  # recipes of lower means, beyond what is compared at once
    chosen: tuple[
        float, float | None, float | None
    ]  # what a choice of the best is worth, chosen anew in each resample: mean, low, high

    @property
    def equals(self) -> int:
        return sum(row.equal for row in self.rows)

    @property
    def odd(self) -> str:
        """Why an interval of a difference to the best excludes 0 where the test does not reject; "": none does."""
        odd = any(at_odds(row.gap.low, row.gap.high, row.gap.p_holm, 1 - ALPHA) for row in self.rows if row.gap)
        return f"{AT_ODDS}." if odd else ""


def leaderboard(workbench: Workbench, members: Sequence[Trial], metric: str) -> Leaderboard:
    """Of trials of one group."""
    key = fingerprint([trial.id for trial in members], metric)
    board = workbench.pipeline.remember("leaderboard", key, lambda: _ranked(scores(workbench, members, metric)))
    now = {trial.id: trial for trial in members}  # people may have named them since
    return board._replace(rows=[row._replace(trial=now[row.trial.id]) for row in board.rows])


def worth(board: Leaderboard) -> str:
    """What the best of many is worth, in a sentence; "" where none is above another."""
    if len({row.interval.mean for row in board.rows}) < 2:
        return ""
    mean, low, high = board.chosen
    interval = "" if low is None else f" [{low:.3f}, {high:.3f}]".replace("-", "\u2212")
    return (
        f"The best of {len(board.rows):,} means is partly luck: on questions that had no part in the choice, the recipe chosen is "
        f"expected to reach {mean:.3f}{interval}."
    )


def rows(board: Leaderboard, settings: bool = False) -> list[dict[str, Any]]:
    """As a table of one row a recipe. settings: also those in which the recipes differ."""
    recipes = [row.trial for row in board.rows]
    names, different = labels(recipes), differing(recipes) if settings else {}
    return [
        {
            "place": place,
            "trial": row.trial.id,
            "name": name,
            board.metric: row.interval.mean,
            "low": row.interval.low,
            "high": row.interval.high,
            **gap_columns(row.gap, "to the best"),
            "group": AT_TOP if row.equal else WORSE,
            "first in": row.first,
            "repeats": row.repeats,
            "between seeds": row.seed_spread,
            "n": row.interval.n,
            **{setting: words[place - 1] for setting, words in different.items()},
        }
        for place, (row, name) in enumerate(zip(board.rows, names, strict=True), 1)
    ]


def table(board: Leaderboard) -> Table:
    """Intervals in one cell each; numbers of seeds where a recipe has several."""
    made = [
        row
        | {
            "interval": between(row["low"], row["high"], MEAN),
            "interval of it": between(row["difference low"], row["difference high"]),
            "standing": "best" if row["place"] == 1 else NOT_WORSE if ranked.equal else "",
        }
        for row, ranked in zip(rows(board), board.rows, strict=True)
    ]
    columns = [
        Column("place"),
        Column("name", "Trial", help="What differs between these recipes."),
        Column(board.metric, label(board.metric, board.k), MEAN, direction=direction(board.metric)),
        Column("interval", width=118),
        Column("to the best", "", SIGNED),
        Column("interval of it", width=150),
        Column("p (Holm)", "p (Holm)", P_VALUE, "Paired t test against the best."),
        Column("standing", "Group", help="The best, and those that do not differ significantly from it."),
        Column("first in", "", PERCENT, "Share of resamples of the questions in which it has the best mean."),
    ]
    if any(row.repeats > 1 for row in board.rows):
        columns.append(Column("repeats", help="Seeds behind the mean."))
        columns.append(Column("between seeds", "", "%.4f", "Standard deviation of the repeats' means."))
    return Table("ranks", columns, made)


def record(
    board: Leaderboard, questions: str, left_out: Sequence[str] = (), settings: bool = False, first: int | None = None
) -> dict[str, Any]:
    """As the command line prints it. questions: the group in words. left_out: trials that are not ranked, in sentences.
    first: only so many rows; ranks and tests are over all."""
    return {
        "questions": questions,
        "metric": label(board.metric, board.k),
        "n": board.n,
        "asked": board.total,
        "confidence": board.confidence,
        "recipes": len(board.rows),
        "comparisons": board.tested,
        **dict(zip(("worth of the choice", "its interval, low", "its interval, high"), board.chosen, strict=True)),
        "best and not distinguishable from it": board.equals,
        "left out": " ".join(left_out),
        "left out, of lower means": board.left_out,
        "leaderboard": rows(board, settings)[:first],
    }


def _ranked(measured: RecipeScores) -> Leaderboard:
    resamples, confidence, seed = measured.rules
    better = direction(measured.metric)
    rounded, oldest = (better * measured.values.mean(axis=1)).round(12), [min(t.id for t in of) for of in measured.repeats]
    order = np.array(sorted(range(len(oldest)), key=lambda row: (-rounded[row], oldest[row])))
    values = measured.values[order]
    by_question = np.ascontiguousarray(values.T)
    means = better * resampled_means(by_question, resamples, seed)
    # sums in another order differ in the last bits: what is equal but for those shares the first place
    first = (means >= means.max(axis=1, keepdims=True) - 1e-12).astype(np.float64)
    shares = (first / first.sum(axis=1, keepdims=True)).mean(axis=0)
    to_best = gaps(values - values[0], measured.rules, range(1, len(values)))
    intervals = unit_intervals(by_question, resamples, confidence, seed)
    table = []
    for place, row in enumerate(order.tolist()):
        spread, gap = measured.seed_spread[row], to_best[place] if place else None
        table.append(
            Ranked(
                measured.recipes[row],
                len(measured.repeats[row]),
                None if np.isnan(spread) else float(spread),
                intervals[place]._replace(total=measured.total),
                gap,
                gap is None or gap.p_holm >= ALPHA,
                float(shares[place]),
            )
        )
    best = winner(better * values, resamples, confidence, seed)
    chosen = float(better * (best.mean - best.optimism)), *best.interval(better)
    n, tested = values.shape[1], len(values) - 1
    return Leaderboard(measured.metric, measured.k, table, n, measured.total, tested, confidence, measured.left_out, chosen)
