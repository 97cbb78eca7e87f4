"""What people say of answers that a service gave: a thumb, a correction, a comment, each recorded beside the answer's trace."""

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from core.report.table import DAY_TIME, Column, Table
from core.serving.admission import Refusal
from core.serving.served import ServedAnswer, answers_of_traces
from core.store.batches import batches
from core.workbench import Workbench

KIND = "feedback"
MOST_SAID = 10_000  # characters of a correction or a comment
MOST_NAMED = 10  # answers of a trace, of which one has to be chosen
MOST_RECENT = 10_000  # answers that are remembered until their spans are recorded


class FeedbackBook:
    """Takes feedback on answers of this process, and on those whose spans are recorded. For several threads."""

    def __init__(self, workbench: Workbench, most: int = MOST_RECENT) -> None:
        self._workbench, self._most = workbench, most
        self._recent: OrderedDict[str, str] = OrderedDict()  # span -> trace
        self._lock = threading.Lock()

    def served(self, trace: str, span: str) -> None:
        with self._lock:
            self._recent[span] = trace
            if len(self._recent) > self._most:
                self._recent.popitem(last=False)

    def add(self, said: Mapping[str, Any]) -> None:
        """said: trace, span ("" where the trace has one answer), thumb, correction, comment, client. Raises a Refusal where there is no
        such answer, or several."""
        trace, span = said["trace"], said.get("span", "")
        if self._recent.get(span) != trace:
            span = self._named(trace, span)
        row = {**said, "span": span, "said": datetime.now(UTC).isoformat(timespec="milliseconds")}
        batches(self._workbench.home).add(KIND, {f"{trace} {time.time_ns()}": row}, {})

    def _named(self, trace: str, span: str) -> str:
        """The span of the answer that is meant: a client that gives its own trace may ask several times in it."""
        with self._lock:
            recent = [own for own, of in self._recent.items() if of == trace]
        spans = list(dict.fromkeys([*(each.span for each in answers_of_traces(self._workbench, [trace])), *recent]))
        if not spans or (span and span not in spans):
            raise Refusal(404, f"No answer of this service has the trace {trace}{f' and the span {span}' if span else ''}.")
        if not span and len(spans) > 1:
            some = ", ".join(spans[-MOST_NAMED:])
            raise Refusal(
                409, f"The trace {trace} has {len(spans):,} answers: name one by its `span`, as its reply tells it: {some}."
            )
        return span or spans[0]


class FeedbackOn(NamedTuple):
    """The last word that was said of an answer. answer: None where its spans are lost."""

    trace: str
    said: str  # when, in UTC
    thumb: str  # up or down
    correction: str
    comment: str
    client: str
    answer: ServedAnswer | None


def feedback(workbench: Workbench, hours: float, name: str = "") -> list[FeedbackOn]:
    """What was said in the last hours, the newest first. name: of answers served under it; "": of any."""
    since = datetime.now(UTC) - timedelta(hours=hours)
    sql = f"SELECT max_by(key, said) AS key FROM {KIND} WHERE said >= ? GROUP BY trace, span ORDER BY max(said) DESC"
    rows = workbench.store.recorded(KIND, sql, [since.isoformat(timespec="milliseconds")])
    fields, answers = [field for field in FeedbackOn._fields if field != "answer"], {}
    for answer in answers_of_traces(workbench, [row["trace"] for row in rows]):
        answers[answer.trace, answer.span] = answers[answer.trace, ""] = answer
    told: dict[tuple[str, str], FeedbackOn] = {}
    for row in rows:
        answer = answers.get((row["trace"], row.get("span") or ""))
        told.setdefault((row["trace"], answer.span if answer else ""), FeedbackOn(*(row[field] for field in fields), answer))
    return [each for each in told.values() if not name or (each.answer and each.answer.served_as == name)]


def feedback_table(told: Sequence[FeedbackOn]) -> Table:
    columns = (
        Column("said", format=DAY_TIME, width=110),
        Column("thumb", width=70),
        Column("question", width=260),
        Column("answer", width=300),
        Column("correction", width=260),
        Column("comment", width=200),
        Column("way", width=80),
        Column("served_as", "Served as", width=120),
        Column("client", width=100),
        Column("trace", width=280),
    )
    rows = [
        {**each._asdict(), "said": datetime.fromisoformat(each.said)}
        | {"answer": each.answer and each.answer.text, "question": each.answer and each.answer.question}
        | {"way": each.answer and each.answer.way, "served_as": each.answer and each.answer.served_as}
        for each in told
    ]
    return Table("feedback", columns, rows, "Feedback")
