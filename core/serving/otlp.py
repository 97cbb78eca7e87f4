"""Spans as OTLP JSON: written for other programs, read from them, and sent to one.

A text is a TracesData or ExportTraceServiceRequest in JSON (resourceSpans > scopeSpans > spans); a file holds one a line, or a
single one. Sources: docs/specification.md of github.com/open-telemetry/opentelemetry-proto, "JSON Protobuf Encoding" (ids in
hexadecimal, 64-bit numbers as texts, enums as numbers, unknown fields ignored) and "OTLP/HTTP"; specification/protocol/
file-exporter.md of github.com/open-telemetry/opentelemetry-specification.
"""

import json
import os
import re
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from core import files
from core.errors import WorkbenchError
from core.serving.conventions import inward, outward
from core.serving.spans import (
    MOST_AT_ONCE,
    MOST_ATTRIBUTES,
    MOST_EVENTS,
    MOST_NAME,
    MOST_TEXT,
    STATUSES,
    Deliver,
    SpanEvent,
    TraceSpan,
    bounded,
    parents_of,
)

MOST_LINE = 10 << 20  # bytes
MOST_SPANS = 200_000  # of a file
SCOPE = "groundwork"
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
SEND_S = 10.0  # OTLP's usual time limit
TRACE, SPAN = re.compile("[0-9a-f]{32}"), re.compile("[0-9a-f]{16}")
TODO = "Give OTLP JSON: an object with resourceSpans on each line."


class ReadSpans(NamedTuple):
    """notes: what was mended or left out, in words."""

    spans: tuple[TraceSpan, ...]
    services: tuple[str, ...]  # of each span, the program that recorded it
    notes: tuple[str, ...]


def encoded(spans: Sequence[TraceSpan], service: str) -> dict[str, Any]:
    """The spans as one TracesData, with their attributes by both conventions."""
    resource = {"attributes": _pairs({"service.name": service})}
    scope = {"scope": {"name": SCOPE}, "spans": [_span(span) for span in spans]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}


def lines(spans: Sequence[TraceSpan], service: str) -> Iterator[str]:
    """The same as the lines of a file, each short enough to be read again."""
    if not spans:
        return
    line = json.dumps(encoded(spans, service), ensure_ascii=False, separators=(",", ":"))
    if len(spans) > 1 and (len(spans) > MOST_AT_ONCE or len(line.encode("utf-8", "replace")) >= MOST_LINE):
        half = len(spans) // 2
        yield from lines(spans[:half], service)
        yield from lines(spans[half:], service)
    else:
        yield line + "\n"


def read(path: Path) -> ReadSpans:
    """The spans of a file. What a program may have got wrong is mended and told: clocks that run backwards, parents that are not
    there or go round in a circle, spans told twice, texts too long. WorkbenchError names the line of what is no OTLP JSON."""
    spans, services, told, seen = [], [], Counter(), set()
    for where, text in _texts(files.regular(path, TODO)):
        data = files.read_json(text, "The line", of=dict, where=where, todo=TODO, most=MOST_LINE)
        for service, span in _decoded(data, where, told):
            if (span.trace, span.span) in seen:
                told["were there already, and were left out"] += 1
                continue
            seen.add((span.trace, span.span))
            spans.append(span)
            services.append(service)
            if len(spans) > MOST_SPANS:
                raise WorkbenchError(f"It holds more than {MOST_SPANS:,} spans.", where=str(path), todo="Split the file.")
    if not spans:
        raise WorkbenchError("It holds no spans.", where=str(path), todo=TODO)
    parents = parents_of(spans)
    inside = [(span, spans[row]) for span, row in zip(spans, parents.rows.tolist(), strict=True) if row >= 0]
    if beyond := sum(span.start_ns < whole.start_ns or span.end_ns > whole.end_ns for span, whole in inside):
        told["reach beyond the one that they are a part of, and count as far as that goes"] = beyond
    notes = [f"Spans that {what}: {count:,}." for what, count in told.items()]
    return ReadSpans(tuple(spans), tuple(services), (*notes, *parents.notes))


def _texts(path: Path) -> Iterator[tuple[str, bytes]]:
    """(place, text) of the lines that say something; a file whose first line is no whole object is one text."""
    with open(path, "rb") as file:
        first = file.readline(MOST_LINE + 1)
        if first.strip() and not first.rstrip().endswith(b"}"):
            yield str(path), first + file.read(MOST_LINE + 1 - len(first))
            return
        number, line = 1, first
        while line:
            if line.strip():
                yield f"{path}:{number}", line
            number, line = number + 1, file.readline(MOST_LINE + 1)


def _decoded(data: Mapping[str, Any], where: str, told: Counter) -> Iterator[tuple[str, TraceSpan]]:
    if "resourceSpans" not in data:
        other = next((name for name in ("resourceMetrics", "resourceLogs") if name in data), "")
        raise WorkbenchError(f"It holds {other or 'no resourceSpans'}, not traces.", where=where, todo=TODO)
    for resource in _objects(data, "resourceSpans", where):
        about = _attributes(resource.get("resource") or {}, where, told)
        service = str(about.get("service.name", ""))[:MOST_NAME]
        for scope in _objects(resource, "scopeSpans", where):
            for span in _objects(scope, "spans", where):
                yield service, _read_span(span, where, told)


def _objects(of: Any, name: str, where: str) -> list[dict[str, Any]]:
    """A list of objects, empty where there is none."""
    listed = (of.get(name) if isinstance(of, dict) else of) or []
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise WorkbenchError(f"{name} is no list of objects.", where=where, todo=TODO)
    return listed


def _read_span(span: dict[str, Any], where: str, told: Counter) -> TraceSpan:
    trace, own, parent = (str(span.get(name) or "").lower() for name in ("traceId", "spanId", "parentSpanId"))
    name = span.get("name") or ""
    if not TRACE.fullmatch(trace) or not SPAN.fullmatch(own) or (parent and not SPAN.fullmatch(parent)):
        what = "A span's traceId has 32 hexadecimal digits, its spanId and parentSpanId 16"
        raise WorkbenchError(f"{what}: {trace:.40} {own:.20} {parent:.20}.", where=where, todo=TODO)
    if not isinstance(name, str):
        raise WorkbenchError("A span's name is no text.", where=where, todo=TODO)
    start, end = _time(span, "startTimeUnixNano", where), _time(span, "endTimeUnixNano", where)
    if end < start:
        told["ended before they began, and have no length now"] += 1
        end = start
    status = span.get("status") or {}
    code = status.get("code", 0) if isinstance(status, dict) else None
    if type(code) is not int or not 0 <= code < len(STATUSES):
        raise WorkbenchError("A span's status has no code of 0, 1 or 2.", where=where, todo=TODO)
    kind, attributes = inward(_values(span, where))  # before they are cut: a prompt may be an attribute a message
    events = tuple(
        SpanEvent(str(event.get("name") or "")[:MOST_NAME], _time(event, "timeUnixNano", where), _attributes(event, where, told))
        for event in _objects(span, "events", where)[:MOST_EVENTS]
    )
    message = str(status.get("message") or "")[:MOST_TEXT]
    if len(name) > MOST_NAME or len(span.get("events") or ()) > MOST_EVENTS:
        told["had a longer name or more events than are kept"] += 1
    return TraceSpan(
        trace, own, parent, name[:MOST_NAME], kind, start, end, STATUSES[code], message, _cut(attributes, told), events
    )


def _time(of: Mapping[str, Any], name: str, where: str) -> int:
    """Nanoseconds; a text of digits as the encoding has it, or a number."""
    value = of.get(name, 0)
    if isinstance(value, str) and re.fullmatch("[0-9]{1,19}", value):
        value = int(value)
    if type(value) is not int or not 0 <= value < 2**63:
        raise WorkbenchError(f"{name} is no time in nanoseconds: {str(value)[:40]}.", where=where, todo=TODO)
    return value


def _attributes(of: Any, where: str, told: Counter) -> dict[str, Any]:
    return _cut(_values(of, where), told)


def _values(of: Any, where: str) -> dict[str, Any]:
    if not isinstance(of, dict):
        raise WorkbenchError("A resource is no object.", where=where, todo=TODO)
    values = {}
    for pair in _objects(of, "attributes", where):
        if not isinstance(key := pair.get("key"), str):
            raise WorkbenchError("An attribute has no key.", where=where, todo=TODO)
        values[key] = _value(pair.get("value"), where)
    return values


def _cut(values: Mapping[str, Any], told: Counter) -> dict[str, Any]:
    cut = bounded(values)
    if len(values) > MOST_ATTRIBUTES or cut != values:
        told["had more, or longer, attributes than are kept"] += 1
    return cut


def _value(value: Any, where: str) -> Any:
    """The plain value of an AnyValue. A number that is none (NaN) is null."""
    if value is None or value == {}:
        return None
    if isinstance(value, dict) and len(value) == 1:
        [(kind, inner)] = value.items()
        match kind, inner:
            case (("stringValue" | "bytesValue"), str()):
                return inner
            case "boolValue", bool():
                return inner
            case "intValue", int() if not isinstance(inner, bool):
                return inner
            case "intValue", str() if re.fullmatch("-?[0-9]{1,19}", inner):
                return int(inner)
            case "doubleValue", ("NaN" | "Infinity" | "-Infinity"):
                return None
            case "doubleValue", int() | float() if not isinstance(inner, bool):
                return float(inner)
            case "doubleValue", str() if re.fullmatch(r"-?[0-9]{1,309}(\.[0-9]{1,309})?([eE][+-]?[0-9]{1,3})?", inner):
                return float(inner)  # protobuf's JSON has it as a text or a number
            case "arrayValue", dict():
                return [_value(each, where) for each in _objects(inner, "values", where)]
            case "kvlistValue", dict():
                return {str(pair.get("key")): _value(pair.get("value"), where) for pair in _objects(inner, "values", where)}
    raise WorkbenchError(f"An attribute has no value that OTLP knows: {str(value)[:60]}.", where=where, todo=TODO)


def _span(span: TraceSpan) -> dict[str, Any]:
    told = {
        "traceId": span.trace,
        "spanId": span.span,
        "parentSpanId": span.parent,
        "name": span.name,
        "kind": 1,  # internal
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(span.end_ns),
        "attributes": _pairs(outward(span.kind, span.attributes)),
        "events": [
            {"timeUnixNano": str(event.time_ns), "name": event.name, "attributes": _pairs(event.attributes)}
            for event in span.events
        ],
        "status": {"code": STATUSES.index(span.status), **({"message": span.message} if span.message else {})},
    }
    return {name: value for name, value in told.items() if value not in ("", [])}


def _pairs(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": name, "value": _any_value(value)} for name, value in attributes.items()]


def _any_value(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case str():
            return {"stringValue": value}
        case list() | tuple():
            return {"arrayValue": {"values": [_any_value(each) for each in value]}}
        case dict():
            return {"kvlistValue": {"values": _pairs(value)}}
    return {}  # null


def to_file(path: Path, service: str) -> Deliver:
    """Adds each batch to a file of OTLP JSON lines."""

    def deliver(batch: Sequence[TraceSpan], dropped: int) -> int:
        with files.disk_reported("The file of spans", path), open(path, "a", encoding="utf-8", errors="replace") as file:
            file.writelines(lines(batch, service))
        return 0

    return deliver


def endpoint(address: str = "") -> str:
    """Where spans are sent to: to the collector at this address, else to the environment's; "": nowhere."""
    where = "--otlp" if address else ENDPOINT
    address = (address or os.environ.get(ENDPOINT, "")).rstrip("/")
    if address and not re.match("https?://[^/]", address):
        raise WorkbenchError(f"'{address:.80}' is no address.", where=where, todo="Give one as http://localhost:4318.")
    return address and f"{address}/v1/traces"


def to_endpoint(address: str, service: str) -> Deliver:
    """Sends each batch to a collector as JSON over HTTP; what it refuses is counted. It is not sent again: a buffer that waits for
    a collector that is gone would drop what comes meanwhile."""

    def deliver(batch: Sequence[TraceSpan], dropped: int) -> int:
        refused = 0
        for line in lines(batch, service):
            headers = {"Content-Type": "application/json"}
            request = urllib.request.Request(address, line.encode("utf-8", "replace"), headers, method="POST")
            with urllib.request.urlopen(request, timeout=SEND_S) as reply:
                refused += _refused(reply.read(MOST_LINE))
        return min(refused, len(batch))

    return deliver


def _refused(reply: bytes) -> int:
    """Spans that a collector says it rejected ("Partial Success"); a reply that says nothing has taken all."""
    try:
        partial = files.read_json(reply or b"{}", of=dict).get("partialSuccess") or {}
        return max(0, int(partial.get("rejectedSpans") or 0))
    except (WorkbenchError, AttributeError, TypeError, ValueError):
        return 0
