"""Spans in the store: recorded, searched, read back, taken from files and written to them, and the verbs that do it."""

import json

import pytest

from core.__main__ import parse
from core.errors import WorkbenchError
from core.progress import drain
from core.records import Answer, Provenance, TimedStep, plain
from core.serving import otlp, stored_spans
from core.serving.spans import SpanBuffer, SpanEvent
from core.serving.stored_spans import TraceSearch
from core.workbench import Workbench
from tests.support.requests import START, request, span

FAILED = span(9, 1, 0, "index", 0, 300, "tool", model="smol", depth=4)
FAILED = FAILED._replace(status="error", message="Disk gone", events=(SpanEvent("retry", START, {"n": 1}),))


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    recorder = stored_spans.recorder(home, "rehearsal", home / "spans.jsonl")
    for each in (*request(1), *request(2, rerank=100), FAILED):
        recorder.record(each)
    assert {name: counts[:4] for name, counts in recorder.close().items()} == dict.fromkeys(("journal", "file"), (15, 15, 0, 0))
    return Workbench(home)


def told(bench, *words):
    """What the command prints as JSON; for people it is printed too."""
    call = parse(words)
    result = plain(call.work(bench))
    call.verb.show(result)
    return json.loads(json.dumps(result, allow_nan=False, default=str))


def by_id(spans):
    return sorted(spans, key=lambda each: (each.trace, each.span))


def names(rows):
    return [row["trace"][-1] for row in rows]


@pytest.mark.parametrize(("search", "expected"), [
    (TraceSearch(), "921"), (TraceSearch(text="CROSS-enc"), "21"), (TraceSearch(text="disk"), "9"), (TraceSearch(kind="tool"), "9"),
    (TraceSearch(slower_ms=100), "92"), (TraceSearch(failed=True), "9"), (TraceSearch(service="another"), ""),
    (TraceSearch(kind="model", slower_ms=100), "2"), (TraceSearch(text="smol", kind="tool", failed=True, service="rehearsal"), "9"),
    (TraceSearch(text="' OR 1=1 --"), ""),
])  # fmt: skip
def test_traces_are_searched(bench, search, expected):
    assert "".join(names(stored_spans.traces(bench, search))) == expected


def test_a_trace_is_told_with_its_length_and_counts(bench):
    row = stored_spans.traces(bench, most=1)[0]
    assert (row["name"], row["ms"], row["spans"], row["errors"], row["service"]) == ("index", 300, 1, 1, "rehearsal")
    with pytest.raises(WorkbenchError, match="no kind of span"):
        stored_spans.traces(bench, TraceSearch(kind="llm"))


def test_a_request_in_a_client_s_own_trace_is_listed_and_read(tmp_path):
    whole, part = (
        span(1, 2, 1, "/answer", 5, 45, question='What is "with"? See C:\\docs\nüber'),
        span(1, 3, 2, "write", 9, 40, "model"),
    )
    stored_spans.to_journal(tmp_path, "rehearsal")([whole, part], 0)
    bench = Workbench(tmp_path)
    [row] = stored_spans.traces(bench)
    assert (row["name"], row["ms"], row["spans"]) == ("/answer", 40, 2)
    assert stored_spans.latest(bench, "/answer", 1) == (whole, part)
    for text in ('"WITH"', "c:\\docs", "docs\nÜBER"):
        assert len(stored_spans.traces(bench, TraceSearch(text=text))) == 1, text
    assert not stored_spans.traces(bench, TraceSearch(text='"without"'))


def test_what_was_recorded_is_read_back(bench):
    one, nine = f"{1:032x}", f"{9:032x}"
    assert by_id(stored_spans.spans(bench, [one])) == request(1) and stored_spans.spans(bench, [nine]) == (FAILED,)
    assert otlp.read(bench.home / "spans.jsonl").spans == (*request(1), *request(2, rerank=100), FAILED)
    assert {each.trace for each in stored_spans.latest(bench, "request", 1)} == {f"{2:032x}"}
    with pytest.raises(WorkbenchError, match="Several traces begin with '000'"):
        stored_spans.spans(bench, ["000"])
    with pytest.raises(WorkbenchError, match="no trace and no answer 'x'"):
        stored_spans.spans(bench, ["x"])
    with pytest.raises(WorkbenchError, match="No trace of 'other'"):
        stored_spans.latest(bench, "other", 1)


def test_drops_stand_in_the_record_and_are_told(tmp_path, capsys):
    deliver = stored_spans.to_journal(tmp_path, "rehearsal")
    deliver(request(1), 0)
    deliver(request(2), 12)
    bench = Workbench(tmp_path)
    assert stored_spans.dropped(bench) == 12
    told(bench, "serving", "traces")
    assert "Spans lost so far, for want of room or not written: 12." in capsys.readouterr().err


def test_a_recorder_writes_to_the_journal_of_its_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    recorder = stored_spans.recorder(tmp_path)
    with recorder.span("request \ud800", queue=float("inf")), recorder.span("part"):
        pass
    counts = recorder.close()
    assert counts["journal"][:4] == (2, 2, 0, 0) and counts["endpoint"][:4] == (2, 0, 0, 2)
    bench = Workbench(tmp_path)
    assert [row["name"] for row in stored_spans.traces(bench)] == ["request ?"] and drain(bench.store.verify()).ok


def test_a_file_is_taken_in_once_and_written_out(tmp_path, bench):
    path, again = bench.home / "spans.jsonl", tmp_path / "again.jsonl"
    other = Workbench(tmp_path / "other")
    assert told(other, "serving", "import-traces", str(path)) == {"recorded": 15, "there": 0, "traces": 3, "notes": []}
    assert told(other, "serving", "import-traces", str(path))["recorded"] == 0
    ids = [f"{n:032x}" for n in (1, 9)]
    assert "8 spans" in told(other, "serving", "export-traces", str(again), *ids)
    assert set(otlp.read(again).services) == {"rehearsal"}, "the program that recorded them, not the one that wrote the file"
    with pytest.raises(WorkbenchError, match="No trace is named"):  # the file is as it was
        told(other, "serving", "export-traces", str(again))
    assert by_id(otlp.read(again).spans) == [*request(1), FAILED]


def test_a_trace_is_shown_as_a_tree_beside_another_and_against_its_peers(bench, capsys):
    record = told(bench, "serving", "trace", f"{2:032x}", "--beside", f"{1:032x}", "--peers", "10")
    assert [(row["span"], row["depth"], row["own"]) for row in record["spans"]][:3] == [
        ("request", 0, 1),
        ("queue", 1, 1),
        ("retrieval", 1, 0),
    ]
    assert {row["stage"]: row["difference_ms"] for row in record["beside"]}["request > rerank"] == -90
    assert record["peers"][0]["stage"] == "request > rerank" and record["peers"][0]["excess_ms"] == 90
    printed = capsys.readouterr().out
    assert "\n    dense" in printed and "\n  queue" in printed and "cross" not in printed


def test_the_owner_of_the_tail_is_told(tmp_path):
    deliver = stored_spans.to_journal(tmp_path, "x")
    deliver([each for t in range(1, 41) for each in request(t, model=500 if t % 10 == 0 else 50)], 0)
    record = told(Workbench(tmp_path), "serving", "tail", "--percentile", "90")
    assert record["traces"] == 40 and record["owners"][0]["stage"] == "request > model" and record["stages"][0]["traces"] == 40


def test_a_stored_answer_is_a_trace_too(tmp_path):
    bench = Workbench(tmp_path)
    origin = Provenance("tiny", "", (), (TimedStep("sparse", 20.0), TimedStep("writing", 80.0)))
    answer = Answer("It rises.", (), (), "stop", model="smol", prompt_tokens=100, answer_tokens=20, generation_ms=80.0)
    made = bench.store.add("answer", {**plain(answer), "question": "Why?", "provenance": plain(origin)})
    record = told(bench, "serving", "trace", made)
    assert [(row["span"], row["ms"], row["kind"]) for row in record["spans"]] == [
        ("answer", 100, "other"),
        ("sparse", 20, "retrieval"),
        ("writing", 80, "model"),
    ]
    assert record["spans"][0]["tokens"] == 120
    untimed = bench.store.add("answer", {**plain(Answer("", (), (), "abstained")), "question": "Why?"})
    with pytest.raises(WorkbenchError, match="No time of this answer"):
        stored_spans.spans(bench, [untimed])


def test_a_full_disk_is_counted(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    deliver = stored_spans.to_journal(tmp_path, "x")
    monkeypatch.setattr("core.store.journal.take_place", full)
    buffer = SpanBuffer(deliver)
    for each in request():
        buffer.put(each)
    counts = buffer.close()
    assert counts[:4] == (7, 0, 0, 7) and "No space left" in counts.error
