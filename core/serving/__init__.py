"""Answers served to many at once, and what is watched of them."""

RECORDS = {  # kinds of records that hold many values by key -> what a row of their table is, and its columns
    "spans": (
        "One row a span: a piece of the work on one request, with its start and end. Spans of a trace belong to one request.",
        {
            "key": ("VARCHAR", "Trace and span, with a slash between them."),
            "trace": ("VARCHAR", "Id of the trace, 32 hexadecimal digits."),
            "span": ("VARCHAR", "Id of the span, 16 hexadecimal digits."),
            "parent": ("VARCHAR", "The span that it is a part of; NULL: the request as a whole."),
            "name": ("VARCHAR", "What was done."),
            "kind": ("VARCHAR", "queue, retrieval, embedding, reranking, model, tool or other."),
            "start_ns": ("BIGINT", "Its start, in nanoseconds since 1970 (UTC)."),
            "end_ns": ("BIGINT", "Its end, likewise."),
            "status": ("VARCHAR", "ok, error, or unset where nobody said."),
            "message": ("VARCHAR", "What went wrong; empty where nothing did."),
            "attributes": ("JSON", "What was noted of it, by name: model, input_tokens, output_tokens …"),
            "events": ("JSON", "What happened within it: name, time_ns, attributes."),
            "service": ("VARCHAR", "The program that recorded it."),
            "dropped": ("INTEGER", "Spans lost before this batch, since the one before it: no room, or not written."),
        },
    ),
}  # fmt: skip
