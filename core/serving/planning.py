"""What was measured, drawn on: hit rates of a cache by its size, latency and machines by the rate, and how fast a budget burns."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.errors import WorkbenchError
from core.progress import counted
from core.report.table import COUNT, Column, Table
from core.serving.caches import AGE_S, MOST
from core.serving.served import ANSWERING
from core.statistics.burn_rate import alert_times, burn_alerts, burn_rate
from core.statistics.cache_model import che, lru_hits, stack_distances, zipf
from core.statistics.queue_simulation import Station, arrival_times, simulate_queue
from core.statistics.queueing import DeterministicQueue, MarkovQueue
from core.workbench import Workbench

DAY_S, QUANTILE = 86_400.0, 0.95
# what was asked by hand, and of a service; an answer that a service streamed is stored as well, unless it was given before
_ASKED = """
SELECT question, asked_s FROM (
    SELECT question, epoch(created) AS asked_s, dataset FROM answers
    UNION ALL SELECT attributes ->> 'question', start_ns / 1e9, attributes ->> 'corpus' FROM spans
    WHERE name IN (SELECT unnest(?)) AND NOT (attributes ->> 'streamed' IS NOT NULL AND attributes ->> 'way' IN ('remote', 'local'))
) WHERE question IS NOT NULL AND (? = '' OR dataset = ?) ORDER BY asked_s, question
"""
SIMULATED = 20_000  # requests of a rate


def cache_curve(
    workbench: Workbench, dataset: str, sizes: Sequence[int], ages_s: Sequence[float], answers: Mapping[str, int] | None = None
) -> list[dict[str, Any]]:
    """A row a size and age of the answer cache: the hit rate of the stored questions in the order they were asked, replayed, and as Zipf's
    law fitted to their counts and Che's approximation tell it; no model is run. ages_s: inf is for ever. answers: hits and misses of a
    service's answer cache, whose rate stands beside what is told of its size and age."""
    _check("--sizes", sizes, 1)
    _check("--ages", ages_s)
    asked = workbench.store.query(_ASKED, [list(ANSWERING), dataset, dataset])
    sizes, ages_s = (list(dict.fromkeys([*own, *[of] * bool(answers)])) for own, of in ((sizes, MOST), (ages_s, AGE_S)))
    if len(asked) < 2:
        raise WorkbenchError(
            "Fewer than two questions are stored.", where=dataset, todo="Ask some, or name another corpus (--dataset)."
        )
    keys, times = [" ".join(row["question"].split()) for row in asked], [row["asked_s"] for row in asked]
    distances, counts = stack_distances(keys), list(Counter(keys).values())
    law = zipf(counts) if len(set(counts)) > 1 else None  # all asked equally often, nothing tells how often others would be
    rate = len(keys) / max(times[-1] - times[0], 1e-9)
    rows = []
    for age in ages_s:
        for size in sizes:
            hits = distances <= size if math.isinf(age) else lru_hits(keys, size, times, age)
            told = law and che(rate * law.popularity(), min(size, law.items), age).hit_rate
            about = {"size": size, "age_s": None if math.isinf(age) else age, "questions": len(keys)}
            about["exponent"] = law and law.exponent
            there = answers and (size, age) == (MOST, AGE_S) and sum(answers[name] for name in ("hits", "misses"))
            measured = {"measured": answers["hits"] / there if there else None} if answers else {}
            rows.append(about | {"replayed": float(np.mean(hits)), "predicted": told} | measured)
    return rows


def capacity(
    points: Sequence[Mapping[str, Any]], rates: Sequence[float], servers: int, slo_ms: float, hour_usd: float = 0.0
) -> list[dict[str, Any]]:
    """A row a rate: latency of a queue whose service times are those of a load test's slowest rate at which the driver was not the limit
    (`service_times`), simulated with so many servers; beside it Erlang's formula, that of constant times, and what was measured at that
    rate; the fewest machines that hold the p95 below slo_ms, and what they cost a day; a note says why a cell is empty. One request is
    served at a time."""
    _check("--rates", rates)
    lightest = min(points, key=lambda point: (bool(point["limit"]), point["rate"]))
    if lightest["limit"]:
        told = f"At each rate the load generator was the limit, so no service time is known: {lightest['limit']}."
        raise WorkbenchError(told, where=lightest["url"], todo="Load it at a lower rate, or end other work.")
    service, beside_ms = service_times(lightest)
    if len(service) < 2:
        raise WorkbenchError(
            "Fewer than two requests of the slowest rate were answered.",
            where=lightest["url"],
            todo="Load it at a rate that it bears.",
        )
    measured = {point["rate"]: point for point in points}
    rows = []
    for rate in rates:
        fewest = _machines(service, rate, slo_ms - beside_ms)
        queues = [_p95_ms(service, rate, servers), _erlang_ms(service, rate, servers)]
        queues.append(_constant_ms(service, rate) if servers == 1 else None)
        simulated, erlang, constant = (ms and ms + beside_ms for ms in queues)
        there = measured.get(rate, {"p95_ms": None, "limit": "not in this load test"})
        reasons = {
            f"more comes than {counted(servers, 'machine')} can serve": simulated is None,
            "constant times are told of one machine alone": servers > 1,
            f"measured: {there['limit'] or 'too few answers'}": there["p95_ms"] is None,
            f"a single request takes longer than {slo_ms:g} ms": fewest is None,
        }
        rows.append(
            {
                "rate": rate,
                "a_day": rate * DAY_S,
                "p95_ms": simulated,
                "erlang_p95_ms": erlang,
                "constant_p95_ms": constant,
                "measured_p95_ms": there["p95_ms"],
                "machines": fewest,
                "usd_a_day": fewest and 24 * hour_usd * fewest,
                "note": "; ".join(reason for reason, holds in reasons.items() if holds),
            }
        )
    return rows


def _check(option: str, values: Sequence[float], least: float = 0.0) -> None:
    """least: 0: any number above it."""
    for value in values:
        if not (value >= least and value > 0):  # nor NaN
            raise WorkbenchError(
                f"{value:g} is too small.", where=option, todo=f"Give numbers {f'from {least:g} on' if least else 'above 0'}."
            )


def service_times(point: Mapping[str, Any]) -> tuple[np.ndarray, float]:
    """(seconds [n] float64 for which each answered request held its place; ms in the middle that it took beside that and its wait). Where
    the service does not say it, the whole time from sending to the answer, and 0."""
    right = np.array(point["outcome"]) == "200"
    took = (np.array(point["done_s"], float) - np.array(point["sent_s"], float))[right]
    work = np.array(point.get("work_s") or [None] * len(right), float)[right]
    if not len(work) or np.isnan(work).any():
        return took, 0.0
    return work, 1000 * float(np.median(took - work))


def capacity_table(rows: Sequence[dict[str, Any]], slo_ms: float) -> Table:
    columns = (
        Column("rate", "Requests a second", "%.1f"),
        Column("a_day", "A day", COUNT),
        Column("p95_ms", "p95 (ms)", "%.0f", "Simulated with one machine.", direction=-1),
        Column(
            "erlang_p95_ms", "By Erlang's formula (ms)", "%.0f", "With exponential service times of the same mean.", direction=-1
        ),
        Column(
            "constant_p95_ms",
            "Were they all alike (ms)",
            "%.0f",
            "M/D/1: every request takes the mean service time.",
            direction=-1,
        ),
        Column("measured_p95_ms", "Measured (ms)", "%.0f", "In this load test, where it had that rate.", direction=-1),
        Column("machines", "Machines", COUNT, f"The fewest that hold the p95 below {slo_ms:g} ms."),
        Column("note", help="Why a cell is empty."),
    )
    return Table("capacity", columns, rows, "Capacity")


def budget(points: Sequence[Mapping[str, Any]], target: float, scale: float) -> list[dict[str, Any]]:
    """A row a rate of the load test: share of requests within its SLO against the target, how fast that burns the error budget, and the
    alerts of the SRE workbook's windows, times `scale`, with the seconds until the first; where the driver was the limit no number."""
    rows = []
    for point in points:
        row = dict.fromkeys(("rate", "good", "target", "burn", "alerts", "severity", "first_alert_s", "note"))
        rows.append(row | {"rate": point["rate"], "target": target, "note": point["limit"]})
        if point["limit"]:
            continue
        times = np.asarray(point["intended_s"], float)
        limit = point["slo_ms"] / 1000
        good = [
            outcome == "200" and done is not None and done - start <= limit
            for start, done, outcome in zip(point["intended_s"], point["done_s"], point["outcome"], strict=True)
        ]
        bad = 1.0 - np.array(good, float)
        alerts = burn_alerts(times, bad, target, scale)
        whole = burn_rate(times, bad, target, float(times[-1] - times[0]) + 1e-9, times[-1:])[0]
        rows[-1] |= {
            "good": float(1 - bad.mean()),
            "burn": float(whole),
            "alerts": len(alerts),
            "severity": alerts[0].rule.severity if alerts else "",
            "first_alert_s": alert_times(alerts, 0.0, float(times[-1])).detection_s,
        }
    return rows


def _machines(service: np.ndarray, rate: float, slo_ms: float) -> int | None:
    """The fewest servers whose p95 is below slo_ms; None: it is above it where nobody waits."""
    if _p95_ms(service, rate, math.inf) > slo_ms:
        return None
    servers = max(1, math.ceil(rate * service.mean()))
    while (told := _p95_ms(service, rate, servers)) is None or told > slo_ms:
        servers += 1
    return servers


def _p95_ms(service: np.ndarray, rate: float, servers: float) -> float | None:
    """None: more comes than is served."""
    if rate * service.mean() >= servers:
        return None
    run = simulate_queue(arrival_times([(SIMULATED / rate, rate)]), {1: service}, Station(servers))
    return 1000 * float(np.quantile(run.latency_s, QUANTILE))


def _erlang_ms(service: np.ndarray, rate: float, servers: int) -> float | None:
    mean = float(service.mean())
    return 1000 * MarkovQueue(rate, mean, servers).latency_quantile_s(QUANTILE) if rate * mean < servers else None


def _constant_ms(service: np.ndarray, rate: float) -> float | None:
    mean = float(service.mean())
    return 1000 * DeterministicQueue(rate, mean).latency_quantile_s(QUANTILE) if rate * mean < 1 else None


def points_of(workbench: Workbench, run: str = "") -> list[dict[str, Any]]:
    """Of a load test, the slowest rate first; "": of the newest."""
    sql = """SELECT key, url, seconds, slo_ms, slo_share FROM load_tests
             WHERE run = CASE WHEN ? = '' THEN (SELECT max_by(run, id) FROM load_tests) ELSE ? END ORDER BY rate"""
    points = workbench.store.recorded("load_tests", sql, [run, run])
    if not points:
        raise WorkbenchError("There is no such load test.", where=run, todo="`python -m core serving load` makes one.")
    return points
