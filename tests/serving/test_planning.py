"""What a service would need, drawn from what was measured: against closed forms and a replay by hand."""

import math

import numpy as np
import pytest

from core.errors import WorkbenchError
from core.serving import load, planning, stored_spans
from core.serving.driver import Noted
from core.serving.planning import budget, cache_curve, capacity, capacity_table, points_of
from core.serving.spans import TraceSpan
from core.statistics.queueing import MarkovQueue
from tests.support.failing import recipe

SERVICE_S = 0.1


def loaded(workbench, rate, seconds, ms=100.0, run="run", beside_ms=None, cpu=0.1):
    """A load test as it is recorded: service times are exponential, and nobody waits. beside_ms: what a service that says them takes
    beside them."""
    schedule = np.arange(0.0, seconds, 1 / rate)
    service, n = np.random.default_rng(0).exponential(ms / 1000, len(schedule)), len(schedule)
    done, work = schedule + service + (beside_ms or 0.0) / 1000, np.full(n, np.nan) if beside_ms is None else service
    noted = Noted(schedule, done, done, work, ["200"] * n, [""] * n, np.ones(n, int), np.ones(n, int), cpu)
    plan = load.LoadPlan(url="http://127.0.0.1:8600/search", questions="towns", rates=(rate,), seconds=seconds)
    load.keep(workbench, run, plan, load.point(plan, rate, schedule, noted), schedule, noted)


def test_the_simulated_queue_agrees_with_erlangs_where_service_is_exponential(workbench):
    loaded(workbench, 1.0, 5000)
    slow, fast, over = capacity(points_of(workbench), [1.0, 5.0, 20.0], servers=1, slo_ms=1000.0, hour_usd=0.5)
    assert slow["p95_ms"] == pytest.approx(1000 * MarkovQueue(1.0, SERVICE_S).latency_quantile_s(0.95), rel=0.1)
    assert fast["p95_ms"] == pytest.approx(fast["erlang_p95_ms"], rel=0.15) and fast["p95_ms"] > slow["p95_ms"]
    assert SERVICE_S * 1000 < fast["constant_p95_ms"] < fast["erlang_p95_ms"] and over["constant_p95_ms"] is None
    assert over["p95_ms"] is None and over["machines"] > 2 and over["usd_a_day"] == 12 * over["machines"]
    assert slow["measured_p95_ms"] is not None and fast["measured_p95_ms"] is None and slow["a_day"] == 86_400


def test_what_a_service_takes_beside_a_place_is_not_multiplied_by_the_queue(workbench):
    loaded(workbench, 1.0, 5000, ms=50.0, beside_ms=10.0)
    [point] = points_of(workbench)
    (said,), (unsaid,) = (capacity([each], [16.0], 1, slo_ms=1000.0) for each in (point, point | {"work_s": None}))
    assert said["p95_ms"] == pytest.approx(10 + 1000 * MarkovQueue(16.0, 0.05).latency_quantile_s(0.95), rel=0.15)
    assert unsaid["p95_ms"] > 2 * said["p95_ms"]


def test_a_single_request_slower_than_its_limit_needs_no_number_of_machines(workbench):
    loaded(workbench, 1.0, 100)
    assert capacity(points_of(workbench, "run"), [1.0], 1, slo_ms=1.0)[0]["machines"] is None


def test_a_note_says_why_a_cell_is_empty(workbench):
    loaded(workbench, 1.0, 100)
    told = capacity(points_of(workbench), [1.0, 50.0], 1, slo_ms=1000.0) + capacity(points_of(workbench), [1.0], 2, slo_ms=1.0)
    assert [row["note"] for row in told] == [
        "",
        "more comes than 1 machine can serve; measured: not in this load test",
        "constant times are told of one machine alone; a single request takes longer than 1 ms",
    ]
    assert all(bool(row["note"]) == (None in row.values()) for row in told)
    assert capacity_table(told, 1000.0).columns[-1].key == "note"


def test_a_budget_burns_by_what_is_beyond_the_limit(workbench):
    loaded(workbench, 10.0, 100, ms=1.0)
    loaded(workbench, 20.0, 100, ms=5000.0)
    calm, late = budget(points_of(workbench, "run"), target=0.99, scale=0.001)
    assert (calm["good"], calm["burn"], calm["alerts"]) == (1.0, 0.0, 0)
    assert late["burn"] == pytest.approx((1 - late["good"]) / 0.01, rel=0.02) and late["alerts"] > 0
    assert late["first_alert_s"] < 10


def test_where_the_driver_was_the_limit_neither_budget_nor_capacity_takes_its_numbers(workbench):
    loaded(workbench, 10.0, 100, ms=5000.0, cpu=0.99)
    [alone] = points_of(workbench)
    with pytest.raises(WorkbenchError, match="the load generator was the limit"):
        capacity([alone], [1.0], 1, slo_ms=1000.0)
    loaded(workbench, 20.0, 100, ms=10.0)
    limited, calm = budget(points_of(workbench), target=0.99, scale=0.001)
    assert (limited["good"], limited["burn"], limited["alerts"]) == (None, None, None) and "99% of a core" in limited["note"]
    assert (calm["good"], calm["burn"], calm["alerts"], calm["note"]) == (1.0, 0.0, 0, "") and calm.keys() == limited.keys()
    assert capacity(points_of(workbench), [1.0], 1, slo_ms=1000.0)[0]["p95_ms"] < 100


def test_the_cache_is_replayed_over_the_stored_questions(workbench):
    asked = ["a", "b", "a", "c", "b", "a"]
    for question in asked:
        payload = {
            "question": question,
            "text": "x",
            "config": recipe().model_dump(mode="json"),
            "finish_reason": "stop",
            "hits": [],
            "cited": [],
        }
        workbench.store.add("answer", payload)
    small, large = cache_curve(workbench, "", [1, 3], [math.inf])
    assert (small["replayed"], large["replayed"]) == (0.0, 0.5) and small["questions"] == 6
    assert 0 <= small["predicted"] <= large["predicted"] <= 1


@pytest.mark.parametrize("path", ["/answer", "/v1/chat/completions"])
def test_questions_asked_of_a_service_count_once_and_its_measured_rate_stands_beside(workbench, path):
    recorder = stored_spans.recorder(workbench.home)
    written, before, streams = {"way": "local"}, {"way": "cached"}, {"streamed": True}
    ways = [("a", written), ("a", before), ("b", written | streams), ("a", before | streams)]
    for number, (question, about) in enumerate(ways):
        told = {"question": question, "corpus": "towns", **about}
        trace, whole, at = f"{number + 1:032x}", f"{1:016x}", number * 10**9
        recorder.record(TraceSpan(trace, whole, "", path, "other", at, at + 1, "ok", "", told))
        recorder.record(TraceSpan(trace, f"{2:016x}", whole, "write", "model", at, at + 1, "ok", "", told))
    recorder.close()
    rows = cache_curve(workbench, "towns", [1], [math.inf], {"hits": 3, "misses": 1, "entries": 1})
    assert {row["questions"] for row in rows} == {3} and rows[0]["replayed"] == pytest.approx(2 / 3)
    assert [(row["size"], row["measured"]) for row in rows if row["measured"] is not None] == [(10_000, 0.75)]
    assert cache_curve(workbench, "", [1], [math.inf])[0].keys() == rows[0].keys() - {"measured"}
    with pytest.raises(WorkbenchError, match="Fewer than two questions"):
        cache_curve(workbench, "other", [1], [math.inf])


def test_without_measurements_it_says_which(workbench):
    with pytest.raises(WorkbenchError, match="no such load test"):
        points_of(workbench)
    with pytest.raises(WorkbenchError, match="Fewer than two questions"):
        cache_curve(workbench, "", [1], [math.inf])


def test_numbers_of_which_there_is_no_plan_are_refused(workbench):
    loaded(workbench, 1.0, 100)
    with pytest.raises(WorkbenchError, match="0 is too small"):
        capacity(points_of(workbench), [0.0, 2.0], 1, slo_ms=1000.0)
    for sizes, ages in (([0, 10], [math.inf]), ([10], [math.inf, 0.0])):
        with pytest.raises(WorkbenchError, match="0 is too small"):
            cache_curve(workbench, "", sizes, ages)


def test_a_tail_that_no_number_of_machines_shortens_ends_the_search(monkeypatch):
    """Of 20 times one is slow: their quantile lies between two of them, the simulated one on the slow side."""
    monkeypatch.setattr(planning, "SIMULATED", 2000)
    tried, simulated = [], planning._p95_ms

    def counted(service, rate, servers):
        tried.append(servers)
        assert len(tried) < 30, "it would never end"
        return simulated(service, rate, servers)

    monkeypatch.setattr(planning, "_p95_ms", counted)
    slow_first = [np.roll([1.0, *[0.1] * 19], place) for place in range(20)]
    wanted = next(times for times in slow_first if simulated(times, 1.0, 100) > 200)
    assert np.quantile(wanted, 0.95) < 0.2 and planning._machines(wanted, 1.0, 200.0) is None
