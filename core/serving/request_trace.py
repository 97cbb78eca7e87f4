"""A request's trace: the whole, and in it what was done for its question."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from core.serving.admission import Refusal
from core.serving.service import ServedQuestion
from core.serving.spans import Recorder, TraceSpan

# W3C Recommendation "Trace Context", section 3.2: version, trace, span of the caller, flags; later versions may say more
TRACEPARENT = re.compile("(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")


class RequestTrace:
    """id: 32 hexadecimal digits, as the reply tells it: the caller's where the request has a traceparent, of whose span it is then a
    part. attributes: of the whole."""

    def __init__(self, path: str, question: ServedQuestion) -> None:
        caller = TRACEPARENT.fullmatch(question.traceparent)
        self.id, self._parent = caller.groups() if caller else (os.urandom(16).hex(), "")
        self._root, self._path, self.question = os.urandom(8).hex(), path, question
        self.attributes: dict[str, Any] = {}
        self.start_ns = time.time_ns()

    def spans(self, status: str, message: str = "") -> list[TraceSpan]:
        end_ns = time.time_ns()
        told = {"question": self.question.text, "tried": self.question.tried, **self.attributes}
        whole = TraceSpan(self.id, self._root, self._parent, self._path, "other", self.start_ns, end_ns, status, message, told)
        return [whole] + [
            TraceSpan(
                self.id,
                os.urandom(8).hex(),
                self._root,
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
def traced(recorder: Recorder | None, path: str, question: ServedQuestion) -> Iterator[RequestTrace]:
    """What is done within; recorded as failed where that raises."""
    trace, ended = RequestTrace(path, question), ("ok", "")
    try:
        yield trace
    except Refusal as error:
        ended = "error", f"{error.status}: {error.why}"
        raise
    except BaseException as error:  # also of a client that left
        ended = "error", f"{type(error).__name__}: {error}"
        raise
    finally:
        if recorder:
            for span in trace.spans(*ended):
                recorder.record(span)
