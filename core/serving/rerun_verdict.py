"""What a rerun shows: before against after, paired by trace, and how many traces it takes to tell a difference of a size that matters.

Of a trace the seeds are averaged, for they say nothing new of other traces; the test and its interval are over traces. Measures by
which more is better or worse are one family of Holm's correction, what only counts another. The variance of a difference has two
parts, between traces and between the seeds of a trace (`means_from_pilot`); from these the power of the paired t test is computed, at
the level that Holm asks of the first of its family. "Better" is said of what is significant, and of nothing else.
"""

from collections import Counter
from math import floor, log2
from typing import Any, NamedTuple

import numpy as np
from scipy.special import chdtri

from core import registry
from core.comparison.comparison import Difference, Rules, compared
from core.progress import counted
from core.report.table import MEAN, SIGNED, WHOLE, Column, Table, corrected_p
from core.serving.rerun import COUNTS, Rerun, tried
from core.serving.rerun_plan import SIDES
from core.statistics.power_difference import Means, items_needed, means_from_pilot, means_power
from core.workbench import Workbench

LEVEL, POWER, SIZE = 0.95, 0.8, 0.05
MANY_SEEDS = 10  # what more seeds would save is told for so many
RULES = Rules(2000, LEVEL, 0)
SCORES, LENGTHS = "scores", "counts"  # families


class MeasureVerdict(NamedTuple):
    """A measure before and after. size: the difference that is to be told, in the unit of the measure. needed: traces for that under
    so many seeds as here, by both ends of the interval of the spread, and under MANY_SEEDS; None: see `traces_needed`."""

    label: str
    before: float | None
    after: float | None
    difference: Difference
    direction: int
    size: float
    sd_traces: float | None
    sd_seeds: float | None
    needed: int | None
    needed_low: int | None
    needed_high: int | None
    needed_many: int | None

    @property
    def word(self) -> str:
        words = ("better", "worse") if self.direction else ("more", "less")
        return self.difference.verdict(LEVEL, words, self.direction or 1)


class RerunVerdict(NamedTuple):
    traces: int
    seeds: int
    differing: int  # answers that the change made another text
    answers: int
    others: int  # changes that were run on some of these traces
    measures: list[MeasureVerdict]


def verdict(made: Rerun, others: int = 0, size: float = SIZE) -> RerunVerdict:
    """size: the difference that is to be told; of a count so large a share of its mean before. others: changes run on these traces."""
    names = list(dict.fromkeys(name for row in made.rows for name in row["before"]))
    values = {name: _values(made, name) for name in names}  # [sides, traces, seeds]
    averaged = {side: {name: _mean(values[name])[at] for name in names} for at, side in enumerate(SIDES)}
    before, after = SIDES
    tests = compared(averaged, RULES, before, family=lambda each: _family(each.measure), unbounded=names)
    differences = {name: tests.differences[after, before, name] for name in names}
    families = Counter(_family(name) for name, each in differences.items() if each.p_holm is not None)
    told = [
        _measure(name, values[name], averaged, differences[name], size, made.seeds, max(1, families[_family(name)]))
        for name in names
    ]
    texts = [pair for row in made.rows for pair in zip(row["before_answers"], row["after_answers"], strict=True)]
    return RerunVerdict(len(made.rows), made.seeds, sum(a != b for a, b in texts), len(texts), others, told)


def _family(name: str) -> str:
    return LENGTHS if _direction(name) == 0 else SCORES


def _direction(name: str) -> int:
    return 0 if name in COUNTS else registry.find("measure", name).direction


def _values(made: Rerun, name: str) -> np.ndarray:
    """[sides, traces, seeds] float64, NaN: not measured on both sides."""
    empty = [None] * made.seeds
    table = np.array([[row[side].get(name, empty) for row in made.rows] for side in SIDES], np.float64)
    return np.where(np.isnan(table).any(axis=0), np.nan, table)


def _mean(table: np.ndarray) -> np.ndarray:
    """Over the seeds that were measured; NaN where none was."""
    there = ~np.isnan(table)
    return np.divide(
        np.nansum(table, axis=-1), there.sum(axis=-1), out=np.full(table.shape[:-1], np.nan), where=there.any(axis=-1)
    )


def _measure(
    name: str, values: np.ndarray, averaged: Any, difference: Difference, size: float, seeds: int, family: int
) -> MeasureVerdict:
    means = [_over_traces(averaged[side][name]) for side in SIDES]
    wanted = size * abs(means[0] or 0.0) if name in COUNTS else size
    gaps = values[1] - values[0]
    measured = int((~np.isnan(gaps)).any(axis=1).sum())
    pilot = means_from_pilot(gaps, seeds) if measured > 1 else None
    level, ends = (1 - LEVEL) / family, spread_ends(measured) if pilot else ()
    return MeasureVerdict(
        COUNTS.get(name) or registry.find("measure", name).label,
        *means,
        difference,
        _direction(name),
        wanted,
        pilot and pilot.sd_items,
        pilot.sd_label if pilot and seeds > 1 else None,
        pilot and traces_needed(pilot, wanted, level),
        *([traces_needed(_wider(pilot, end), wanted, level) for end in ends] or (None, None)),
        traces_needed(pilot._replace(annotators=MANY_SEEDS), wanted, level) if pilot and seeds > 1 else None,
    )


def _over_traces(values: np.ndarray) -> float | None:
    return None if np.isnan(values).all() else float(np.nanmean(values))


def traces_needed(pilot: Means, size: float, level: float, power: float = POWER) -> int | None:
    """Traces of which the paired test tells a true mean difference of this size, at this two-sided level and with this power. pilot:
    spread of the differences between traces (sd_items) and between the seeds of a trace (sd_label), and how many seeds each has
    (annotators).

    The t test's power stands for that of the sign flips, which cannot reach the level on fewer than 1 + log2(1 / level) traces. None:
    nothing differed in the pilot, or 100,000 traces do not do.
    """
    design = pilot._replace(difference=size)
    if size <= 0 or not any(pilot[:3]):
        return None
    needed = items_needed(lambda traces: means_power(design, traces, level), power)
    return needed and max(needed, floor(1 + log2(1 / level)) + 1)


def spread_ends(n: int) -> tuple[float, float]:
    """By how much a standard deviation of n values is multiplied at the ends of its LEVEL interval, of normal values (chi-square)."""
    tail = (1 - LEVEL) / 2
    return tuple(float(np.sqrt((n - 1) / chdtri(n - 1, share))) for share in (tail, 1 - tail))


def _wider(pilot: Means, times: float) -> Means:
    return pilot._replace(sd_items=pilot.sd_items * times, sd_label=pilot.sd_label * times)


def sentences(told: RerunVerdict) -> list[str]:
    """What is significant, then what is not and what it would take."""
    if not told.differing:
        return [f"The change leaves all {told.answers:,} answers as they were."]
    made = [f"{told.differing:,} of {told.answers:,} answers changed."]
    made += [_significant(each, told.seeds) for each in told.measures if each.difference.significant(LEVEL)]
    made += [_open(each, told.seeds) for each in told.measures if not each.difference.significant(LEVEL)]
    if told.others:
        many = counted(told.others, "other change")
        made.append(f"{many} tried on these traces: the best of several looks better than it is, so confirm it on other ones.")
    return made


def _significant(each: MeasureVerdict, seeds: int) -> str:
    return f"{each.label}: {each.word} than before on {_of(each.difference, seeds)}, {each.difference.figures}."


def _open(each: MeasureVerdict, seeds: int) -> str:
    paired = each.difference.paired
    if not paired or not paired.n:
        return f"{each.label}: on no trace measured both before and after."
    of, size = _of(each.difference, seeds), f"a difference of {each.size:.3g}"
    if not paired.wins + paired.losses:
        return f"{each.label}: the same before and after on {of}."
    if each.needed is None:
        return f"{each.label}: undecided on {of}; even 100,000 traces would not detect {size}."
    if paired.n >= each.needed:
        return f"{each.label}: not significant on {of}, though {each.needed:,} are enough for {size} at {POWER:.0%} power."
    high = f"{each.needed_high:,}" if each.needed_high else "over 100,000"
    more = f" ({each.needed_low:,} to {high} by the spread's interval)"
    if each.needed_many and each.needed_many < each.needed and seeds < MANY_SEEDS:
        more += f", or {each.needed_many:,} with {MANY_SEEDS} seeds each,"
    return f"{each.label}: undecided on {of}; {size} needs {each.needed:,} traces{more} at {POWER:.0%} power."


def _of(difference: Difference, seeds: int) -> str:
    return counted(difference.paired.n, "trace") + (f" with {seeds} seeds each" if seeds > 1 else "")


def columns() -> tuple[Column, ...]:
    """Of the table of a verdict."""
    return (
        Column("measure", width=150),
        Column("before", format=MEAN),
        Column("after", format=MEAN),
        Column("difference", "", SIGNED),
        Column("low", "From", SIGNED, f"{LEVEL:.0%} interval, over traces."),
        Column("high", "To", SIGNED),
        corrected_p(),
        Column("verdict", width=130),
        Column("n", "Traces", WHOLE, "On which it was measured on both sides."),
        Column("size", "To detect", "%.3g", "The difference to detect."),
        Column("needed", "Needs traces", WHOLE, f"To detect it with {POWER:.0%} power, with as many seeds as here."),
        Column("needed_low", "at least", WHOLE, f"By the {LEVEL:.0%} interval of the spread."),
        Column("needed_high", "at most", WHOLE, "The same; empty: over 100,000."),
        Column("needed_many", f"With {MANY_SEEDS} seeds", WHOLE, "The same, if each were answered under so many seeds."),
        Column("sd_traces", "SD traces", MEAN, "Standard deviation of the true difference between traces."),
        Column("sd_seeds", "SD seeds", MEAN, "Of a difference under one seed around its trace's."),
    )


def table(told: RerunVerdict, name: str = "rerun", command: str = "") -> Table:
    """A row a measure."""
    own = ("before", "after", "size", "needed", "needed_low", "needed_high", "needed_many", "sd_traces", "sd_seeds")
    rows = [
        {
            "measure": each.label,
            **{name: getattr(each, name) for name in own},
            **each.difference.columns(),
            "verdict": each.word,
            "n": each.difference.paired.n if each.difference.paired else 0,
        }
        for each in told.measures
    ]
    note = f"Seeds averaged, paired by trace; bootstrap interval, sign-flip test, Holm's correction; n {told.traces:,}"
    return Table(name, columns(), rows, "Before and after the change", note, command)


def told(workbench: Workbench, made: Rerun, size: float = SIZE) -> dict[str, Any]:
    """As the command line tells it."""
    shown = verdict(made, tried(workbench, made), size)
    about = {"rerun": made.id, "started": made.started, "change": made.change.words, "traces": shown.traces, "seeds": shown.seeds}
    return about | {"left_out": made.left_out, "measures": list(table(shown).rows), "told": sentences(shown)}
