"""Traces of made-up requests, for the tests of what is asked of them."""

from core.serving.spans import TraceSpan

MS = 1_000_000
START = 1_700_000_000 * 10**9


def span(trace: int, number: int, parent: int, name: str, start_ms: float, end_ms: float, kind: str = "other", **attributes):
    """A span by small numbers: trace and span from 1, parent 0 for none; trace n begins n seconds after START."""
    times = (START + trace * 10**9 + round(ms * MS) for ms in (start_ms, end_ms))
    above = f"{parent:016x}" if parent else ""
    return TraceSpan(f"{trace:032x}", f"{number:016x}", above, name, kind, *times, "ok", "", attributes)


def request(trace: int = 1, queue=1.0, dense=6.0, sparse=4.0, rerank=10.0, model=50.0):
    """A request of 1 ms of its own: it waits, searches twice at once, ranks, writes. The model read 100 tokens and wrote 20."""
    searched = queue + max(dense, sparse)
    written = searched + rerank + model
    return [
        span(trace, 1, 0, "request", 0, written + 1),
        span(trace, 2, 1, "queue", 0, queue, "queue"),
        span(trace, 3, 1, "retrieval", queue, searched, "retrieval"),
        span(trace, 4, 3, "dense", queue, queue + dense, "retrieval", depth=50),
        span(trace, 5, 3, "sparse", queue, queue + sparse, "retrieval"),
        span(trace, 6, 1, "rerank", searched, searched + rerank, "reranking", model="cross-encoder"),
        span(trace, 7, 1, "model", searched + rerank, written, "model", input_tokens=100, output_tokens=20, model="smol"),
    ]
