"""What a service did in a window of time: how its requests ended, how long they took stage by stage, what they cost, and whether its
queue's count agrees with its spans."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from core.report.table import COUNT, ONE, PERCENT, TWO, Column, Table, between, between_ms, written
from core.serving.load import SHARES, percentiles
from core.serving.request_trace import REFUSED
from core.serving.served import HOURS, PATHS, ServedRequest, served_requests, since_ns
from core.statistics.proportion import wilson
from core.statistics.queueing import LittlesLaw, littles_law
from core.workbench import Workbench

PERIODS, SAMPLES = 20, 10  # of Little's law: periods, and counts in each
LONG = 20  # mean latencies that a period has to have at least, so that few requests reach beyond it
_STAGES = """
SELECT parts.name AS stage, parts.kind, (parts.end_ns - parts.start_ns) / 1e6 AS ms
FROM spans AS parts JOIN spans AS whole ON whole.trace = parts.trace AND whole.span = parts.parent
WHERE parts.start_ns >= $since AND whole.start_ns >= $since AND whole.name IN (SELECT unnest($paths))
    AND $name IN ('', whole.attributes ->> '$.served_as')
ORDER BY parts.start_ns"""
LATENCY = tuple(
    column
    for name in SHARES
    for column in (
        Column(f"{name}_ms", f"{name} (ms)", ONE, direction=-1),
        Column(f"{name}_bounds", f"{name}, 95%", width=124, help="Its interval; empty: too few requests for it."),
    )
)


class Dashboard(NamedTuple):
    """paths, ends, stages: rows as their tables below name them. law: None where `law_note` says why."""

    hours: float
    requests: int
    paths: list[dict[str, Any]]
    ends: list[dict[str, Any]]
    stages: list[dict[str, Any]]
    law: LittlesLaw | None
    law_note: str

    @property
    def law_sentence(self) -> str:
        """Little's law in words."""
        if self.law is None:
            return self.law_note
        through, difference = self.law.rate * self.law.latency_s, self.law.difference
        said = f"{self.law.in_flight:.3g} requests were in the queue's count; their rate times their latency is {through:.3g}"
        if difference.low is None:
            return f"{said}; the difference has no interval ({difference.note})."
        bounds = f"{written(difference.mean, '%+.2g')} ({between(difference.low, difference.high, '%+.2g')})"
        if self.law.holds:
            return f"{said}. Little's law holds: the difference is {bounds}."
        return f"{said}. Little's law does not hold, the difference is {bounds}: spans were lost, or they time something else."


def dashboard(workbench: Workbench, hours: float = HOURS, name: str = "") -> Dashboard:
    """Of the last hours. name: under which it is served; "": all services."""
    requests = served_requests(workbench, hours, name)
    timed = [each for each in requests if each.path != REFUSED]
    law, note = _law(timed)
    rows = workbench.store.query(_STAGES, {"since": since_ns(hours), "name": name, "paths": list(PATHS)})
    number = sum(each.requests for each in requests)
    return Dashboard(hours, number, _paths(timed), _ends(requests, number), _stages(rows), law, note)


def paths_table(told: Dashboard) -> Table:
    priced = any(row["usd"] is not None for row in told.paths)
    usd = Column("usd", "Cost a question (USD)", "%.5f", "Of those whose cost is known; from the cache nothing.", direction=-1)
    columns = (
        Column("path", "Asked", width=96),
        Column("requests", format=COUNT),
        Column("a_minute", "A minute", TWO, "From the first request to the last."),
        Column("answered", "Answered", PERCENT, "Status 200, of all that were let in.", direction=1),
        Column("cached", "From the cache", PERCENT),
        *([usd] if priced else []),
        *LATENCY,
    )
    return Table("requests_served", columns, _bounded(told.paths), "Requests", f"last {told.hours:g} hours")


def ends_table(told: Dashboard) -> Table:
    columns = (
        Column("end", "How they ended", width=280),
        Column("status", help="Of HTTP."),
        Column("requests", format=COUNT),
        Column("share", format=PERCENT),
        Column("low", "From", PERCENT, "Of its 95% interval."),
        Column("high", "To", PERCENT),
    )
    return Table("request_ends", columns, told.ends, "How requests ended", f"last {told.hours:g} hours")


def stages_table(told: Dashboard) -> Table:
    columns = (Column("stage", width=160), Column("kind", width=110), Column("requests", format=COUNT), *LATENCY)
    return Table("stage_latency", columns, _bounded(told.stages), "Latency by stage", f"last {told.hours:g} hours")


def _bounded(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """With the interval of each percentile in one cell."""
    return [row | {f"{name}_bounds": between_ms(row[f"{name}_low"], row[f"{name}_high"]) for name in SHARES} for row in rows]


def _paths(timed: Sequence[ServedRequest]) -> list[dict[str, Any]]:
    by_path: dict[str, list[ServedRequest]] = defaultdict(list)
    for each in timed:
        by_path[each.path].append(each)
    length_s = timed[-1].start_s - timed[0].start_s if timed else 0.0
    rows = []
    for path, own in sorted(by_path.items(), key=lambda item: -len(item[1])):
        costs = [each.cost_usd for each in own if each.cost_usd is not None]
        row = {"path": path, "requests": len(own), "a_minute": 60 * len(own) / length_s if length_s else None}
        row |= {
            "answered": np.mean([each.status == 200 for each in own]),
            "cached": np.mean([bool(each.cached) for each in own]) if any(each.cached is not None for each in own) else None,
        }
        row |= {"usd": np.mean(costs) if costs else None} | percentiles([each.ms for each in own if each.status == 200])
        rows.append({key: float(value) if isinstance(value, np.floating) else value for key, value in row.items()})
    return rows


def _ends(requests: Sequence[ServedRequest], number: int) -> list[dict[str, Any]]:
    counts: Counter[tuple[str, int]] = Counter()
    for each in requests:
        counts[_end(each), each.status] += each.requests
    rows = []
    for (end, status), count in counts.most_common():
        share = wilson(count, number)
        rows.append({"end": end, "status": status, "requests": count, "share": share.mean, "low": share.low, "high": share.high})
    return rows


def _end(each: ServedRequest) -> str:
    """The way of what was answered, and why another was not."""
    if each.path == REFUSED:
        return {401: "no valid key", 429: "beyond the client's rate"}.get(each.status, "not ready")
    why = {
        422: "not to be answered as it was asked",
        429: "the line was full",
        499: "the client left",
        503: "no way, or too late",
    }
    return why.get(each.status) or each.way or ("done" if each.status < 400 else "failed")


def _stages(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    by_stage: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in rows:
        by_stage[row["stage"], row["kind"]].append(row["ms"])
    return [{"stage": stage, "kind": kind, "requests": len(ms)} | percentiles(ms) for (stage, kind), ms in by_stage.items()]


def _law(timed: Sequence[ServedRequest]) -> tuple[LittlesLaw | None, str]:
    """The queue's own count, which it tells with each reply, against rate and latency of the spans that stood in it."""
    timed = [each for each in timed if each.queue is not None or each.status >= 400]
    marks: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for each in timed:
        if each.queue is not None:
            marks[each.queue].append((each.start_s + each.ms / 1000, each.request_s))
    ends = [at for own in marks.values() for at, _ in own]
    arrivals, latencies = (np.array(column) for column in ([each.start_s for each in timed], [each.ms / 1000 for each in timed]))
    least = PERIODS * LONG * latencies.mean() if len(timed) else 0.0
    lasted = max(ends, default=0.0) - min(ends, default=0.0)
    if len(timed) < 5 * PERIODS or lasted < least:
        needs, has = f"{5 * PERIODS} in line over {least:,.0f} s or more", f"{len(timed):,} over {lasted:,.0f} s"
        return None, f"Too few requests to check Little's law: that takes {needs}, and there are {has}."
    edges = np.linspace(min(ends), max(ends), PERIODS * SAMPLES + 1)
    spent = sum(np.interp(edges, *np.array(sorted(own)).T) for own in marks.values())
    in_flight = np.diff(spent) / np.diff(edges)
    return littles_law(arrivals, latencies, (edges[1:] + edges[:-1]) / 2, in_flight, PERIODS), ""
