"""What is asked of traces: where a request's time went, what differs between two, which stage owns the slow ones.

A stage is a span's place by names, from the request down: "answer > retrieval > dense". Its time is its own, without that of the
spans within it. Spans that reach beyond the span that they are a part of, as after a clock was set or where work goes on behind
an answer, count as far as that one goes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from core.errors import WorkbenchError
from core.serving.spans import TraceSpan, parents_of
from core.statistics.bootstrap import FEW, limits

MOST_STAGES = 30  # whose removal is looked at: those that take most
THIN_TAIL = 10  # traces beyond a percentile, fewer of which are told
LONGEST_NS = 2.0**63 * 0.9  # of all spans together, which are laid end to end
SHOWN_NAMES = 6  # of a stage, from the last; a chain of calls may be thousands deep


class TraceStage(NamedTuple):
    """A place in traces. above: the number of the stage that it is a part of, -1 of the whole."""

    above: int
    name: str
    kind: str


@dataclass(frozen=True)
class Waterfalls:
    """n spans of t traces as columns, a row a span, and behind them a row for each trace as a whole.

    parent [n + t] int64: a row, -1 of a whole; trace, stage [n + t] int64: numbers; start, end [n + t] int64: nanoseconds since
    the trace began, within those of the parent; tokens [n + t] float64: read and written, NaN where none were counted.
    """

    spans: tuple[TraceSpan, ...]
    traces: tuple[str, ...]
    stages: tuple[TraceStage, ...]
    parent: np.ndarray
    trace: np.ndarray
    stage: np.ndarray
    start: np.ndarray
    end: np.ndarray
    tokens: np.ndarray

    @cached_property
    def depth(self) -> np.ndarray:
        """[n + t] int64: 0 of a trace as a whole."""
        return _depths(self.parent)

    @cached_property
    def own(self) -> np.ndarray:
        """Self time [n + t] int64 ns: that in which none of a span's own parts runs."""
        length, covered = self.end - self.start, np.zeros(len(self.end), np.int64)
        offset = np.cumsum(length) - length  # lays the spans end to end, so that the parts of each lie on a stretch of their own
        order = np.lexsort((self.start, self.parent))
        order = order[self.parent[order] >= 0]
        above = self.parent[order]
        begin = offset[above] + self.start[order] - self.start[above]
        finish = begin + length[order]
        before = np.maximum.accumulate(np.concatenate([[0], finish]))[:-1]
        np.add.at(covered, above, np.maximum(0, finish - np.maximum(begin, before)))
        return length - covered

    @property
    def total(self) -> np.ndarray:
        """[t] int64 ns: the length of each trace."""
        return (self.end - self.start)[len(self.spans) :]

    def number(self, trace: str) -> int:
        """Of a trace among these."""
        if trace not in self.traces:
            raise WorkbenchError(f"There is no trace '{trace}'.", todo="`python -m core serving traces` lists those stored.")
        return self.traces.index(trace)

    def stage_name(self, stage: int) -> str:
        """From the request down; of a deep one its end."""
        names: list[str] = []
        while stage > 0 and len(names) <= SHOWN_NAMES:
            names.append(self.stages[stage].name)
            stage = self.stages[stage].above
        return " > ".join(["…"] * (len(names) > SHOWN_NAMES) + names[:SHOWN_NAMES][::-1]) or "between its parts"


def waterfalls(spans: Sequence[TraceSpan]) -> Waterfalls:
    """The columns of these spans, of any traces, in any order."""
    n, traces = len(spans), tuple(dict.fromkeys(span.trace for span in spans))
    number = {trace: place for place, trace in enumerate(traces)}
    trace = np.array([number[span.trace] for span in spans] + list(range(len(traces))), np.int64)
    rows = parents_of(spans).rows
    parent = np.concatenate([np.where(rows >= 0, rows, n + trace[:n]), np.full(len(traces), -1)]).astype(np.int64)
    start, end = (
        np.array([getattr(span, name) for span in spans] + [0] * len(traces), np.int64) for name in ("start_ns", "end_ns")
    )
    firsts = np.flatnonzero(rows < 0)
    start[n:], end[n:] = np.iinfo(np.int64).max, np.iinfo(np.int64).min
    np.minimum.at(start, n + trace[firsts], start[firsts])
    np.maximum.at(end, n + trace[firsts], end[firsts])
    began = start[n:].copy()
    start, end = start - began[trace], end - began[trace]
    stages, stage = [TraceStage(-1, "", "other")], np.zeros(n + len(traces), np.int64)
    numbers: dict[tuple[int, str], int] = {}
    for level in _levels(_depths(parent))[1:]:
        above = parent[level]
        start[level] = np.clip(start[level], start[above], end[above])
        end[level] = np.clip(end[level], start[level], end[above])
        for row, over in zip(level.tolist(), stage[above].tolist(), strict=True):
            key = over, spans[row].name
            if key not in numbers:
                numbers[key] = len(stages)
                stages.append(TraceStage(over, spans[row].name, spans[row].kind))
            stage[row] = numbers[key]
    if (end - start).astype(np.float64).sum() > LONGEST_NS:
        todo = "Ask for other traces: a clock was wrong in some of these."
        raise WorkbenchError("The spans of these traces are together longer than 260 years.", todo=todo)
    tokens = np.array([tokens_of(span) for span in spans] + [None] * len(traces), np.float64)  # None is NaN
    return Waterfalls(tuple(spans), traces, tuple(stages), parent, trace, stage, start, end, tokens)


def tokens_of(span: TraceSpan) -> float | None:
    """Tokens that it read and wrote; None where none were counted."""
    counts = [span.attributes.get(name) for name in ("input_tokens", "output_tokens")]
    counted = [count for count in counts if type(count) in (int, float)]
    return float(sum(counted)) if counted else None


def _depths(parent: np.ndarray) -> np.ndarray:
    depth, up = (parent >= 0).astype(np.int64), parent.copy()
    while (up >= 0).any():  # each step looks twice as far
        above = np.flatnonzero(up >= 0)
        depth[above] += depth[up[above]]
        up[above] = up[up[above]]
    return depth


def _levels(depth: np.ndarray) -> list[np.ndarray]:
    """The rows of each depth, from the top."""
    order = np.argsort(depth, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(depth[order])) + 1)


# A trace ------------------------------------------------------------------------------------------------------------------


class CriticalPath(NamedTuple):
    """What a request waited for: pieces [m] in the order of time, each with its row. Together they are as long as the trace."""

    row: np.ndarray  # [m] int64
    start: np.ndarray  # [m] int64 ns, likewise
    end: np.ndarray


def critical_path(falls: Waterfalls, trace: int = 0) -> CriticalPath:
    """From the end backwards: a span waited for the part of it that ended last, then for the one that ended last before that one
    began; in between for itself.

    Source: Zhang et al. 2022, "CRISP: Critical path analysis of large-scale microservice architectures" (USENIX ATC), section 4.
    """
    inside: dict[int, list[int]] = {}
    rows = np.flatnonzero(falls.trace[: len(falls.spans)] == trace)
    ordered = rows[np.lexsort((falls.start[rows], falls.end[rows]))]  # the last to end is the last of the list
    for row, above in zip(ordered.tolist(), falls.parent[ordered].tolist(), strict=True):
        inside.setdefault(above, []).append(row)
    start, end, top = falls.start.tolist(), falls.end.tolist(), len(falls.spans) + trace
    pieces, open_ = [], [(top, end[top])]
    while open_:
        row, until = open_.pop()
        parts = inside.get(row, [])
        while parts and end[parts[-1]] > until:
            parts.pop()
        begin = end[parts[-1]] if parts else start[row]
        if until > begin:
            pieces.append((row, begin, until))
        if parts:
            last = parts.pop()
            open_ += [(row, start[last]), (last, begin)]
    return CriticalPath(*np.array(pieces[::-1], np.int64).reshape(-1, 3).T)


class TreeRow(NamedTuple):
    """A span in the order of a tree, with its times in milliseconds since the trace began."""

    span: TraceSpan
    row: int
    depth: int
    start_ms: float
    ms: float
    own_ms: float
    critical_ms: float  # of it the request waited for


def tree(falls: Waterfalls, trace: int = 0) -> list[TreeRow]:
    """The spans of a trace, each above its parts, by their start."""
    inside: dict[int, list[int]] = {}
    rows = np.flatnonzero(falls.trace[: len(falls.spans)] == trace)
    for row in rows[np.argsort(-falls.start[rows], kind="stable")].tolist():
        inside.setdefault(int(falls.parent[row]), []).append(row)
    path, critical = critical_path(falls, trace), np.zeros(len(falls.end), np.int64)
    np.add.at(critical, path.row, path.end - path.start)
    order, waiting = [], list(inside.get(len(falls.spans) + trace, []))
    while waiting:
        order.append(row := waiting.pop())
        waiting += inside.get(row, [])
    ms = [(column[order] / 1e6).tolist() for column in (falls.start, falls.end - falls.start, falls.own, critical)]
    depth = (falls.depth[order] - 1).tolist()
    return [TreeRow(falls.spans[row], row, *told) for row, *told in zip(order, depth, *ms, strict=True)]


# Stages -------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class StageTimes:
    """Traces by stages: what each stage took in each trace. ms, own_ms [t, s] float64: sums over its spans; count [t, s] int64;
    start_ms [t, s]: of the first of them, NaN where there is none; tokens [t, s]: NaN where none were counted."""

    count: np.ndarray
    start_ms: np.ndarray
    ms: np.ndarray
    own_ms: np.ndarray
    tokens: np.ndarray


def stage_times(falls: Waterfalls) -> StageTimes:
    shape = len(falls.traces), len(falls.stages)
    cell = falls.trace * shape[1] + falls.stage

    def summed(values: np.ndarray) -> np.ndarray:
        return np.bincount(cell, values, shape[0] * shape[1]).reshape(shape)

    first = np.full(shape[0] * shape[1], np.inf)
    np.minimum.at(first, cell, falls.start / 1e6)
    count, counted = summed(np.ones(len(cell))).astype(np.int64), summed(~np.isnan(falls.tokens))
    tokens = np.where(counted > 0, summed(np.nan_to_num(falls.tokens)), np.nan)
    started = np.where(count > 0, first.reshape(shape), np.nan)
    return StageTimes(count, started, summed((falls.end - falls.start) / 1e6), summed(falls.own / 1e6), tokens)


class StageDifference(NamedTuple):
    """A stage in two traces; the differences are those of the second from the first. None: it is not there, or not counted."""

    stage: str
    first_ms: float | None
    second_ms: float | None
    difference_ms: float
    own_difference_ms: float  # these sum to the difference of the whole where nothing runs side by side
    first_tokens: float | None
    second_tokens: float | None
    difference_tokens: float | None


def aligned(falls: Waterfalls, first: int, second: int) -> list[StageDifference]:
    """Two traces stage by stage, in the order of their starts."""
    times = stage_times(falls)
    there = np.flatnonzero((times.count[[first, second]] > 0).any(axis=0))
    order = there[np.argsort(np.fmin(times.start_ms[first, there], times.start_ms[second, there]), kind="stable")]

    def value(values: np.ndarray, trace: int, stage: int) -> float | None:
        return float(values[trace, stage]) if times.count[trace, stage] and not np.isnan(values[trace, stage]) else None

    rows = []
    for stage in order.tolist():
        name = falls.stage_name(stage) if stage else "whole"
        tokens = [value(times.tokens, trace, stage) for trace in (first, second)]
        more = None if None in tokens else tokens[1] - tokens[0]
        ms, own = (float(values[second, stage] - values[first, stage]) for values in (times.ms, times.own_ms))
        rows.append(StageDifference(name, value(times.ms, first, stage), value(times.ms, second, stage), ms, own, *tokens, more))
    return rows


class StageBar(NamedTuple):
    """A stage over the traces that have it: medians, and the 95th percentile of its length."""

    stage: str
    kind: str
    start_ms: float
    median_ms: float
    p95_ms: float
    traces: int


def percentile_waterfall(falls: Waterfalls) -> list[StageBar]:
    """The stages of these traces in the order of their median starts."""
    times, bars = stage_times(falls), []
    for stage in range(1, len(falls.stages)):
        there = times.count[:, stage] > 0
        median, p95 = np.quantile(times.ms[there, stage], [0.5, 0.95])
        start, about = np.median(times.start_ms[there, stage]), falls.stages[stage]
        bars.append(StageBar(falls.stage_name(stage), about.kind, float(start), float(median), float(p95), int(there.sum())))
    return sorted(bars, key=lambda bar: bar.start_ms)


class StageExcess(NamedTuple):
    """A stage's own time in a trace, beside that of its peers; where it is not there, it took none."""

    stage: str
    own_ms: float
    median_ms: float
    excess_ms: float
    slower_than: float  # share of the peers in which it took less


def slow_against(falls: Waterfalls, trace: int) -> list[StageExcess]:
    """Why this trace is slow: its stages beside all other traces here, those that took more than usual first."""
    own = stage_times(falls).own_ms
    peers = np.delete(own, trace, axis=0)
    if not len(peers):
        raise WorkbenchError("There is no other trace to hold it against.", todo="Choose more traces.")
    median, slower = np.median(peers, axis=0), (peers < own[trace]).mean(axis=0)
    return [
        StageExcess(
            falls.stage_name(stage),
            *(float(x) for x in (own[trace, stage], median[stage], own[trace, stage] - median[stage], slower[stage])),
        )
        for stage in np.argsort(median - own[trace], kind="stable").tolist()
        if own[trace, stage] or median[stage]
    ]


# The tail -----------------------------------------------------------------------------------------------------------------


class TailShare(NamedTuple):
    """What a percentile would lose if a stage took its median in every trace. share: of the percentile. low, high: 95% interval of
    drop_ms. The drops of several stages need not sum to the whole: two that are slow together each take little away alone."""

    stage: str
    median_ms: float  # of the stage's own time, where it is
    drop_ms: float
    low: float
    high: float
    share: float
    note: str = ""


def tail_owners(falls: Waterfalls, percentile: float = 99.0, resamples: int = 1000, seed: int = 0) -> list[TailShare]:
    """Which stage owns the slow traces: each in turn is given its median length in every trace that has it, the traces are run
    again (`_replayed`), and the percentile of their lengths is taken anew. The largest drop first.

    The interval is the bootstrap's over traces, with the medians as they are; simulated, it held the true drop in 94 to 98% of 200
    runs of 200 to 3,000 traces. Of the stages the MOST_STAGES that take most time.
    """
    total, tail = falls.total / 1e6, 1 - percentile / 100
    least = max(FEW, int(np.ceil(1 / tail - 1e-9)) if tail > 0 else FEW)
    if not 0 < percentile < 100 or len(total) < least:
        raise WorkbenchError(
            f"Percentile {percentile:g} of {len(total):,} traces cannot be computed.",
            where="percentile",
            todo=f"Take {least:,} traces or more, or a lower percentile.",
        )
    times = stage_times(falls)
    there = times.count > 0
    stages = [stage for stage in np.argsort(-times.own_ms.sum(axis=0), kind="stable").tolist() if times.own_ms[:, stage].any()]
    stages = stages[:MOST_STAGES]
    medians = np.array([np.median(times.own_ms[there[:, stage], stage]) for stage in stages])
    lengths = np.column_stack([total, _replayed(falls, times, stages, medians)]).round(6)  # to a nanosecond
    whole = np.quantile(lengths, percentile / 100, axis=0)
    rng, drawn = np.random.default_rng(seed), np.empty((resamples, len(stages)))
    for draw in range(resamples):
        quantiles = np.quantile(lengths[rng.integers(0, len(total), len(total))], percentile / 100, axis=0)
        drawn[draw] = quantiles[0] - quantiles[1:]
    beyond = len(total) * tail
    note = f"rests on {beyond:.0f} traces beyond it" if beyond < THIN_TAIL else ""
    shares = [
        TailShare(
            falls.stage_name(stage),
            float(median),
            float(whole[0] - left),
            float(low),
            float(high),
            float(1 - left / whole[0]),
            note,
        )
        for stage, median, left, low, high in zip(stages, medians, whole[1:], *limits(drawn, len(total)), strict=True)
    ]
    return sorted(shares, key=lambda share: -share.drop_ms)


def _replayed(falls: Waterfalls, times: StageTimes, stages: Sequence[int], medians: np.ndarray) -> np.ndarray:
    """Lengths [t, s] float64 ms of the traces, run again with each stage in turn at its median.

    A part begins as long after the part that had ended last as it did, and a span ends as long after the last of its parts; only
    these stretches, a span's own, are made longer or shorter. So what runs beside a stage is not made shorter with it, and what
    waited for it begins earlier. After Chow et al. 2014, "The Mystery Machine" (OSDI), section 4. A stage that took no time in a
    trace is left so.
    """
    column = np.full(len(falls.stages), -1)
    column[stages] = np.arange(len(stages))
    factor = np.ones(len(falls.end))
    measured = column[falls.stage] >= 0
    took = times.own_ms[falls.trace[measured], falls.stage[measured]]
    factor[measured] = np.divide(medians[column[falls.stage[measured]]], took, out=np.ones_like(took), where=took > 0)
    own_column = column[falls.stage].tolist()

    parent, start, end, factors = falls.parent.tolist(), falls.start.tolist(), falls.end.tolist(), factor.tolist()
    seen, busy, running = start.copy(), start.copy(), [0] * len(start)  # when its last part ended; since when parts run; how many
    mark = np.zeros((len(falls.end), len(stages)))  # anew: when its last part ended
    reach = np.zeros_like(mark)  # anew: when the latest of its parts ended

    def stretch(row: int, until: int) -> np.ndarray:
        gap = np.full(len(stages), (until - seen[row]) / 1e6)
        if own_column[row] >= 0:
            own = max(0, busy[row] - seen[row]) if running[row] else until - seen[row]
            gap[own_column[row]] += own / 1e6 * (factors[row] - 1)
        return gap

    for row, ends in _happenings(falls):
        above = parent[row]
        if ends:
            reach[row] += stretch(row, end[row])
        elif above >= 0:
            mark[row] = reach[row] = mark[above] + stretch(above, start[row])
        if above < 0:
            continue
        if ends:
            mark[above], seen[above], running[above] = reach[row], end[row], running[above] - 1
            np.maximum(reach[above], reach[row], out=reach[above])
        else:
            busy[above] = busy[above] if running[above] else start[row]
            running[above] += 1
    return reach[len(falls.spans) :]


def _happenings(falls: Waterfalls) -> list[tuple[int, bool]]:
    """(row, whether it ends) in the order of time: what ends makes room for what begins then, and a span without length ends after
    it has begun; of what ends at once the parts come first, of what begins at once the whole."""
    rows, empty = np.arange(len(falls.end)), falls.end == falls.start
    time = np.concatenate([falls.start, falls.end])
    turn = np.concatenate([np.ones(len(rows), np.int64), np.where(empty, 2, 0)])
    depth = np.concatenate([falls.depth, -falls.depth])
    order = np.lexsort((depth, turn, time))
    return [(int(place % len(rows)), bool(place >= len(rows))) for place in order]
