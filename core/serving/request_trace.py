"""A request's trace: the whole, and in it what was done for its question."""

import asyncio
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from core.errors import PromptTooLong, WorkbenchError
from core.serving.admission import Refusal
from core.serving.service import ServedQuestion
from core.serving.spans import Recorder, TraceSpan

# W3C Recommendation "Trace Context", section 3.2: version, trace, span of the caller, flags; later versions may say more
TRACEPARENT = re.compile("(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")
REFUSED = "refused"  # name of the spans of requests that were turned away before they had a question
REFUSED_EVERY_S = 1.0
PASSAGE_FIELDS = ("document", "title", "start", "end", "text")  # of a reply's passages, that are noted with the answer
LEFT = 499  # status of a request whose client left, as nginx has it


class RequestTrace:
    """id: 32 hexadecimal digits, as the reply tells it: the caller's where the request has a traceparent, of whose span it is then a
    part. root: the span of the whole, 16 digits. attributes: of the whole."""

    def __init__(self, path: str, question: ServedQuestion, about: Mapping[str, Any]) -> None:
        caller = TRACEPARENT.fullmatch(question.traceparent)
        self.id, self._parent = caller.groups() if caller else (os.urandom(16).hex(), "")
        self.root, self._path, self.question = os.urandom(8).hex(), path, question
        self.attributes: dict[str, Any] = dict(about)
        self.start_ns = question.now_ns()

    def replied(self, made: Mapping[str, Any], status: int) -> None:
        """Notes what came of it: status and way, what it cost, and an answer with its passages, by which it can be judged later."""
        told: dict[str, Any] = {"status": status, "way": made.get("way", "")}
        if not told["way"] and "cached" in made:  # a search; of an answer the way tells it
            told["cached"] = made["cached"]
        if "cost_usd" in made:
            told["cost_usd"] = made["cost_usd"]
        if made.get("answer"):
            passages = [{name: each[name] for name in PASSAGE_FIELDS} for each in made["passages"]]
            told |= {"answer": made["answer"], "finish_reason": made["finish_reason"], "passages": passages}
        self.attributes |= told

    def spans(self, status: str, message: str = "") -> list[TraceSpan]:
        end_ns = self.question.now_ns()
        told = {"question": self.question.text, "tried": self.question.tried, **self.attributes}
        whole = TraceSpan(self.id, self.root, self._parent, self._path, "other", self.start_ns, end_ns, status, message, told)
        return [whole] + [
            TraceSpan(
                self.id,
                os.urandom(8).hex(),
                self.root,
                mark.name,
                mark.kind,
                mark.start_ns,
                mark.end_ns,
                "ok",
                "",
                mark.attributes,
            )
            for mark in self.question.marks
        ]


@contextmanager
def traced(
    recorder: Recorder | None, path: str, question: ServedQuestion, about: Mapping[str, Any] | None = None
) -> Iterator[RequestTrace]:
    """What is done within; recorded as failed where that raises. about: attributes of the whole."""
    trace, ended = RequestTrace(path, question, about or {}), ("ok", "")
    try:
        yield trace
    except BaseException as error:  # also of a client that left
        why = f"{error.status}: {error.why}" if isinstance(error, Refusal) else f"{type(error).__name__}: {error}"
        ended = "error", why
        trace.attributes["status"] = _status(error)
        raise
    finally:
        if recorder:
            for span in trace.spans(*ended):
                recorder.record(span)


def _status(error: BaseException) -> int:
    if isinstance(error, Refusal):
        return error.status
    if isinstance(error, asyncio.CancelledError | GeneratorExit):
        return LEFT
    return status_of(error) if isinstance(error, WorkbenchError) else 500


def status_of(error: WorkbenchError) -> int:
    """A question that does not fit is its client's; that a corpus or an index is gone, or a disk full, no client can help."""
    return 422 if isinstance(error, PromptTooLong) else 503


class RefusedRequests:
    """Requests that were turned away at the door, as spans: one a second and status at most, with their number, so that a flood of them
    drives no other span out of the buffer."""

    def __init__(self, recorder: Recorder | None, about: Mapping[str, Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._recorder, self._about, self._clock = recorder, about, clock
        self._waiting: Counter[int] = Counter()
        self._told: dict[int, float] = {}

    def count(self, status: int) -> None:
        self._waiting[status] += 1
        if self._clock() - self._told.get(status, -REFUSED_EVERY_S) >= REFUSED_EVERY_S:
            self.tell(status)

    def tell(self, status: int) -> None:
        """Records those of this status that are not recorded yet."""
        number = self._waiting.pop(status, 0)
        self._told[status] = self._clock()
        if self._recorder and number:
            now, about = time.time_ns(), {**self._about, "status": status, "requests": number}
            ids = os.urandom(16).hex(), os.urandom(8).hex()
            self._recorder.record(TraceSpan(*ids, "", REFUSED, "queue", now, now, "error", f"{status}", about))

    def close(self) -> None:
        for status in list(self._waiting):
            self.tell(status)
