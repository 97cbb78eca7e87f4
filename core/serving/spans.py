"""What a request did and when, as spans: recorded without waiting, and handed on in batches.

A span holds its times, its attributes by the short names of `conventions.py`, and the span that it is a part of; spans of one
request share a trace. `Recorder.span` times a piece of work wherever it runs: the span that is open is known to the task or
thread, and to those that it starts. Each destination has a buffer and a thread of its own, so that a slow one holds up neither
the request nor the others (OTLP specification, "Multi-Destination Exporting"). A full buffer drops, and counts what it drops.
"""

import atexit
import hashlib
import math
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from core.config import PART_KINDS
from core.errors import WorkbenchError
from core.files.ids import id_time, well_formed
from core.pipeline.stages import STAGES
from core.records import Answer, TimedStep
from core.serving.conventions import KINDS

MOST_WAITING = 20_000  # spans in a buffer: some 15 s at 200 requests of 6 spans a second
MOST_AT_ONCE = 5_000  # spans in a batch
READY, EVERY_S = 1_000, 5.0  # a batch is delivered when so many wait, and so often at least
MOST_TEXT = 16_384  # characters of a value; what is longer ends with an ellipsis
MOST_NAME = 256  # characters of a name
MOST_ATTRIBUTES = 128  # of a span or event, as OpenTelemetry's SDKs have it
MOST_EVENTS = 128  # of a span, likewise
MOST_LISTED, DEEPEST = 1024, 6  # values of a list or mapping in an attribute, and how deep these lie in one another
STATUSES = ("unset", "ok", "error")


class SpanEvent(NamedTuple):
    name: str
    time_ns: int
    attributes: Mapping[str, Any] = {}


class TraceSpan(NamedTuple):
    """A piece of work on one request. Times are nanoseconds since 1970 (UTC), and the end is not before the start."""

    trace: str  # 32 hexadecimal digits
    span: str  # 16
    parent: str  # "": the request as a whole
    name: str
    kind: str  # of `conventions.KINDS`
    start_ns: int
    end_ns: int
    status: str = "unset"  # of STATUSES
    message: str = ""  # what went wrong
    attributes: Mapping[str, Any] = {}  # plain JSON
    events: tuple[SpanEvent, ...] = ()


class SpanCounts(NamedTuple):
    """What became of the spans that a destination was given; those not named here wait."""

    taken: int
    delivered: int
    dropped: int  # its buffer was full
    failed: int  # they could not be delivered
    error: str = ""  # the last reason


Deliver = Callable[[Sequence[TraceSpan], int], int]  # (batch, spans lost since the last) -> how many of it were refused


class SpanBuffer:
    """Spans on their way to a destination. `put` takes a microsecond; a thread delivers them. A process that is killed loses
    those of the last EVERY_S seconds."""

    def __init__(self, deliver: Deliver, most: int = MOST_WAITING, every_s: float = EVERY_S) -> None:
        self._deliver, self._most, self._every_s = deliver, most, every_s
        self._waiting: list[TraceSpan] = []
        self._taken = self._delivered = self._dropped = self._failed = self._told = 0  # told: lost, and handed on as such
        self._error, self._sending = "", 0  # spans that the destination is being given
        self._lock, self._wake, self._closed = threading.Lock(), threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()
        atexit.register(self.close)  # what waits when the process ends is delivered

    def put(self, span: TraceSpan) -> None:
        with self._lock:
            self._taken += 1
            if self._closed or len(self._waiting) >= self._most:
                self._dropped += 1
                return
            self._waiting.append(span)
            ready = len(self._waiting) >= READY
        if ready:
            self._wake.set()

    def counts(self) -> SpanCounts:
        with self._lock:
            return SpanCounts(self._taken, self._delivered, self._dropped, self._failed, self._error)

    def close(self, seconds: float = 10.0) -> SpanCounts:
        """Delivers what waits, and ends. What a destination did not take in time has failed."""
        atexit.unregister(self.close)
        with self._lock:
            self._closed = True
        self._wake.set()
        self._thread.join(seconds)
        with self._lock:
            if left := len(self._waiting) + self._sending:
                self._failed, self._error = self._failed + left, "it took too long"
                self._waiting, self._sending = [], 0
        return self.counts()

    def _run(self) -> None:
        while not (self._closed and not self._waiting):
            self._wake.wait(self._every_s)
            self._wake.clear()
            while self._send():
                pass

    def _send(self) -> bool:
        """Delivers a batch; whether there was one."""
        with self._lock:
            batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
            lost, self._sending = self._dropped + self._failed - self._told, len(batch)
        if not batch:
            return False
        try:
            failed, error = self._deliver(batch, lost), ""
        except Exception as problem:  # whatever a destination raises: the requests go on, and the loss is counted
            failed, error = len(batch), str(problem)
        with self._lock:
            if not self._sending:  # it took too long, and is counted
                return False
            self._sending = 0
            self._failed, self._delivered = self._failed + failed, self._delivered + len(batch) - failed
            self._told += lost if failed < len(batch) else 0
            self._error = error or self._error
        return True


_open: ContextVar["OpenSpan | None"] = ContextVar("open span", default=None)


class OpenSpan:
    """A span that is not over. Its attributes may be added to until then."""

    __slots__ = ("_before", "_clock", "_events", "_recorder", "attributes", "kind", "name", "parent", "span", "start_ns", "trace")

    def __init__(self, recorder: "Recorder", name: str, kind: str, attributes: dict[str, Any]) -> None:
        self._recorder, self.name, self.kind, self.attributes = recorder, name, kind, attributes
        self._events: list[SpanEvent] = []

    def event(self, name: str, **attributes: Any) -> None:
        """Notes that something happens now."""
        if len(self._events) < MOST_EVENTS:
            self._events.append(SpanEvent(name[:MOST_NAME], self._now(), bounded(attributes)))

    def __enter__(self) -> "OpenSpan":
        self._before = _open.get()
        self.trace = self._before.trace if self._before else os.urandom(16).hex()
        self.parent = self._before.span if self._before else ""
        self.span = os.urandom(8).hex()
        _open.set(self)
        self.start_ns, self._clock = time.time_ns(), time.perf_counter_ns()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: Any) -> None:
        end, status, message = self._now(), "ok", ""
        _open.set(self._before)  # not by a token: a stream may be closed by another task than the one that opened it
        if kind is not None:
            status, message = "error", f"{kind.__name__}: {error}"[:MOST_TEXT]
            self.attributes["error_type"] = kind.__name__
        own = self.trace, self.span, self.parent, self.name[:MOST_NAME], self.kind, self.start_ns, end
        self._recorder.hand_on(TraceSpan(*own, status, message, bounded(self.attributes), tuple(self._events)))

    def _now(self) -> int:
        """By a clock that nobody sets back."""
        return self.start_ns + time.perf_counter_ns() - self._clock


class Recorder:
    """Hands each span to all its destinations. Any number of threads and tasks may record at once."""

    def __init__(self, destinations: Mapping[str, SpanBuffer]) -> None:
        self._buffers = dict(destinations)
        self._all = tuple(self._buffers.values())

    def span(self, name: str, kind: str = "other", **attributes: Any) -> OpenSpan:
        """Times what is done within it, as a part of the span that is open: `with recorder.span("search", "retrieval") as span:`.

        kind: of `conventions.KINDS`. attributes: by the short names of `conventions.NAMES`, or any other; plain JSON. What is
        raised within marks it as failed, and is raised on.
        """
        if kind not in KINDS:
            raise WorkbenchError(f"There is no kind of span '{kind}'.", todo=f"Kinds: {', '.join(KINDS)}.")
        return OpenSpan(self, name, kind, attributes)

    def record(self, span: TraceSpan) -> None:
        """A span that is over, whose times were measured elsewhere."""
        events = tuple(event._replace(attributes=bounded(event.attributes)) for event in span.events[:MOST_EVENTS])
        self.hand_on(span._replace(attributes=bounded(span.attributes), events=events))

    def hand_on(self, span: TraceSpan) -> None:
        """The same of one whose attributes are bounded."""
        for buffer in self._all:
            buffer.put(span)

    def counts(self) -> dict[str, SpanCounts]:
        """By destination."""
        return {name: buffer.counts() for name, buffer in self._buffers.items()}

    def close(self, seconds: float = 10.0) -> dict[str, SpanCounts]:
        """Delivers what waits; spans that come later are dropped, and counted."""
        return {name: buffer.close(seconds) for name, buffer in self._buffers.items()}


def bounded(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The first MOST_ATTRIBUTES of them as plain JSON, with texts cut to MOST_TEXT characters, lists to MOST_LISTED values and what
    lies DEEPEST in one another to a text: no request can fill a buffer, and no value can keep a batch from being recorded."""
    return {str(name)[:MOST_NAME]: _plain(value) for name, value in islice(attributes.items(), MOST_ATTRIBUTES)}


def _plain(value: Any, depth: int = 0) -> Any:
    match value:
        case str():
            return value if len(value) <= MOST_TEXT else f"{value[: MOST_TEXT - 1]}…"
        case bool() | None:
            return value
        case int():
            return value if -(2**63) <= value < 2**63 else str(value)
        case float():
            return value if math.isfinite(value) else None
        case dict() if depth < DEEPEST:
            return {str(name)[:MOST_NAME]: _plain(inner, depth + 1) for name, inner in islice(value.items(), MOST_LISTED)}
        case list() | tuple() if depth < DEEPEST:
            return [_plain(inner, depth + 1) for inner in value[:MOST_LISTED]]
    return _plain(value.item()) if isinstance(value, np.generic) else _plain(str(value))


class Parents(NamedTuple):
    """rows: [n] int64, the row of each span's parent, -1 where it has none. notes: what was mended for that, in words."""

    rows: np.ndarray
    notes: tuple[str, ...]


def parents_of(spans: Sequence[TraceSpan]) -> Parents:
    """What each span is a part of, as rows among them. A parent that is not there makes a span the first of its trace, as does a
    circle of parents the earliest span in it; both are told."""
    row_of = {(span.trace, span.span): row for row, span in enumerate(spans)}
    rows = np.array([row_of.get((span.trace, span.parent), -1) if span.parent else -1 for span in spans], np.int64)
    missing = sum(1 for span, row in zip(spans, rows, strict=True) if span.parent and row < 0)
    up = rows.copy()
    for _ in range(len(spans).bit_length()):  # each step looks twice as far: what is left has a circle above it
        up = np.where(up >= 0, up[up], -1)
    circles, free = 0, np.zeros(len(spans), bool)
    for row in np.flatnonzero(up >= 0).tolist():
        walked: dict[int, None] = {}
        while row >= 0 and row not in walked and not free[row]:
            walked[row] = None
            row = int(rows[row])
        if row in walked:
            circle = list(walked)[list(walked).index(row) :]
            rows[min(circle, key=lambda each: spans[each].start_ns)] = -1
            circles += 1
        free[list(walked)] = True
    told = {"Spans that named a parent that is not there, and stand first in their trace now": missing}
    told["Circles of parents, each cut at its earliest span"] = circles
    return Parents(rows, tuple(f"{what}: {count:,}." for what, count in told.items() if count))


def spans_of(answer: Answer) -> tuple[TraceSpan, ...]:
    """An answer's time as a trace: the answer, and in it a span a step, each beginning where the one before ends.

    Of answers from before steps were noted, retrieval, loading, prompt and generation. () where no time was measured. A stored
    answer's end is when it was recorded; of others only durations mean something.
    """
    steps = [step for step in (answer.provenance.steps if answer.provenance else _coarse_steps(answer)) if step.ms > 0]
    if not steps:
        return ()
    name = answer.id or "|".join((answer.text, *(f"{step.name} {step.ms!r}" for step in steps)))
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()
    lengths = [round(step.ms * 1e6) for step in steps]
    start = int(id_time(answer.id).timestamp() * 1000) * 1_000_000 - sum(lengths) if well_formed(answer.id) else 0
    failed = answer.finish_reason.startswith("failed")
    told = {"model": answer.model, "finish_reason": answer.finish_reason, "cost_usd": answer.cost_usd}
    told |= {"input_tokens": answer.prompt_tokens, "output_tokens": answer.answer_tokens, "cached_tokens": answer.reused_tokens}
    told = {key: value for key, value in told.items() if value not in (None, "")}
    ended = ("error", answer.finish_reason) if failed else ("ok", "")
    spans = [TraceSpan(digest[:32], digest[32:48], "", "answer", "other", start, start + sum(lengths), *ended, told)]
    for number, (step, length) in enumerate(zip(steps, lengths, strict=True), 1):
        own = f"{int(digest[32:48], 16) ^ number:016x}"
        spans.append(TraceSpan(digest[:32], own, digest[32:48], step.name, _kind_of(step.name), start, start + length, "ok"))
        if step.name in _WRITTEN:
            spans += _agent_spans(answer, spans[-1])
        start += length
    return tuple(spans)


_WRITTEN = ("first_token", "generation")  # of an answer that comes as a whole the step in which it is written


def _agent_spans(answer: Answer, within: TraceSpan) -> list[TraceSpan]:
    """Of an agent's answer the texts of the model and the calls of tools, one after the other."""
    spans, start = [], within.start_ns
    for number, step in enumerate(answer.detail.get("steps", ()), 1):
        failed = ("error", step["result"]) if step["failed"] else ("ok", "")
        parts = (
            (f"thought {number}", "model", step["seconds"], ("ok", "")),
            (step["tool"], "tool", step["tool_seconds"], failed),
        )
        for name, kind, seconds, ended in parts:
            if seconds > 0:
                end = min(within.end_ns, start + round(seconds * 1e9))
                own = f"{int(within.span, 16) ^ (len(spans) + 1 << 16):016x}"
                told = name.replace("_", " ")
                spans.append(TraceSpan(within.trace, own, within.span, told, kind, start, end, *ended))
                start = end
    return spans


def _coarse_steps(answer: Answer) -> tuple[TimedStep, ...]:
    written = ("generation",) if not answer.first_token_ms else ("first_token", "writing")
    times = {"retrieval": answer.retrieval_ms, "loading": answer.loading_ms, "context": answer.context_ms}
    times |= {"first_token": answer.first_token_ms, "writing": answer.generation_ms - answer.first_token_ms}
    times["generation"] = answer.generation_ms
    return tuple(TimedStep(name, times[name]) for name in ("retrieval", "loading", "context", *written))


_STEP_KINDS = {
    "encode": "embedding",
    "retrieval": "retrieval",
    "first_token": "model",
    "writing": "model",
    "generation": "model",
}  # of steps that are no stage; stages are of the kind that their part is
_PART_SPANS = {
    "retriever": "retrieval",
    "sparse": "retrieval",
    "index": "retrieval",
    "fusion": "retrieval",
    "reranker": "reranking",
}


def _kind_of(step: str) -> str:
    stage = next((stage for stage in STAGES if stage.name == step), None)
    return _STEP_KINDS.get(step) or _PART_SPANS.get(PART_KINDS.get(stage.field, "") if stage else "", "other")
