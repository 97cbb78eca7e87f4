"""What a service was asked in a window of time, read from its spans: each request as a whole, and the answers among them."""

import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from core import files
from core.errors import WorkbenchError
from core.judging.measure import AnswerCase
from core.serving.request_trace import PASSAGE_FIELDS, REFUSED
from core.workbench import Workbench

HOURS = 24.0
ANSWERING = ("/answer", "/v1/chat/completions")
PATHS = (*ANSWERING, "/search", "/classify")
_REQUESTS = """
WITH wholes AS (
    SELECT trace, span, name AS path, start_ns / 1e9 AS start_s, (end_ns - start_ns) / 1e6 AS ms, json_extract_string(attributes, [
        '$.status', '$.way', '$.served_as', '$.recipe', '$.question', '$.requests', '$.cost_usd', '$.queue.since', '$.queue.request_s',
        '$.cached'
    ]) AS told
    FROM spans WHERE start_ns >= $since AND name IN (SELECT unnest($paths))
)
SELECT trace, span, path, start_s, ms, try_cast(told[1] AS INTEGER) AS status, coalesce(told[2], '') AS way, told[3] AS served_as,
    coalesce(told[4], '') AS recipe, coalesce(told[5], '') AS question, coalesce(try_cast(told[6] AS INTEGER), 1) AS requests,
    try_cast(told[7] AS DOUBLE) AS cost_usd, try_cast(told[8] AS BIGINT) AS queue, try_cast(told[9] AS DOUBLE) AS request_s,
    CASE WHEN told[2] <> '' THEN told[2] = 'cached' ELSE told[10] = 'true' END AS cached
FROM wholes WHERE try_cast(told[1] AS INTEGER) IS NOT NULL AND told[3] IS NOT NULL AND $name IN ('', told[3])
ORDER BY start_s, trace"""
_ANSWERS = """
SELECT spans.trace, span, start_ns / 1e9 AS start_s, (end_ns - start_ns) / 1e6 AS ms, coalesce(attributes ->> '$.question', '') AS question,
    attributes ->> '$.answer' AS text, attributes -> '$.passages' AS passages,
    coalesce(attributes ->> '$.finish_reason', '') AS finish_reason, coalesce(attributes ->> '$.way', '') AS way,
    attributes ->> '$.served_as' AS served_as, coalesce(attributes ->> '$.recipe', '') AS recipe,
    coalesce(attributes ->> '$.arm', '') AS arm, coalesce(attributes ->> '$.shadow_of', '') AS shadow_of, searched.score
FROM spans LEFT JOIN (
    SELECT trace, parent, any_value(try_cast(attributes ->> '$.score' AS DOUBLE)) AS score FROM spans
    WHERE name = 'search' AND start_ns >= $since GROUP BY ALL
) AS searched ON searched.trace = spans.trace AND searched.parent = spans.span
WHERE attributes ->> '$.answer' IS NOT NULL AND name IN (SELECT unnest($paths)) AND attributes ->> '$.served_as' IS NOT NULL
    AND $name IN ('', attributes ->> '$.served_as') AND {which}
ORDER BY start_ns, spans.trace"""


class ServedRequest(NamedTuple):
    """A request as a whole. path: `REFUSED` of requests that were turned away at the door, of which one row tells how many."""

    trace: str
    span: str
    path: str
    start_s: float  # since 1970
    ms: float
    status: int  # of HTTP; of a streamed reply what it would have had
    way: str
    served_as: str
    recipe: str
    question: str
    requests: int
    cost_usd: float | None  # None: not known
    queue: int | None  # which queue it stood in
    request_s: float | None  # that queue's count at its end: see `Admission.request_s`
    cached: bool | None  # whether it was found or answered before; None: it is not told


class ServedAnswer(NamedTuple):
    trace: str  # may be the client's own, of whose work the request is a part
    span: str  # 16 random hexadecimal digits: what is drawn is drawn by them
    start_s: float  # since 1970
    ms: float
    question: str
    text: str
    passages: tuple[dict[str, Any], ...]  # document, title, start, end, text
    finish_reason: str
    way: str
    served_as: str
    recipe: str
    arm: str
    shadow_of: str  # trace of the answer that went out in its place
    score: float | None  # of the best passage; None: nothing was searched for it

    @property
    def case(self) -> AnswerCase:
        """As measures take it."""
        texts = tuple(each["text"] for each in self.passages)
        return AnswerCase(self.question, self.text, texts, finish_reason=self.finish_reason)


def served_requests(workbench: Workbench, hours: float = HOURS, name: str = "") -> list[ServedRequest]:
    """Of the last hours, the oldest first. name: under which they were served; "": any."""
    asked = {"since": since_ns(hours), "name": name, "paths": [*PATHS, REFUSED]}
    return [ServedRequest(**row) for row in workbench.store.query(_REQUESTS, asked)]


def served_answers(
    workbench: Workbench, hours: float = HOURS, name: str = "", paths: Sequence[str] = ANSWERING
) -> list[ServedAnswer]:
    """The same of answers that went out, or of those of other paths."""
    asked = {"since": since_ns(hours), "name": name, "paths": list(paths)}
    return _answers(workbench.store.query(_ANSWERS.format(which="start_ns >= $since"), asked))


def answers_of_traces(workbench: Workbench, traces: Iterable[str]) -> list[ServedAnswer]:
    """The oldest first; those that are not recorded, or gave no answer, are not there."""
    asked = {"since": 0, "name": "", "paths": list(ANSWERING), "traces": list(traces)}
    return _answers(workbench.store.query(_ANSWERS.format(which="spans.trace IN (SELECT unnest($traces))"), asked))


def _answers(rows: Sequence[dict[str, Any]]) -> list[ServedAnswer]:
    return [ServedAnswer(**{**row, "passages": _passages(files.read_json(row["passages"] or "[]"))}) for row in rows]


def _passages(read: Any) -> tuple[dict[str, Any], ...]:
    """Those that are whole: spans may come from anybody's file."""
    whole = read if isinstance(read, list) else []
    return tuple(each for each in whole if isinstance(each, dict) and set(PASSAGE_FIELDS) <= each.keys() and _is_place(each))


def _is_place(told: dict[str, Any]) -> bool:
    texts = (told["document"], told["text"], told["title"] or "")
    return all(isinstance(text, str) for text in texts) and type(told["start"]) is type(told["end"]) is int


def names_served(workbench: Workbench, hours: float = HOURS) -> list[str]:
    """Under which services answered in the last hours, the latest first."""
    sql = """
        SELECT attributes ->> '$.served_as' AS served_as FROM spans WHERE start_ns >= ? AND name IN (SELECT unnest(?))
        GROUP BY served_as HAVING served_as IS NOT NULL ORDER BY max(start_ns) DESC"""
    return [row["served_as"] for row in workbench.store.query(sql, [since_ns(hours), list(PATHS)])]


def since_ns(hours: float) -> int:
    if not hours > 0:
        raise WorkbenchError(f"A window of {hours:g} hours holds nothing.", todo="Give a number of hours above 0.")
    return time.time_ns() - round(hours * 3600e9)
