"""Spans in the store: recorded in batches, searched, read back, taken from files and written to them."""

import json
from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from core import files
from core.errors import WorkbenchError
from core.labs.answers.stored import stored
from core.records import Answer, Provenance, TimedStep
from core.serving import otlp
from core.serving.conventions import KINDS
from core.serving.spans import MOST_AT_ONCE, Deliver, Recorder, SpanBuffer, SpanEvent, TraceSpan, spans_of
from core.store.batches import batches
from core.workbench import Workbench

KIND = "spans"
SERVICE = "groundwork"
MOST_READ = 100_000  # spans of the traces that are looked at together
TIMED = (
    "prompt_tokens",
    "answer_tokens",
    "reused_tokens",
    "retrieval_ms",
    "first_token_ms",
    "generation_ms",
    "model",
    "cost_usd",
)


def recorder(home: Path, service: str = SERVICE, file: Path | None = None, address: str = "") -> Recorder:
    """Records spans in the journal of a data folder, and in a file of OTLP lines where one is named; they are also sent to
    the collector at `address`, or that OTEL_EXPORTER_OTLP_ENDPOINT names."""
    destinations = {"journal": to_journal(home, service)}
    if file:
        destinations["file"] = otlp.to_file(file, service)
    if address := otlp.endpoint(address):
        destinations["endpoint"] = otlp.to_endpoint(address, service)
    return Recorder({name: SpanBuffer(deliver) for name, deliver in destinations.items()})


def to_journal(home: Path, service: str) -> Deliver:
    """Records each batch, whole."""

    def deliver(batch: Sequence[TraceSpan], dropped: int) -> int:
        batches(home).add(KIND, _values(batch), {"service": service, "dropped": dropped}, checked=False)
        return 0

    return deliver


def _values(spans: Iterable[TraceSpan]) -> dict[str, dict[str, Any]]:
    return {
        f"{span.trace}/{span.span}": {
            **span._asdict(),
            "parent": span.parent or None,
            "attributes": dict(span.attributes),
            "events": [event._asdict() for event in span.events],
        }
        for span in spans
    }


class TraceSearch(NamedTuple):
    """What traces are looked for by. "" and 0: by nothing."""

    text: str = ""  # in a name, a message or an attribute of one of the spans
    kind: str = ""  # of one of the spans
    slower_ms: float = 0.0  # the trace took longer
    failed: bool = False  # one of the spans did
    service: str = ""


ALL = TraceSearch()
# of a trace; a client that gives its own trace keeps the span that ours are a part of
_FIRST = """
(parent IS NULL OR NOT EXISTS (SELECT 1 FROM spans AS above WHERE above.trace = spans.trace AND above.span = spans.parent))"""
_SUMMARY = f"""
WITH firsts AS (
    SELECT trace, min(start_ns) AS start_ns, arg_min(name, start_ns) AS name, (max(end_ns) - min(start_ns)) / 1e6 AS ms,
        any_value(service) AS service
    FROM spans WHERE {_FIRST} AND $service IN ('', service) GROUP BY trace HAVING ms >= $slower_ms
), newest AS (
    SELECT * FROM firsts{{within}} ORDER BY start_ns DESC, trace LIMIT $most
)
SELECT trace, make_timestamp(any_value(newest.start_ns) // 1000) AS began, any_value(newest.name) AS name, any_value(newest.ms) AS ms,
    count(*) AS spans, count_if(status = 'error') AS errors, any_value(newest.service) AS service
FROM newest JOIN spans USING (trace) GROUP BY trace ORDER BY any_value(newest.start_ns) DESC, trace
"""
_SAYS = """
(contains(lower(name), $text) OR contains(lower(message), $text) OR contains(lower(CAST(attributes AS VARCHAR)), $quoted))"""


def traces(workbench: Workbench, search: TraceSearch = ALL, most: int = 50) -> list[dict[str, Any]]:
    """The stored traces, newest first: trace, began (UTC), name, ms, spans, errors, service. Name and length are those of its first spans,
    whose parent is not recorded."""
    if search.kind not in ("", *KINDS):
        raise WorkbenchError(f"There is no kind of span '{search.kind}'.", where="kind", todo=f"Kinds: {', '.join(KINDS)}.")
    inside = ["kind = $kind"] * bool(search.kind) + ["status = 'error'"] * search.failed + [_SAYS] * bool(search.text)
    within = " AND ".join(f"trace IN (SELECT trace FROM spans WHERE {each})" for each in inside)
    asked = {"service": search.service, "slower_ms": search.slower_ms, "most": most}
    asked |= {"kind": search.kind} if search.kind else {}
    if text := search.text.lower():
        asked |= {"text": text, "quoted": json.dumps(text, ensure_ascii=False)[1:-1]}  # attributes are searched as JSON
    return workbench.store.query(_SUMMARY.format(within=f" WHERE {within}" * bool(within)), asked)


def dropped(workbench: Workbench) -> int:
    """Spans that were lost, as the batches tell: what was lost after the last one is not known here."""
    told = "SELECT coalesce(sum(dropped), 0)::BIGINT AS dropped FROM (SELECT DISTINCT id, dropped FROM spans)"
    return workbench.store.query(told)[0]["dropped"]


def spans(workbench: Workbench, ids: Sequence[str]) -> tuple[TraceSpan, ...]:
    """The spans of these traces. An id is that of a trace, its beginning where no other trace begins so, or a stored answer's."""
    read: list[TraceSpan] = []
    for asked in ids:
        matches = workbench.store.query("SELECT DISTINCT trace FROM spans WHERE starts_with(trace, ?) LIMIT 2", [asked.lower()])
        if len(matches) > 1:
            raise WorkbenchError(f"Several traces begin with '{asked}'.", todo="Give more of the id.")
        read += of_traces(workbench, [matches[0]["trace"]]) if matches else _of_answer(workbench, asked)
    return tuple(read)


def latest(workbench: Workbench, name: str, most: int) -> tuple[TraceSpan, ...]:
    """The spans of the newest traces whose first span has this name, at most MOST_READ; "": of any."""
    asked = f"""
        WITH newest AS (
            SELECT trace, min(start_ns) AS began FROM spans WHERE {_FIRST} AND $name IN ('', name) GROUP BY trace
            ORDER BY began DESC LIMIT $most
        )
        SELECT trace, count(*) AS spans FROM newest JOIN spans USING (trace) GROUP BY trace ORDER BY any_value(began) DESC"""
    rows = workbench.store.query(asked, {"name": name, "most": most})
    sizes = accumulate(row["spans"] for row in rows)
    chosen = [row["trace"] for row, size in zip(rows, sizes, strict=True) if size <= MOST_READ]
    if not chosen:
        todo = "Record some, or import a file: `python -m core serving import-traces FILE`."
        raise WorkbenchError(f"No trace {f'of {name!r} ' if name else ''}is stored.", todo=todo)
    return of_traces(workbench, chosen)


def of_traces(workbench: Workbench, ids: Sequence[str]) -> tuple[TraceSpan, ...]:
    """The spans of the traces with just these ids, by their starts."""
    columns = ", ".join(TraceSpan._fields)
    asked = f"SELECT DISTINCT ON (trace, span) {columns} FROM spans WHERE trace IN (SELECT unnest(?)) ORDER BY start_ns, id"
    return tuple(_span(row) for row in workbench.store.query(asked, [list(ids)]))


def _span(row: dict[str, Any]) -> TraceSpan:
    attributes, events = (files.read_json(row[name] or empty) for name, empty in (("attributes", "{}"), ("events", "[]")))
    told = {"parent": row["parent"] or "", "message": row["message"] or "", "attributes": attributes}
    return TraceSpan(**{**row, **told, "events": tuple(SpanEvent(**event) for event in events)})


def _of_answer(workbench: Workbench, answer_id: str) -> tuple[TraceSpan, ...]:
    """A stored answer's time as a trace."""
    try:
        record = stored(workbench, answer_id)
    except WorkbenchError:
        todo = "`python -m core serving traces` lists the traces stored, `sql 'SELECT id, question FROM answers'` the answers."
        raise WorkbenchError(f"There is no trace and no answer '{answer_id}'.", todo=todo) from None
    steps = tuple(TimedStep(**step) for step in (record["provenance"] or {}).get("steps", ()))
    timed = {name: record[name] for name in TIMED if record.get(name) is not None}
    origin = Provenance("", "", (), steps) if steps else None
    made = spans_of(Answer("", (), (), record["finish_reason"], **timed, provenance=origin, id=answer_id))
    if not made:
        raise WorkbenchError("No time of this answer was noted.", where=answer_id, todo="Ask again: answers are timed now.")
    return made


class ImportedSpans(NamedTuple):
    """What came of a file: spans recorded, those that were already, traces, and what was mended, in words."""

    recorded: int
    there: int
    traces: int
    notes: tuple[str, ...]


def import_file(workbench: Workbench, path: Path) -> ImportedSpans:
    """Records the spans of a file of OTLP JSON that are not recorded yet; all its lines are read before any is."""
    read = otlp.read(path)
    asked = "SELECT key FROM spans WHERE trace IN (SELECT unnest(?))"
    ids = list(dict.fromkeys(span.trace for span in read.spans))
    there = {row["key"] for row in workbench.store.query(asked, [ids])}
    by_service: dict[str, list[TraceSpan]] = {}
    for service, span in zip(read.services, read.spans, strict=True):
        if f"{span.trace}/{span.span}" not in there:
            by_service.setdefault(service, []).append(span)
    for service, new in by_service.items():
        for first in range(0, len(new), MOST_AT_ONCE):
            batch = _values(new[first : first + MOST_AT_ONCE])
            batches(workbench.home).add(KIND, batch, {"service": service, "dropped": 0})
    recorded = sum(map(len, by_service.values()))
    return ImportedSpans(recorded, len(read.spans) - recorded, len(ids), read.notes)


def export_file(workbench: Workbench, path: Path, ids: Sequence[str]) -> int:
    """Writes the spans of these traces as a file of OTLP JSON lines, each under the program that recorded it; returns how many."""
    read = spans(workbench, ids)
    asked = "SELECT trace, span, service FROM spans WHERE trace IN (SELECT unnest(?)) ORDER BY id DESC"  # of two records the first holds
    rows = workbench.store.query(asked, [list({span.trace for span in read})])
    service_of = {(row["trace"], row["span"]): row["service"] for row in rows}
    by_service: dict[str, list[TraceSpan]] = {}
    for span in read:
        by_service.setdefault(service_of.get((span.trace, span.span), SERVICE) or "", []).append(span)
    text = "".join(line for service, own in by_service.items() for line in otlp.lines(own, service))
    files.write_whole(path, text.encode("utf-8", "replace"))
    return len(read)
