"""How far annotators agree: every coefficient that suits the labels, in words, and alpha as labels came in."""

from collections.abc import Callable, Generator
from typing import NamedTuple

import numpy as np

from core.agreement.sources import groups
from core.annotation.label_table import LabelTable
from core.annotation.study import StopRule
from core.records import Progress
from core.statistics.agreement.alpha import alpha
from core.statistics.agreement.coefficient import Agreement
from core.statistics.agreement.growth import RESAMPLES, growth, met
from core.statistics.agreement.measures import Paradox, measures, paradox
from core.statistics.agreement.ratings import counts
from core.statistics.agreement.words import KRIPPENDORFF, LANDIS_KOCH, krippendorff_words, landis_koch

POINTS = 20  # of the curve of alpha


class Overview(NamedTuple):
    measures: list[Agreement]  # alpha first
    words: dict[str, str]  # coefficient -> the word for its size
    sources: tuple[str, ...]  # of these words
    paradox: Paradox | None
    shares: list[tuple[str, int]]  # labels of each category
    units: int
    annotators: int
    labels: int
    items: int  # that resamples draw


def overview(table: LabelTable, resamples: int = RESAMPLES, seed: int = 0) -> Generator[Progress, None, Overview]:
    """Every coefficient that suits the labels, with its interval by bootstrap over items."""
    of = groups(table)
    yield Progress(0, 1, f"{resamples:,} resamples of {len(set(of)):,} items")
    number = len(table.categories) or None
    rows = measures(table.values, table.level, number, resamples, seed=seed, groups=of)
    words = {row.name: word(row) for row in rows if word(row)}
    used = (KRIPPENDORFF, LANDIS_KOCH)[: 1 + any("kappa" in name or "AC" in name for name in words)] if words else ()
    shares = list(zip(table.categories, map(int, counts(table.values, number).sum(axis=0)), strict=True)) if number else []
    return Overview(
        rows,
        words,
        used,
        paradox(table.values, number) if number else None,
        shares,
        len(table.items),
        len(table.annotators),
        int((~np.isnan(table.values)).sum()),
        len(set(of)),
    )


def word(row: Agreement) -> str:
    """What a coefficient's size means: the word of the value, and of its interval where that spans several."""
    reach = reaches(row)
    return f"{word_of(row)}; its interval reaches from {reach}" if reach else word_of(row)


def word_of(row: Agreement) -> str:
    """The word for the value alone, by the source that coined it; "" for percent agreement and ICC."""
    if row.value is None or not any(name in row.name for name in ("alpha", "kappa", "AC", "Brennan")):
        return ""
    return _scale(row)(row.value)


def reaches(row: Agreement) -> str:
    """The words of both ends of the interval; "" where they are one."""
    if not word_of(row) or row.low is None or _scale(row)(row.low) == _scale(row)(row.high):
        return ""
    ends = [_scale(row)(bound).removesuffix(" enough to draw conclusions") for bound in (row.low, row.high)]
    return " to ".join(end.removesuffix(" conclusions only") for end in ends)


def _scale(row: Agreement) -> Callable[[float], str]:
    return krippendorff_words if "alpha" in row.name else landis_koch


class Growing(NamedTuple):
    points: list[tuple[int, Agreement]]  # (labels so far, alpha then)
    rule: str  # of the study: all_labelled, alpha or half_width
    target: float
    stop_at: int | None  # labels at which the rule was met
    timed: bool  # False: in the order of the file


def growing(table: LabelTable, stop: StopRule, resamples: int = RESAMPLES, seed: int = 0) -> Generator[Progress, None, Growing]:
    """Alpha as labels came in. The rule is looked at from 30 items with two labels on."""
    timed = is_timed(table)
    order = table.when if timed else np.arange(table.values.size, dtype=float).reshape(table.values.shape)
    points = []
    for point in growth(table.values, order, lambda v: alpha(v, table.level), POINTS, resamples, seed=seed, groups=groups(table)):
        yield Progress(len(points), POINTS, "Alpha as labels come in")
        points.append(point)
    stop_at = next((labels for labels, agreement in points if met(stop.kind, stop.value, agreement)), None)
    return Growing(points, stop.kind, stop.value, stop_at, timed)


def is_timed(table: LabelTable) -> bool:
    """Were these labels given one by one under a clock? A file that was imported whole only has the time of the import."""
    return table.seconds is not None and table.when is not None and not np.isnan(table.seconds).all()
