"""Traces of requests: listed, looked into, compared; read from other programs and written for them."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from cyclopts.validators import Number

from core.cli.frame import verb
from core.cli.options import Positive
from core.cli.tables import show_parts, show_table
from core.cli.terminal import tell
from core.errors import WorkbenchError

Trace = Annotated[str, Parameter(help="Id of a trace, or its beginning; or of a stored answer.")]
Newest = Annotated[Positive, Parameter(help="So many of the newest traces.")]


@verb("serving traces", show_table)
def traces(
    workbench: Any,
    *,
    text: Annotated[str, Parameter(help="Only with this in a name, a message or an attribute.")] = "",
    kind: Annotated[str, Parameter(help="Only with a span of this kind: queue, retrieval, model …")] = "",
    slower_ms: Annotated[float, Parameter(help="Only those that took longer.", validator=Number(gte=0))] = 0.0,
    failed: Annotated[bool, Parameter(help="Only those in which something failed.")] = False,
    service: Annotated[str, Parameter(help="Only those that this program recorded.")] = "",
    most: Newest = 50,
) -> list[dict[str, Any]]:
    """The stored traces, newest first."""
    from core.serving import stored_spans

    if lost := stored_spans.dropped(workbench):
        tell(f"Spans lost so far, for want of room or not written: {lost:,}.")
    search = stored_spans.TraceSearch(text, kind, slower_ms, failed, service)
    return stored_spans.traces(workbench, search, most)


def show_trace(record: dict[str, Any]) -> None:
    """Each span below the one that it is a part of, then what it was held against."""
    rows = [{**row, "span": "  " * row["depth"] + row["span"], "tokens": row["tokens"] or ""} for row in record["spans"]]
    show_parts({**record, "spans": [{name: row[name] for name in row if name not in ("depth", "id")} for row in rows]})


@verb("serving trace", show_trace)
def trace(
    workbench: Any,
    trace: Trace,
    /,
    *,
    beside: Annotated[str, Parameter(help="Another trace: the differences, stage by stage.")] = "",
    peers: Annotated[
        int, Parameter(help="So many of the newest traces of its name: why it is slow.", validator=Number(gte=0))
    ] = 0,
) -> dict[str, Any]:
    """A trace as a tree: start, length, own time and time on the critical path of each span, in milliseconds."""
    from core.serving import stored_spans
    from core.serving import traces as asked

    spans = stored_spans.spans(workbench, [trace])
    falls = asked.waterfalls(spans)
    record: dict[str, Any] = {"trace": falls.traces[0], "ms": falls.total[0] / 1e6}
    record["spans"] = [
        {
            "span": row.span.name,
            "depth": row.depth,
            "id": row.span.span,
            "kind": row.span.kind,
            "start": row.start_ms,
            "ms": row.ms,
            "own": row.own_ms,
            "critical": row.critical_ms,
            "tokens": asked.tokens_of(row.span),
            "status": row.span.message or row.span.status,
        }
        for row in asked.tree(falls)
    ]
    if beside:
        both = asked.waterfalls((*spans, *stored_spans.spans(workbench, [beside])))
        record["beside"] = [row._asdict() for row in asked.aligned(both, 0, len(both.traces) - 1)]
    if peers:
        name = record["spans"][0]["span"]
        others = [span for span in stored_spans.latest(workbench, name, peers) if span.trace != falls.traces[0]]
        record["peers"] = [row._asdict() for row in asked.slow_against(asked.waterfalls((*spans, *others)), 0)]
    return record


@verb("serving tail", show_parts)
def tail(
    workbench: Any,
    *,
    name: Annotated[str, Parameter(help="Only traces whose first span is called so.")] = "",
    percentile: Annotated[float, Parameter(help="Whose owner is looked for.", validator=Number(gt=0, lt=100))] = 99.0,
    most: Newest = 1000,
) -> dict[str, Any]:
    """The usual waterfall of the newest traces, and which stage owns their slowest: what the percentile loses without its excess."""
    from core.serving import stored_spans
    from core.serving import traces as asked

    falls = asked.waterfalls(stored_spans.latest(workbench, name, most))
    record = {"traces": len(falls.traces), "stages": [bar._asdict() for bar in asked.percentile_waterfall(falls)]}
    return {**record, "owners": [share._asdict() for share in asked.tail_owners(falls, percentile)]}


def show_imported(record: dict[str, Any]) -> None:
    """How much came in, and what was mended."""
    print(f"Recorded {record['recorded']:,} spans of {record['traces']:,} traces; {record['there']:,} were recorded already.")
    print("\n".join(record["notes"]))


@verb("serving import-traces", show_imported)
def import_traces(workbench: Any, file: Path, /) -> Any:
    """Record the spans of a file of OTLP JSON: one object with resourceSpans, or one a line."""
    from core.serving import stored_spans

    return stored_spans.import_file(workbench, file)


@verb("serving export-traces")
def export_traces(workbench: Any, file: Path, /, *traces: Trace) -> str:
    """Write traces as OTLP JSON lines, with attributes named by OpenTelemetry and OpenInference at once."""
    from core.serving import stored_spans

    if not traces:
        raise WorkbenchError("No trace is named to write.", where=str(file), todo="Name some: `serving traces` lists their ids.")
    return f"Wrote {stored_spans.export_file(workbench, file, traces):,} spans to {file}."
