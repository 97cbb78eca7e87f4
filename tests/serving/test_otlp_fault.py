"""Hostile and broken files of spans: an error with its line, or a repair that is told; never a wrong trace."""

import copy
import json
import os
import socket
import time

import pytest

from core.errors import WorkbenchError
from core.serving import otlp
from core.serving.service import Service
from core.serving.spans import MOST_ATTRIBUTES, MOST_EVENTS, MOST_TEXT
from core.serving.stored_spans import recorder
from core.serving.traces import tree, waterfalls
from core.serving.web import ServiceLimits
from tests.serving.test_otlp import OTHER, written
from tests.support.failing import recipe
from tests.support.requests import span

WHOLE = json.dumps(OTHER)


def changed(**fields):
    """The span of OTHER with other fields, as a line."""
    data = copy.deepcopy(OTHER)
    data["resourceSpans"][0]["scopeSpans"][0]["spans"][0].update(fields)
    return json.dumps(data)


def attribute(value):
    return changed(attributes=[{"key": "a", "value": value}])


@pytest.mark.parametrize(("line", "says"), [
    ('{"resourceSpans": [}', "cannot be read"), ("[1]", "holds no mapping"), ("nonsense", "cannot be read"), ("{}", "no resourceSpans"),
    ('{"resourceMetrics": []}', "resourceMetrics, not traces"), ('{"resourceSpans": 3}', "no list of objects"),
    ('{"resourceSpans": [{"scopeSpans": [7]}]}', "no list of objects"), ('{"resourceSpans": [{"resource": [1]}]}', "no object"),
    (changed(traceId="00"), "32 hexadecimal"), (changed(spanId=None), "its spanId"), (changed(parentSpanId="x"), "parentSpanId"),
    (changed(traceId="g" * 32), "32 hexadecimal"), (changed(name=7), "name is no text"),
    (changed(startTimeUnixNano="soon"), "no time"), (changed(startTimeUnixNano=-1), "no time"), (changed(endTimeUnixNano=1.5), "no time"),
    (changed(endTimeUnixNano="9" * 19), "no time"), (changed(startTimeUnixNano=True), "no time"),
    (changed(status={"code": 3}), "code of 0, 1 or 2"), (changed(status={"code": [2]}), "code of 0, 1 or 2"),
    (changed(status="bad"), "code of 0, 1 or 2"),
    (attribute({"intValue": "many"}), "no value that OTLP knows"), (attribute({"stringValue": 1}), "no value"),
    (attribute({"stringValue": "a", "intValue": 1}), "no value"), (attribute(7), "no value"), (attribute({"other": 1}), "no value"),
    (attribute({"doubleValue": float("nan")}), "NaN is no number"),
    (attribute({"doubleValue": 1}).replace(": 1}", ": 1e999}"), "no number"),
    (changed(attributes=[{"value": {}}]), "no key"), (changed(events=[{"timeUnixNano": "x"}]), "no time"),
    ('{"resourceSpans": ' + "[" * 90 + "]" * 90 + "}", "deep"),
])  # fmt: skip
def test_what_is_no_otlp_is_named_by_its_line(tmp_path, line, says):
    path = written(tmp_path / "spans.jsonl", WHOLE, "", line)
    with pytest.raises(WorkbenchError, match=says) as told:
        otlp.read(path)
    assert f"{path}:3" in told.value.where


def test_a_line_is_bounded_and_so_is_a_file(tmp_path, monkeypatch):
    long = attribute({"stringValue": "x" * otlp.MOST_LINE})
    with pytest.raises(WorkbenchError, match="larger than 10 MB"):
        otlp.read(written(tmp_path / "long.jsonl", WHOLE, long))
    monkeypatch.setattr(otlp, "MOST_SPANS", 3)
    many = list(otlp.lines([span(1, n, 0, "x", 0, 1) for n in range(1, 6)], "x"))
    with pytest.raises(WorkbenchError, match="more than 3 spans"):
        otlp.read(written(tmp_path / "many.jsonl", *many))


def test_what_is_too_long_is_cut_and_told(tmp_path):
    attributes = [{"key": f"a{n}", "value": {"stringValue": "x" * (MOST_TEXT + 1)}} for n in range(MOST_ATTRIBUTES + 1)]
    events = [{"name": "e", "timeUnixNano": "1"}] * (MOST_EVENTS + 1)
    read = otlp.read(written(tmp_path / "spans.jsonl", changed(attributes=attributes, events=events, name="n" * 9999)))
    [each] = read.spans
    assert len(each.attributes) == MOST_ATTRIBUTES and len(each.events) == MOST_EVENTS and len(each.name) == 256
    assert set(map(len, each.attributes.values())) == {MOST_TEXT}
    assert len(read.notes) == 2 and all("than are kept" in note for note in read.notes)


def test_circles_of_parents_end(tmp_path):
    ring = [span(1, n, n % 5000 + 1, "x", 0, 1) for n in range(1, 5001)]
    read = otlp.read(written(tmp_path / "spans.jsonl", *otlp.lines([*ring, span(2, 1, 1, "own", 0, 1)], "x")))
    assert read.notes == ("Circles of parents, each cut at its earliest span: 2.",)
    assert len(tree(waterfalls(read.spans[:-1]))) == 5000


def test_a_pipe_a_folder_and_a_file_that_is_not_there_are_no_spans(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, says in ((tmp_path / "pipe", "a pipe"), (tmp_path, "a folder"), (tmp_path / "none", "cannot be read")):
        with pytest.raises(WorkbenchError, match=says):
            otlp.read(path)
    with pytest.raises(WorkbenchError, match="holds no spans"):
        otlp.read(written(tmp_path / "empty.jsonl", "", " ", '{"resourceSpans": []}'))


def test_half_a_surrogate_pair_is_written_and_read(tmp_path):
    deliver = otlp.to_file(tmp_path / "spans.jsonl", "x")
    deliver([span(1, 1, 0, "half \ud800", 0, 1)], 0)
    assert otlp.read(tmp_path / "spans.jsonl").spans[0].name == "half ?"


def test_a_collector_that_hangs_holds_up_no_reply_and_what_it_lost_is_counted(bench, reader, serve):
    with socket.create_server(("127.0.0.1", 0)) as listening:  # it accepts, and says nothing
        spans = recorder(bench.home, address=f"http://127.0.0.1:{listening.getsockname()[1]}")
        client = serve(Service(bench, recipe(), "towns"), ServiceLimits(rate=1e6, burst=1_000_000), recorder=spans)
        asked = [client.post("/search", json={"question": "When does the market of Lund open?"}) for _ in range(20)]
        while spans.counts()["journal"].delivered < spans.counts()["journal"].taken:
            time.sleep(0.01)
        counts = spans.close(0.5)
        assert {each.status_code for each in asked} == {200}
        assert counts["journal"].delivered == counts["journal"].taken >= 20
        assert counts["endpoint"].failed == counts["endpoint"].taken and counts["endpoint"].error == "it took too long"
        assert 'groundwork_spans_total{destination="endpoint",outcome="failed"} 0.0' not in client.get("/metrics").text


def test_the_command_refuses_what_is_no_address(bench):
    with pytest.raises(WorkbenchError, match="is no address") as refused:
        recorder(bench.home, address="collector:4318")
    assert refused.value.where == "--otlp"
