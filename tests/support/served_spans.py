"""Spans of a service as it would have recorded them, at times and with ends that a test says."""

import os
import time
from typing import Any

import numpy as np

from core.serving.spans import TraceSpan
from core.serving.stored_spans import to_journal
from core.workbench import Workbench

PASSAGE = "The market of Lund opens at five."


def request(
    ago_s: float,
    ms: float = 100.0,
    status: int = 200,
    path: str = "/answer",
    trace: str = "",
    span: str = "",
    score: float | None = None,
    **about: Any,
) -> list[TraceSpan]:
    """A request that began so long ago, with the search within it where there is a score."""
    trace, own = trace or os.urandom(16).hex(), span or os.urandom(8).hex()
    start = time.time_ns() - round(1e9 * ago_s)
    told = {"question": "When?", "served_as": "towns", "recipe": "r", "status": status, "way": "local", **about}
    whole = TraceSpan(trace, own, "", path, "other", start, start + round(1e6 * ms), "ok" if status == 200 else "error", "", told)
    if score is None:
        return [whole]
    found = {"query": told["question"], "depth": 2, "score": score}
    return [whole, TraceSpan(trace, os.urandom(8).hex(), own, "search", "retrieval", start, start + 1_000_000, "ok", "", found)]


def answer(ago_s: float, question: str, text: str, **about: Any) -> list[TraceSpan]:
    passage = {"document": "Lund.txt", "title": "", "start": 0, "end": len(PASSAGE), "text": PASSAGE}
    return request(ago_s, question=question, answer=text, finish_reason="stop", passages=[passage], **about)


def record(workbench: Workbench, *requests: list[TraceSpan]) -> None:
    to_journal(workbench.home, "groundwork")([span for spans in requests for span in spans], 0)


def queue(n: int, rate: float, seed: int = 0, lost: float = 0.0) -> list[list[TraceSpan]]:
    """A single server's requests with what its queue counts; of the spans a share is lost."""
    rng = np.random.default_rng(seed)
    arrivals, ends = np.cumsum(rng.exponential(1 / rate, n)), np.zeros(n)
    for place, at in enumerate(arrivals):
        ends[place] = max(at, ends[place - 1] if place else 0.0) + rng.exponential(0.5 / rate)
    times = np.sort(np.concatenate([arrivals, ends]))
    inside = np.searchsorted(arrivals, times[:-1], "right") - np.searchsorted(ends, times[:-1], "right")
    spent = np.concatenate([[0.0], np.cumsum(inside * np.diff(times))])
    until = ends[-1]
    return [
        request(until - at, 1000 * (end - at), queue={"since": 1, "request_s": float(spent[np.searchsorted(times, end)])})
        for at, end, here in zip(arrivals, ends, rng.random(n) >= lost, strict=True)
        if here
    ]
