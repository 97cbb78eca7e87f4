"""What is told of a service from its spans: against requests that were made, and against a queue that was simulated."""

import re

import pytest

from core.errors import WorkbenchError
from core.serving.dashboard import dashboard, ends_table, paths_table, stages_table
from core.serving.keys import Keys
from core.serving.request_trace import RefusedRequests
from core.serving.served import names_served, served_answers
from core.serving.service import Service
from core.serving.spans import Recorder, SpanBuffer
from core.serving.stored_spans import export_file, import_file, recorder
from core.serving.web import ServiceLimits
from core.workbench import Workbench
from tests.serving.test_watching import FREE
from tests.support.failing import TEXTS, recipe
from tests.support.served_spans import queue, record, request

LUND, GENT = "When does the market of Lund open?", "When does the market of Gent open?"


def ends(told):
    return {(row["end"], row["status"]): row["requests"] for row in told.ends}


def test_requests_are_told_with_their_ways_stages_and_answers(bench, reader, serve):
    own = recorder(bench.home)
    client = serve(Service(bench, recipe(), "towns"), FREE, recorder=own)
    for question in (LUND, GENT, LUND):
        client.post("/answer", json={"question": question})
    client.post("/answer", json={"question": GENT, "stream": True})
    client.post("/search", json={"question": LUND})
    reader.fails = "failed: no memory"
    client.post("/answer", json={"question": f"{LUND} {GENT}"})  # no model, so the passages alone
    own.close()
    told = dashboard(bench, name="towns")
    assert told.requests == 6 and ends(told) == {("local", 200): 2, ("cached", 200): 2, ("done", 200): 1, ("passages", 206): 1}
    answers, search = told.paths
    assert (answers["path"], answers["requests"], answers["answered"], answers["cached"]) == ("/answer", 5, 0.8, 0.4)
    assert answers["usd"] is None and search["path"] == "/search"  # the model of this machine has no price
    stages = {row["stage"]: row for row in told.stages}
    assert {name: row["requests"] for name, row in stages.items()} == {
        "wait": 5,  # what was answered before is told without a turn
        "search": 4,
        "write": 2,  # what failed was not written
    }
    assert 0 < stages["search"]["p50_ms"] < answers["p95_ms"]
    assert "Too few requests" in told.law_sentence and names_served(bench) == ["towns"]
    lund, gent, *_, again = served_answers(bench)
    assert lund.text == TEXTS["Lund.txt"] == lund.passages[0]["text"] == lund.case.passages[0] and lund.score > 0
    assert (gent.text, again.way, again.score) == (TEXTS["Gent.txt"], "cached", None)
    for table in (paths_table(told), ends_table(told), stages_table(told)):
        assert len({column.title for column in table.columns}) == len(table.columns)  # on a screen a title is a column
    assert [len(table(told).rows) for table in (paths_table, ends_table, stages_table)] == [2, 4, 3]


def test_searches_from_the_cache_are_told_and_where_nothing_is_cached_nothing(bench, reader, serve):
    own, searched = recorder(bench.home), Service(bench, recipe(), "towns")
    client = serve(searched, FREE, recorder=own)
    searched.quick = False  # it stands in line, as on a busy machine
    assert [client.post("/search", json={"question": LUND}).json()["cached"] for _ in range(2)] == [False, True]
    searched.quick = True
    assert client.post("/search", json={"question": LUND}).json()["cached"]
    own.close()
    record(bench, request(9, path="/classify", way=""))
    told = {row["path"]: row["cached"] for row in dashboard(bench, name="towns").paths}
    assert told == {"/search": pytest.approx(2 / 3), "/classify": None}


def test_what_is_turned_away_is_counted_and_no_flood_of_it_fills_the_buffer(bench, reader, serve):
    own, keys = recorder(bench.home), Keys(bench.home)
    client = serve(Service(bench, recipe(), "towns"), ServiceLimits(rate=0.001, burst=1), keys, own)
    assert client.post("/search", json={"question": LUND}).status_code == 401
    mine = {"authorization": f"Bearer {keys.make('me')}"}
    assert [client.post("/search", json={"question": LUND}, headers=mine).status_code for _ in range(4)] == [200, 429, 429, 429]
    own.close()
    told = ends(dashboard(bench))
    assert told["no valid key", 401] == 1 and told["done", 200] == 1 and told["beyond the client's rate", 429] >= 1


def test_refusals_of_a_second_are_one_span(tmp_path):
    spans, now = [], [0.0]
    buffer = SpanBuffer(lambda batch, lost: spans.extend(batch) or 0)
    refusals = RefusedRequests(Recorder({"own": buffer}), {"served_as": "towns"}, lambda: now[0])
    for _ in range(1000):
        refusals.count(429)
    now[0] = 1.5
    refusals.count(429)
    refusals.count(401)
    refusals.count(429)
    refusals.close()
    buffer.close()
    assert [(span.attributes["status"], span.attributes["requests"]) for span in spans] == [
        (429, 1),
        (429, 1000),
        (401, 1),
        (429, 1),
    ]


def test_littles_law_holds_for_a_queue_and_fails_where_spans_are_lost(workbench, tmp_path):
    record(workbench, *queue(4000, rate=4.0))
    told = dashboard(workbench)
    assert told.law.holds and told.law.in_flight == pytest.approx(1.0, rel=0.3)  # M/M/1 at half its load
    assert "Little's law holds" in told.law_sentence
    other = Workbench(tmp_path / "other")
    record(other, *queue(4000, rate=4.0, lost=0.3))
    less = dashboard(other)
    assert less.law.holds is False and less.law.difference.mean == pytest.approx(0.3 * told.law.in_flight, rel=0.3)
    assert "spans were lost" in less.law_sentence
    short = Workbench(tmp_path / "short")
    record(short, *queue(120, rate=4.0))
    said = dashboard(short).law_sentence
    assert re.search(r"100 in line over \d+ s or more, and there are 120 over \d+ s\.$", said), (
        "enough of them, in too short a time"
    )


def test_spans_that_went_out_and_came_in_again_tell_the_same(bench, reader, serve, tmp_path):
    own = recorder(bench.home)
    client = serve(Service(bench, recipe(), "towns"), FREE, recorder=own)
    trace = client.post("/answer", json={"question": LUND}).json()["trace"]
    own.close()
    other, file = Workbench(tmp_path / "other"), tmp_path / "spans.jsonl"
    export_file(bench, file, [trace])
    import_file(other, file)
    assert served_answers(other) == served_answers(bench) and dashboard(other).paths == dashboard(bench).paths


def test_costs_and_ends_are_those_recorded(workbench):
    rows = [request(9, cost_usd=0.02), request(8, cost_usd=0.0, way="cached"), request(7), request(6, status=503, way="")]
    record(workbench, *rows, request(5, status=499), request(4, status=429), request(3600 * 30), request(3, served_as="other"))
    told = dashboard(workbench, name="towns")
    assert told.paths[0]["usd"] == pytest.approx(0.01) and told.paths[0]["answered"] == 0.5 and told.requests == 6
    assert (
        ends(told)["no way, or too late", 503] == ends(told)["the client left", 499] == ends(told)["the line was full", 429] == 1
    )
    assert dashboard(workbench, 48.0).requests == 8


def test_spans_of_other_programs_with_the_same_names_are_not_taken_for_requests(workbench):
    record(workbench, request(5, status="ok", served_as=None), request(5, served_as=None), request(5, status="ok"), request(5))
    assert dashboard(workbench).requests == 1
    for passages in ("none", ["none"], [{"text": "x"}]):
        record(workbench, request(5, answer="At five.", passages=passages))
    assert [(each.text, each.passages) for each in served_answers(workbench)] == [("At five.", ())] * 3


def test_an_empty_window_is_told_as_such(workbench):
    told = dashboard(workbench)
    assert (told.requests, told.paths, told.stages, names_served(workbench)) == (0, [], [], [])
    with pytest.raises(WorkbenchError, match="holds nothing"):
        dashboard(workbench, 0.0)
