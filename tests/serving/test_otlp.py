"""Spans as OTLP JSON: what is written comes back, what others wrote is read, and a collector gets it."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from core.errors import WorkbenchError
from core.serving import otlp
from core.serving.conventions import KINDS, NAMES, inward, outward
from core.serving.spans import SpanBuffer, SpanEvent
from tests.support.requests import request, span

# as OpenTelemetry's specification of the file exporter has it, shortened
OTHER = {
    "resourceSpans": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
            "scopeSpans": [
                {
                    "scope": {},
                    "spans": [
                        {
                            "traceId": "5B8EFFF798038103D269B633813FC60C",
                            "spanId": "eee19b7ec3c1b174",
                            "parentSpanId": "",
                            "name": "chat gpt-4",
                            "startTimeUnixNano": "1581452772000000321",
                            "endTimeUnixNano": 1581452773000000789,
                            "droppedAttributesCount": 1,
                            "kind": 3,
                            "attributes": [
                                {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
                                {"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4"}},
                                {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "12"}},
                                {"key": "llm.token_count.completion", "value": {"intValue": 8}},
                                {"key": "score", "value": {"doubleValue": "NaN"}},
                                {"key": "nested", "value": {"arrayValue": {"values": [{"boolValue": True}, {}]}}},
                                {
                                    "key": "map",
                                    "value": {"kvlistValue": {"values": [{"key": "a", "value": {"doubleValue": "-1.5e0"}}]}},
                                },
                            ],
                            "events": [{"timeUnixNano": "1581452773000000123", "name": "retry"}],
                            "links": [{"traceId": "", "spanId": ""}],
                            "status": {"message": "cancelled", "code": 2},
                        }
                    ],
                }
            ],
        }
    ]
}


def written(path, *texts):
    path.write_text("\n".join(texts))
    return path


def test_what_is_written_is_read_back(tmp_path):
    odd = span(2, 8, 0, "tool call 😀", 0, 3, "tool", tool="weather", list=[1, "a", None, {"b": 2.5}], none=None, session="s")
    odd = odd._replace(status="error", message="no", events=(SpanEvent("seen", odd.start_ns + 5, {"n": 1}),))
    spans = [*request(), odd, *(span(3, 20 + n, 0, kind, 0, 1, kind) for n, kind in enumerate(KINDS))]
    read = otlp.read(written(tmp_path / "spans.jsonl", *otlp.lines(spans, "groundwork")))
    assert read.spans == tuple(spans) and set(read.services) == {"groundwork"} and read.notes == ()


@pytest.mark.parametrize("indent", [None, 2])
def test_what_others_write_is_read(tmp_path, indent):
    read = otlp.read(written(tmp_path / "other.json", json.dumps(OTHER, indent=indent)))
    [each] = read.spans
    assert (each.trace, each.kind, each.status, each.message) == (
        "5b8efff798038103d269b633813fc60c",
        "model",
        "error",
        "cancelled",
    )
    assert each.attributes == {
        "model": "gpt-4",
        "input_tokens": 12,
        "output_tokens": 8,
        "score": None,
        "nested": [True, None],
        "map": {"a": -1.5},
    }
    assert (each.end_ns - each.start_ns, each.events[0].name, read.services) == (1_000_000_468, "retry", ("shop",))


def test_attributes_leave_by_both_conventions():
    told = outward("model", {"model": "smol", "input_tokens": 3, "own": 1})
    assert told == {
        "groundwork.kind": "model",
        "gen_ai.operation.name": "chat",
        "openinference.span.kind": "LLM",
        "gen_ai.request.model": "smol",
        "llm.model_name": "smol",
        "gen_ai.usage.input_tokens": 3,
        "llm.token_count.prompt": 3,
        "own": 1,
    }
    assert outward("reranking", {"model": "cross"})["reranker.model_name"] == "cross"
    assert inward({"openinference.span.kind": "RERANKER", "reranker.top_k": 5}) == ("reranking", {"depth": 5})
    assert inward({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "x"}) == ("tool", {"tool": "x"})
    assert inward({"openinference.span.kind": "AGENT", "x": 1}) == ("other", {"x": 1})
    for kind in KINDS:
        own = {name.short: 1 for name in NAMES}
        assert inward(outward(kind, own)) == (kind, own)


def test_times_that_run_backwards_and_spans_told_twice_are_mended_and_told(tmp_path):
    first, second = request()[:2]
    spans = [
        first,
        second._replace(end_ns=second.start_ns - 5),
        first,
        span(1, 9, 77, "lost", 0, 1),
        span(1, 8, 1, "late", 60, 90),
    ]
    read = otlp.read(written(tmp_path / "spans.jsonl", *otlp.lines(spans, "x")))
    assert [each.end_ns - each.start_ns for each in read.spans] == [first.end_ns - first.start_ns, 0, 1_000_000, 30_000_000]
    assert read.notes == (
        "Spans that ended before they began, and have no length now: 1.",
        "Spans that were there already, and were left out: 1.",
        "Spans that reach beyond the one that they are a part of, and count as far as that goes: 1.",
        "Spans that named a parent that is not there, and stand first in their trace now: 1.",
    )


def test_long_batches_are_written_as_several_lines(tmp_path):
    many = [span(1, n, 0, "x", 0, 1, input="y" * 9000) for n in range(1, 2001)]
    texts = list(otlp.lines(many, "x"))
    assert len(texts) > 1 and max(len(text.encode()) for text in texts) <= otlp.MOST_LINE
    assert len(otlp.read(written(tmp_path / "spans.jsonl", *texts)).spans) == 2000 and list(otlp.lines([], "x")) == []


class Collector(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, self.headers["Content-Type"], json.loads(body)))
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(json.dumps(self.server.reply).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def collector():
    server = HTTPServer(("127.0.0.1", 0), Collector)
    server.received, server.status, server.reply = [], 200, {}
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def sent(server):
    buffer = SpanBuffer(otlp.to_endpoint(otlp.endpoint(), "groundwork"))
    for each in request():
        buffer.put(each)
    return buffer.close()


def test_a_collector_gets_them_and_what_it_refuses_is_counted(collector, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}/")
    assert sent(collector)[1:4] == (7, 0, 0)
    path, kind, body = collector.received[0]
    assert (path, kind, body) == ("/v1/traces", "application/json", otlp.encoded(request(), "groundwork"))
    collector.reply = {"partialSuccess": {"rejectedSpans": "2", "errorMessage": "too old"}}
    assert sent(collector)[1:4] == (5, 0, 2)
    collector.status = 503
    counts = sent(collector)
    assert counts[1:4] == (0, 0, 7) and "503" in counts.error


def test_an_endpoint_is_an_address(monkeypatch):
    assert otlp.endpoint() == ""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "file:///etc/passwd")
    with pytest.raises(WorkbenchError, match="is no address"):
        otlp.endpoint()
